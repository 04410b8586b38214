/** @file When several threads are used, and when one is left alone. */
#include "parallel/thread_governor.h"

#include "test/check.h"

using shacomp::Pace;

namespace {

constexpr int kEnough = 4000;

/** Calls until it is measured how fast one thread is. */
void measure(Pace& pace, double alone) {
  int pieces = 0;
  for (; pace.measuring(); pieces++) {
    CHECK(!pace.together() && pieces < 100);
    pace.took(alone);
  }
  CHECK(pieces > 0);
}

/** How many of some calls all threads work in, if each costs so much. */
int together_of(Pace& pace, int calls, double alone, double together) {
  int count = 0;
  for (int n = 0; n < calls; n++) {
    const bool all = pace.together();
    count += all;
    pace.took(all ? together : alone);
  }
  return count;
}

void begins_by_measuring_one_thread() {
  Pace pace;
  CHECK(pace.measuring() && !pace.together());
  measure(pace, 1);
  CHECK(pace.together());
}

void uses_all_where_that_is_faster() {
  Pace pace;
  CHECK(together_of(pace, kEnough, 1, 0.6) > kEnough * 0.9);
}

void leaves_one_alone_where_all_are_slower() {
  Pace pace;
  CHECK(together_of(pace, kEnough, 1, 3) < kEnough * 0.1);
}

/** One slow call is chance: the fastest of a few counts. */
void a_single_slow_call_changes_nothing() {
  Pace pace;
  measure(pace, 1);
  for (int n = 0; n < 40; n++) {
    CHECK(pace.together());
    pace.took(n % 4 == 1 ? 50 : 0.6);
  }
}

void rests_longer_each_time_it_fails() {
  Pace pace;
  int rests = 0, length = 0, before = 0;
  for (int n = 0; n < kEnough; n++) {
    if (pace.measuring()) {
      if (length > 0) {
        CHECK(length >= before);
        before = length;
        rests++;
        length = 0;
      }
      pace.took(1);
    } else if (pace.together()) {
      pace.took(9);
    } else {
      length++;
      pace.took(1);
    }
  }
  CHECK(rests >= 5 && before >= 100 && before <= 1000);
}

void comes_back_when_the_machine_is_quiet_again() {
  Pace pace;
  together_of(pace, 1000, 1, 9);
  together_of(pace, 1000, 1, 0.6);
  CHECK(together_of(pace, 1000, 1, 0.6) > 900);
}

/** One thread may have become faster or slower since: it is measured now and then. */
void measures_again_and_again() {
  Pace pace;
  int measured = 0;
  for (int n = 0; n < kEnough; n++) {
    measured += pace.measuring();
    pace.took(pace.together() ? 0.6 : 1);
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
  measures_again_and_again();
}
