/** @file Whether several threads in lockstep are worth it at the moment. */
#pragma once

#include <algorithm>
#include <limits>

namespace shacomp {

/**
 * Threads in lockstep wait for each other. Where other programs want the processors, one that is interrupted
 * holds up all, and one thread alone gets on better. So now and then the speed of one thread is measured on
 * short pieces, and when the fastest of a few calls by all is slower than the fastest piece, one works alone
 * for a while: twice as long each time in a row that they fail.
 */
class ThreadGovernor {
 public:
  /** Whether the next call should be a short piece, by one thread. */
  bool measuring() const { return measuring_ > 0; }

  /** Whether all threads should work in the next call. */
  bool together() const { return measuring_ == 0 && rest_ == 0; }

  /** @param cost time per symbol of that call, in any unit */
  void took(double cost) {
    if (measuring_ > 0) {
      alone_ = std::min(alone_, cost);
      measuring_--;
    } else if (rest_ > 0) {
      if (--rest_ == 0) measure();
    } else {
      fastest_ = calls_ % kPieces == 0 ? cost : std::min(fastest_, cost);
      calls_++;
      if (calls_ % kPieces == 0 && fastest_ > alone_) {
        rest_ = penalty_;
        penalty_ = std::min(2 * penalty_, kMostPenalty);
      } else if (calls_ == kCalls) {
        penalty_ = kLeastPenalty;
        measure();
      }
    }
  }

 private:
  static constexpr int kPieces = 4;
  static constexpr int kCalls = 64;
  static constexpr int kLeastPenalty = 8;
  static constexpr int kMostPenalty = 256;

  void measure() {
    measuring_ = kPieces;
    alone_ = std::numeric_limits<double>::max();
    calls_ = 0;
  }

  int measuring_ = kPieces;                            // pieces to come
  double alone_ = std::numeric_limits<double>::max();  // cost of the fastest piece
  double fastest_ = 0;                                 // cost of the fastest of the last few calls by all
  int calls_ = 0;                                      // by all since the measurement
  int rest_ = 0;                                       // calls to come of one thread
  int penalty_ = kLeastPenalty;
};

}  // namespace shacomp
