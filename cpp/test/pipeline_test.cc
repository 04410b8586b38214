/**
 * @file The pipeline's schedule: what is predicted before what is coded, how far ahead, and each of it once.
 */
#include "parallel/pipeline.h"

#include <vector>

#include "test/check.h"

using shacomp::Pipeline;
using shacomp::StreamGroups;
using shacomp::ThreadPool;

namespace {

void groups_are_contiguous() {
  for (int streams = 1; streams <= 40; streams++) {
    for (int groups = 1; groups <= streams; groups++) {
      const StreamGroups g{streams, groups};
      int next = 0;
      for (int k = 0; k < groups; k++) {
        CHECK(g.first(k) == next);
        CHECK(g.size(k) >= streams / groups && g.size(k) <= g.largest());
        next += g.size(k);
      }
      CHECK(next == streams);
    }
  }
}

/** Notes without any lock: the pipeline itself must order them, which the thread sanitizer checks. */
void schedule(unsigned threads, int groups, int steps, int ahead, int round) {
  ThreadPool pool(threads);
  Pipeline pipeline(groups, steps, ahead, round);
  std::vector<std::vector<int>> predicted(groups, std::vector<int>(steps));
  std::vector<int> done(groups);  // steps predicted, by group
  std::vector<int> coded(groups);
  std::vector<int> room(static_cast<size_t>(groups) * ahead);  // what predictions hand over to the coder
  int last = -1;
  pool.parallel_for(threads, [&](size_t) {
    pipeline.work(
        [&](int group, int first, int count) {
          CHECK(count >= 1 && count <= round && first + count <= steps);
          CHECK(first == done[group]);
          for (int step = first; step < first + count; step++) {
            predicted[group][step]++;
            // the coder is done with what lay here before
            room[group * ahead + step % ahead] = step;
          }
          done[group] += count;
        },
        [&](int group, int step) {
          CHECK(step * groups + group == last + 1);
          last++;
          CHECK(predicted[group][step] == 1);
          CHECK(room[group * ahead + step % ahead] == step);
          coded[group]++;
        });
  });
  CHECK(last == steps * groups - 1);
  for (int group = 0; group < groups; group++) CHECK(coded[group] == steps && done[group] == steps);
}

/** With a lead of one step, a prediction sees everything that was coded before it: what a decoder needs. */
void decoders_see_what_was_coded(unsigned threads, int groups, int steps) {
  ThreadPool pool(threads);
  Pipeline pipeline(groups, steps, 1, 1);
  std::vector<int> coded(groups);
  pool.parallel_for(threads, [&](size_t) {
    pipeline.work([&](int group, int first, int) { CHECK(coded[group] == first); },
                  [&](int group, int) { coded[group]++; });
  });
}

}  // namespace

int main() {
  groups_are_contiguous();
  for (unsigned threads = 1; threads <= 4; threads++) {
    for (int groups = 1; groups <= 4; groups++) {
      for (const int steps : {1, 2, 7, 64, 200}) {
        for (const int round : {1, 3, 8}) {
          for (const int rounds : {1, 2, 4}) schedule(threads, groups, steps, round * rounds, round);
        }
        decoders_see_what_was_coded(threads, groups, steps);
      }
    }
  }
}
