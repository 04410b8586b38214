/** @file A fixed-size thread pool with low-latency fork and join. Native only. */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>
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

/** Waits until done(value) and returns the value: spins, then sleeps. Whoever changes the atomic must notify. */
template <class Done>
std::uint32_t spin_then_sleep(std::atomic<std::uint32_t>& atomic, Done done) {
  std::uint32_t value;
  const auto is_done = [&] { return done(value = atomic.load(std::memory_order_acquire)); };
  if (!spin_until(is_done))
    while (!is_done()) atomic.wait(value, std::memory_order_acquire);
  return value;
}

/**
 * Tells waiting threads that there is something to do. Waking a sleeper takes a call of the system: it is done only if nobody
 * is still spinning, so that no more threads stay awake than find work.
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
  // Both in one total order: who stops spinning sees the signal, or who gives the signal sees that nobody spins.
  alignas(64) std::atomic<std::uint32_t> count_{0};
  std::atomic<std::uint32_t> spinning_{0};
};

/** A mutex for a few instructions at a time: whoever finds it locked spins, and sleeps only if its holder was interrupted. */
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
 * `size()` threads, the caller's own included. `parallel_for` may be called by one thread at a time.
 * Idle workers spin for some microseconds, then sleep. Work is never left to a worker that has not woken up: on a busy
 * machine the caller does it all rather than wait.
 */
class ThreadPool {
 public:
  /** Has fewer threads where the system gives no more. */
  explicit ThreadPool(unsigned threads) {
    try {
      for (unsigned i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
    }
  }

  ~ThreadPool() {
    stop_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

  /** Calls fn(0) ... fn(n - 1), each once, in any order and on any thread; returns when all are done. n < 2^16. */
  template <class F>
  void parallel_for(std::size_t n, F&& fn) {
    if (n <= 1 || workers_.empty()) {
      for (std::size_t i = 0; i < n; ++i) fn(i);
      return;
    }
    using Function = std::remove_reference_t<F>;
    call_ = [](void* context, std::size_t i) { (*static_cast<Function*>(context))(i); };
    context_ = const_cast<void*>(static_cast<const void*>(std::addressof(fn)));
    pending_.store(static_cast<std::uint32_t>(n), std::memory_order_relaxed);
    const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
    ticket_.store(std::uint64_t{epoch} << 32 | n << 16, std::memory_order_release);
    epoch_.store(epoch, std::memory_order_release);
    epoch_.notify_all();
    drain();
    spin_then_sleep(pending_, [](std::uint32_t pending) { return pending == 0; });
  }

 private:
  /**
   * Takes indices and calls the function until none is left. A ticket that was taken belongs to the job that is running,
   * which does not end before the call: what is read of the job afterwards is not the next one's.
   */
  void drain() {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while ((ticket & 0xFFFF) < (ticket >> 16 & 0xFFFF)) {
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      call_(context_, ticket & 0xFFFF);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  void work() {
    std::uint32_t seen = 0;
    for (;;) {
      seen = spin_then_sleep(epoch_, [seen](std::uint32_t epoch) { return epoch != seen; });
      if (stop_.load(std::memory_order_relaxed)) return;
      drain();
    }
  }

  void (*call_)(void*, std::size_t) = nullptr;
  void* context_ = nullptr;
  /** Epoch of the job (32 bits), number of its indices (16), next index (16). */
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  /** Calls of the job that have not ended. */
  alignas(64) std::atomic<std::uint32_t> pending_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace shacomp
