/** @file When several threads are used, and when one is left alone. */
#include "parallel/thread_governor.h"

#include "test/check.h"

using shacomp::ThreadGovernor;

namespace {

constexpr int kEnough = 4000;

/** Calls until it is measured how fast one thread is. */
void measure(ThreadGovernor& governor, double alone) {
  int pieces = 0;
  for (; governor.measuring(); pieces++) {
    CHECK(!governor.together() && pieces < 100);
    governor.took(alone);
  }
  CHECK(pieces > 0);
}

/** How many of some calls all threads work in, if each costs so much. */
int together_of(ThreadGovernor& governor, int calls, double alone, double together) {
  int count = 0;
  for (int n = 0; n < calls; n++) {
    const bool all = governor.together();
    count += all;
    governor.took(all ? together : alone);
  }
  return count;
}

void begins_by_measuring_one_thread() {
  ThreadGovernor governor;
  CHECK(governor.measuring() && !governor.together());
  measure(governor, 1);
  CHECK(governor.together());
}

void uses_all_where_that_is_faster() {
  ThreadGovernor governor;
  CHECK(together_of(governor, kEnough, 1, 0.6) > kEnough * 0.9);
}

void leaves_one_alone_where_all_are_slower() {
  ThreadGovernor governor;
  CHECK(together_of(governor, kEnough, 1, 3) < kEnough * 0.1);
}

/** One slow call is chance: the fastest of a few counts. */
void a_single_slow_call_changes_nothing() {
  ThreadGovernor governor;
  measure(governor, 1);
  for (int n = 0; n < 40; n++) {
    CHECK(governor.together());
    governor.took(n % 4 == 1 ? 50 : 0.6);
  }
}

void rests_longer_each_time_it_fails() {
  ThreadGovernor governor;
  int rests = 0, length = 0, before = 0;
  for (int n = 0; n < kEnough; n++) {
    if (governor.measuring()) {
      if (length > 0) {
        CHECK(length >= before);
        before = length;
        rests++;
        length = 0;
      }
      governor.took(1);
    } else if (governor.together()) {
      governor.took(9);
    } else {
      length++;
      governor.took(1);
    }
  }
  CHECK(rests >= 5 && before >= 100 && before <= 1000);
}

void comes_back_when_the_machine_is_quiet_again() {
  ThreadGovernor governor;
  together_of(governor, 1000, 1, 9);
  together_of(governor, 1000, 1, 0.6);
  CHECK(together_of(governor, 1000, 1, 0.6) > 900);
}

/** What failed long ago does not make the next failure cost more. */
void forgets_failures_after_success() {
  ThreadGovernor governor;
  const auto rest = [&governor] {
    int calls = 0;
    for (bool began = false; calls < kEnough; governor.took(governor.together() ? 9 : 1)) {
      const bool resting = !governor.together() && !governor.measuring();
      if (resting) calls++;
      if (began && !resting) break;
      began = resting;
    }
    return calls;
  };
  const int first = rest();
  for (int n = 0; n < 6; n++) rest();
  CHECK(rest() > 4 * first);
  together_of(governor, 1000, 1, 0.6);
  CHECK(rest() == first);
}

/** One thread may have become faster or slower since: it is measured now and then. */
void measures_again_and_again() {
  ThreadGovernor governor;
  int measured = 0;
  for (int n = 0; n < kEnough; n++) {
    measured += governor.measuring();
    governor.took(governor.together() ? 0.6 : 1);
  }
  CHECK(measured > 20 && measured < kEnough / 10);
}

}  // namespace

int main() {
  begins_by_measuring_one_thread();
  uses_all_where_that_is_faster();
  leaves_one_alone_where_all_are_slower();
  a_single_slow_call_changes_nothing();
  rests_longer_each_time_it_fails();
  comes_back_when_the_machine_is_quiet_again();
  forgets_failures_after_success();
  measures_again_and_again();
}
