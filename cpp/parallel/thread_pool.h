/** @file The process's thread pool, with low-latency fork and join. Native only. */
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace shacomp {

/** Tells the processor that a loop is waiting. */
inline void spin_pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** Waits for some microseconds until done(); false if that was not enough. */
template <class Done>
bool spin_until(Done done) {
  constexpr int kSpins = 2000;
  for (int spin = 0; spin < kSpins; ++spin) {
    if (done()) return true;
    spin_pause();
  }
  return false;
}

/**
 * Waits until done(value) and returns the value: spins, then sleeps. Whoever changes the atomic must notify.
 */
template <class Done>
std::uint32_t spin_then_sleep(std::atomic<std::uint32_t>& atomic, Done done) {
  std::uint32_t value;
  const auto is_done = [&] { return done(value = atomic.load(std::memory_order_acquire)); };
  if (!spin_until(is_done))
    while (!is_done()) atomic.wait(value, std::memory_order_acquire);
  return value;
}

/**
 * Tells waiting threads that there is something to do. Waking a sleeper takes a call of the system: it is
 * done only if nobody is still spinning, so that no more threads stay awake than find work.
 */
class Signal {
 public:
  /** To be read before looking for work, and waited with if there is none: no later signal is missed. */
  std::uint32_t count() const { return count_.load(); }

  void wait(std::uint32_t seen) {
    const auto signalled = [&] { return count_.load() != seen; };
    ++spinning_;
    const bool soon = spin_until(signalled);
    --spinning_;
    if (!soon)
      while (!signalled()) count_.wait(seen);
  }

  /** There is work for one. */
  void one() {
    ++count_;
    if (spinning_ == 0) count_.notify_one();
  }

  void all() {
    ++count_;
    count_.notify_all();
  }

 private:
  // Both in one total order: who stops spinning sees the signal, or who gives the signal sees that nobody
  // spins.
  alignas(64) std::atomic<std::uint32_t> count_{0};
  std::atomic<std::uint32_t> spinning_{0};
};

/**
 * A mutex for a few instructions at a time: whoever finds it locked spins, and sleeps only if its holder was
 * interrupted.
 */
class SpinMutex {
 public:
  void lock() {
    for (int spin = 0; spin < 100; ++spin) {
      if (mutex_.try_lock()) return;
      spin_pause();
    }
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

/**
 * Threads that help whoever calls `parallel_for`. They serve one caller at a time: another one, on a thread
 * of its own, meanwhile works alone. Idle threads spin for some microseconds, then sleep. Work is never left
 * to a thread that has not woken up: on a busy machine the caller does it all rather than wait.
 */
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads = 1) { grow(threads); }

  ~ThreadPool() {
    stop_.store(true, std::memory_order_relaxed);
    for (auto& worker : workers_) worker->call(worker->epoch.load(std::memory_order_relaxed) + 1);
    for (auto& worker : workers_) worker->thread.join();
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /**
   * The process's pool, with `threads` threads or more, but not more than there are processors. It is made
   * for the first who asks; its threads end when the last has let go of it.
   */
  static std::shared_ptr<ThreadPool> shared(unsigned threads) {
    static std::mutex mutex;
    static std::weak_ptr<ThreadPool> current;
    const std::lock_guard lock(mutex);
    std::shared_ptr<ThreadPool> pool = current.lock();
    if (!pool) current = pool = std::make_shared<ThreadPool>();
    pool->grow(std::min(threads, std::max(1u, std::thread::hardware_concurrency())));
    return pool;
  }

  /**
   * Calls fn(0) ... fn(n - 1), each once, in any order and on any thread; returns when all are done. n <
   * 2^16.
   */
  template <class F>
  void parallel_for(std::size_t n, F&& fn) {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (n <= 1 || !turn.owns_lock() || workers_.empty()) {
      for (std::size_t i = 0; i < n; ++i) fn(i);
      return;
    }
    using Function = std::remove_reference_t<F>;
    call_ = [](void* context, std::size_t i) { (*static_cast<Function*>(context))(i); };
    context_ = const_cast<void*>(static_cast<const void*>(std::addressof(fn)));
    pending_.store(static_cast<std::uint32_t>(n), std::memory_order_relaxed);
    ++epoch_;
    ticket_.store(std::uint64_t{epoch_} << 32 | n << 16, std::memory_order_release);
    const std::size_t helpers = std::min(workers_.size(), n - 1);
    for (std::size_t i = 0; i < helpers; ++i) workers_[i]->call(epoch_);
    drain();
    spin_then_sleep(pending_, [](std::uint32_t pending) { return pending == 0; });
  }

 private:
  /**
   * Takes indices and calls the function until none is left. A ticket that was taken belongs to the job that
   * is running, which does not end before the call: what is read of the job afterwards is not the next one's.
   */
  void drain() noexcept {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while ((ticket & 0xFFFF) < (ticket >> 16 & 0xFFFF)) {
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire))
        continue;
      call_(context_, ticket & 0xFFFF);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  struct Worker {
    alignas(64) std::atomic<std::uint32_t> epoch{0};  // of the last job that it was called for
    std::thread thread;

    void call(std::uint32_t job) {
      epoch.store(job, std::memory_order_release);
      epoch.notify_one();
    }
  };

  /** Makes it `threads` threads, the caller's included; fewer where the system gives no more. */
  void grow(unsigned threads) noexcept {
    const std::lock_guard turn(turn_);
    try {
      workers_.reserve(threads);
      while (workers_.size() + 1 < threads) {
        auto worker = std::make_unique<Worker>();
        worker->thread = std::thread([this, &own = *worker] { work(own); });
        workers_.push_back(std::move(worker));
      }
    } catch (...) {
      // no memory or no thread: fewer do as well
    }
  }

  void work(Worker& own) noexcept {
    std::uint32_t seen = 0;
    for (;;) {
      seen = spin_then_sleep(own.epoch, [seen](std::uint32_t epoch) { return epoch != seen; });
      if (stop_.load(std::memory_order_relaxed)) return;
      drain();
    }
  }

  std::mutex turn_;  // held by the caller that the threads work for
  void (*call_)(void*, std::size_t) = nullptr;
  void* context_ = nullptr;
  std::uint32_t epoch_ = 0;  // of the last job
  /** Epoch of the job (32 bits), number of its indices (16), next index (16). */
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  /** Calls of the job that have not ended. */
  alignas(64) std::atomic<std::uint32_t> pending_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace shacomp
