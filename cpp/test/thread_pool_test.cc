/** @file The thread pool: every index once, in every job, whatever the threads do. */
#include "parallel/thread_pool.h"

#include <atomic>
#include <memory>
#include <vector>

#include "test/check.h"

using shacomp::ThreadPool;

namespace {

/** Each job calls each index once, and has done so when parallel_for returns. */
void every_index_once(unsigned threads) {
  ThreadPool pool(threads);
  shacomp::test::Random random(threads);
  std::vector<int> calls(300);
  for (int job = 0; job < 2000; job++) {
    const size_t n = random.below(job % 50 == 0 ? 300 : 6);
    std::fill(calls.begin(), calls.end(), 0);
    // no atomics: an index belongs to one thread, and the end of the job orders all
    pool.parallel_for(n, [&](size_t i) { calls[i]++; });
    for (size_t i = 0; i < calls.size(); i++) CHECK(calls[i] == (i < n ? 1 : 0));
  }
}

/** What a job writes can be read by the next one on any thread. */
void jobs_follow_each_other(unsigned threads) {
  ThreadPool pool(threads);
  std::vector<long> values(64, 1);
  for (int job = 0; job < 500; job++) {
    std::vector<long> next(values.size());
    pool.parallel_for(values.size(),
                      [&](size_t i) { next[i] = (values[i] + values[(i + 1) % values.size()]) % 1000003; });
    values.swap(next);
  }
  long expected = 1;
  for (int job = 0; job < 500; job++) expected = 2 * expected % 1000003;
  for (const long value : values) CHECK(value == expected);
}

/** The largest job that there may be. */
void many_indices() {
  ThreadPool pool(3);
  std::atomic<size_t> sum{0};
  constexpr size_t kMost = (1 << 16) - 1;
  pool.parallel_for(kMost, [&](size_t i) { sum += i; });
  CHECK(sum == kMost * (kMost - 1) / 2);
}

/** Pools come and go, used or not. */
void short_lives() {
  for (int n = 0; n < 200; n++) {
    ThreadPool pool(1 + n % 4);
    if (n % 3 == 0) pool.parallel_for(5, [](size_t) {});
  }
}

/** Two pools work at the same time, each for its own caller. */
void pools_side_by_side() {
  ThreadPool outer(2);
  std::vector<size_t> sums(2);
  outer.parallel_for(2, [&](size_t which) {
    ThreadPool inner(2);
    std::vector<size_t> parts(10);
    for (int job = 0; job < 100; job++) inner.parallel_for(parts.size(), [&](size_t i) { parts[i] += i; });
    for (const size_t part : parts) sums[which] += part;
  });
  CHECK(sums[0] == 4500 && sums[1] == 4500);
}

}  // namespace

int main() {
  for (unsigned threads = 1; threads <= 5; threads++) {
    every_index_once(threads);
    jobs_follow_each_other(threads);
  }
  many_indices();
  short_lives();
  pools_side_by_side();
}
