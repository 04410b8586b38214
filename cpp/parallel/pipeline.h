/**
 * @file Who does what while streams are predicted and coded at the same time by several threads. Native only.
 *
 * Streams advance in groups. Groups are predicted independently of each other; coding has one order, step by
 * step and in a step group by group. A decoder can predict a group's next step only once the one before is
 * coded. An encoder knows its input, and its network runs ahead of the coder as far as there is room.
 */
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

#include "parallel/thread_pool.h"

namespace shacomp {

/** Contiguous groups of streams of almost equal size. */
struct StreamGroups {
  int streams;
  int groups;

  int first(int group) const { return static_cast<int>(int64_t{streams} * group / groups); }
  int size(int group) const { return first(group + 1) - first(group); }
  int largest() const { return (streams + groups - 1) / groups; }
};

/**
 * The schedule of one call. Every thread calls `work`; whoever is free codes if the next group is predicted
 * (with rounds of several steps: if all groups are, a round of all), else predicts, else waits. No result
 * depends on who did what, and one thread does it all if the others are late.
 */
class Pipeline {
 public:
  /**
   * @param steps to predict and code
   * @param ahead steps that a group's prediction may be ahead of its coding: 1 where each needs the one
   * before coded
   * @param round steps that are predicted at a time; divides `ahead`
   */
  Pipeline(int groups, int steps, int ahead, int round)
      : groups_(static_cast<size_t>(groups)), steps_(steps), ahead_(ahead), round_(round) {}

  /**
   * Does a thread's share; returns when all is done.
   * @param predict called as predict(group, first step, number of steps)
   * @param code called as code(group, step)
   */
  template <class Predict, class Code>
  void work(Predict&& predict, Code&& code) {
    for (Task task = next({}); task.kind != Task::kEnd; task = next(task)) {
      if (task.kind == Task::kPredict) {
        predict(task.group, task.step, task.count);
        continue;
      }
      for (int i = 0, group = task.group, step = task.step; i < task.count; i++) {
        code(group, step);
        if (++group == groups()) group = 0, step++;
      }
    }
  }

 private:
  struct Task {
    enum Kind { kNone, kPredict, kCode, kEnd } kind = kNone;
    int group = 0;
    int step = 0;
    int count = 0;  // steps of the group, or groups from here on in coding order
  };

  struct Group {
    int predicted = 0;  // steps
    int coded = 0;
    bool busy = false;  // being predicted
  };

  int groups() const { return static_cast<int>(groups_.size()); }

  /**
   * Takes note of what a thread has done and gives it something else to do, as soon as there is something.
   */
  Task next(Task done) {
    for (;; done = {}) {
      const std::uint32_t seen = signal_.count();
      const auto [task, left] = exchange(done);
      if (left == Task::kEnd)
        signal_.all();
      else if (left != Task::kNone)
        signal_.one();
      if (task.kind != Task::kNone) return task;
      signal_.wait(seen);
    }
  }

  /** What to do, and what would be left for another thread. */
  struct Exchange {
    Task task;
    Task::Kind left;
  };

  Exchange exchange(const Task& done) {
    const std::lock_guard lock(mutex_);
    finish(done);
    const Task task = available();
    start(task);
    return {task, available().kind};
  }

  void start(const Task& task) {
    if (task.kind == Task::kCode) coding_ = true;
    if (task.kind == Task::kPredict) groups_[task.group].busy = true;
  }

  void finish(const Task& task) {
    if (task.kind == Task::kPredict) {
      groups_[task.group].predicted += task.count;
      groups_[task.group].busy = false;
    } else if (task.kind == Task::kCode) {
      for (int i = 0; i < task.count; i++) {
        groups_[cursor_].coded++;
        if (++cursor_ == groups()) cursor_ = 0;
      }
      coding_ = false;
    }
  }

  Task available() const {
    if (groups_.back().coded == steps_) return {Task::kEnd};
    // Coding first: it has one order, and all else waits for it in the end.
    if (const int count = codable()) return {Task::kCode, cursor_, groups_[cursor_].coded, count};
    const int group = predictable();
    if (group < 0) return {};
    return {Task::kPredict, group, groups_[group].predicted, round_from(groups_[group].predicted)};
  }

  /** Steps of the round that begins with this one. */
  int round_from(int step) const { return std::min(round_, steps_ - step); }

  /** How many groups can be coded now, in coding order: one, or a round of all. */
  int codable() const {
    if (coding_) return 0;
    const auto ready = [](const Group& group) { return group.predicted > group.coded; };
    if (round_ == 1) return ready(groups_[cursor_]);
    return std::all_of(groups_.begin(), groups_.end(), ready) ? round_from(groups_[0].coded) * groups() : 0;
  }

  /** The group that can be predicted now and is needed first; -1 if there is none. */
  int predictable() const {
    int best = -1;
    for (int g = 0; g < groups(); g++) {
      const auto& [predicted, coded, busy] = groups_[g];
      const bool ready = !busy && predicted < steps_ && predicted + round_from(predicted) <= coded + ahead_;
      if (ready && (best < 0 || predicted < groups_[best].predicted)) best = g;
    }
    return best;
  }

  SpinMutex mutex_;
  std::vector<Group> groups_;
  const int steps_;
  const int ahead_;
  const int round_;
  int cursor_ = 0;       // group that is coded next
  bool coding_ = false;  // somebody codes
  Signal signal_;
};

}  // namespace shacomp
