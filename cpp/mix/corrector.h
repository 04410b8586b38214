/**
 * @file The corrector: a small network of constant weights that has learned, from other files, what the full
 * profile's inputs and logits are worth. What it adds to the final prediction's logit depends on how far the
 * weight sets and maps agree, and on where in a byte and in a stream they do. Fitted by
 * training/torch/corrector.py.
 */
#pragma once
#include <bit>
#include <cstdint>

#include "core/isa.h"
#include "core/simd/simd.h"
#include "mix/corrector_weights.h"
#include "mix/hash.h"

namespace shacomp::SHACOMP_ISA {
namespace {

/** Numbers of the corrector's categories: each has a row of weights per value. */
struct Categories {
  static constexpr const auto& count = mix::CORRECTOR_CATEGORIES;
  static constexpr int kinds = sizeof(count) / sizeof(count[0]);
  static constexpr uint32_t rows = [] {
    uint32_t n = 0;
    for (uint32_t values : count) n += values;
    return n;
  }();

  uint32_t byte_class;   // of the last byte
  uint32_t place;        // bit's index * 8 + how many orders know the context
  uint32_t runs;         // how many runs agree with the bits so far
  uint32_t match;        // class and bit of the longest match; 0 without one
  uint32_t age;          // of the stream: bits of its length so far, at most 18
  uint32_t uncertainty;  // of the network; 0 without one

  /** The row of each, of all rows together. */
  void rows_of(uint32_t (&row)[kinds]) const {
    const uint32_t value[kinds] = {byte_class, place, runs, match, age, uncertainty};
    uint32_t first = 0;
    for (int k = 0; k < kinds; k++) {
      row[k] = first + at_most(value[k], count[k] - 1);
      first += count[k];
    }
  }
};

/**
 * Two hidden layers of rectified units. Inputs are logits and, of histories, 4 (p - 1/2), Q8; weights Q11;
 * sums Q19; units Q8 from 0 to just below 32. No sum of the weights at hand leaves an int32
 * (test/engines/reference/mixer-corrector.test.ts).
 */
struct Corrector {
  /** Largest magnitude of a correction, Q8. */
  static constexpr int32_t MOST_CORRECTION = 2047;
  static constexpr int inputs = mix::CORRECTOR_INPUTS;
  static constexpr int units1 = mix::CORRECTOR_UNITS[0], units2 = mix::CORRECTOR_UNITS[1];
  static_assert(units1 % kLanes32 == 0 && units2 % kLanes32 == 0 && units1 % 2 == 0);
  /** Inputs come in pairs; the last one may have no partner. */
  static constexpr int padded = inputs + inputs % 2;

  template <int UNITS>
  using Sums = I32[UNITS / kLanes32];
  /** Q11: of two inputs each, the weights of all units in turns. */
  template <int FROM, int TO>
  using Layer = int16_t[FROM / 2][2 * TO];

  alignas(64) Layer<padded, units1> first;
  alignas(64) int32_t category[Categories::rows][units1];  // Q19
  alignas(64) Layer<units1, units2> second;
  alignas(64) int32_t second_bias[units2];  // Q19
  alignas(64) int32_t last[units2];         // Q11
  int32_t last_bias;                        // Q19

  void init() {
    const int16_t* from = mix::CORRECTOR_WEIGHTS;
    const auto take_layer = [&](auto& to, int rows, int units) {
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < units; j++) to[i / 2][2 * j + i % 2] = *from++;
    };
    const auto take = [&](int32_t* to, int n, int scale) {
      for (int i = 0; i < n; i++) to[i] = *from++ * scale;
    };
    take_layer(first, inputs, units1);
    take(category[0], static_cast<int>(Categories::rows) * units1, 256);
    take_layer(second, units1, units2);
    take(second_bias, units2, 256);
    take(last, units2, 1);
    take(&last_bias, 1, 256);
  }

  /** A unit's value of its sum. */
  static I32 unit(I32 sum) { return min(max(sum >> 11, set32(0)), set32(8191)); }

  /** Adds to the sums what a layer makes of x. */
  template <int FROM, int TO>
  static void add(Sums<TO>& sums, const Layer<FROM, TO>& layer, const int32_t (&x)[FROM]) {
    for (int i = 0; i < FROM / 2; i++) {
      const I16 pair = set_pairs(x[2 * i], x[2 * i + 1]);
      for (int v = 0; v < TO / kLanes32; v++)
        sums[v] = sums[v] + mul_pairs(load16(layer[i] + 2 * v * kLanes32), pair);
    }
  }

  /** What is to be added to the logit, Q8, within ±MOST_CORRECTION. */
  int32_t correction(const int32_t (&x)[padded], const Categories& categories) const {
    uint32_t row[Categories::kinds];
    categories.rows_of(row);
    Sums<units1> sums;
    for (int v = 0; v < units1 / kLanes32; v++) {
      sums[v] = set32(0);
      for (uint32_t r : row) sums[v] = sums[v] + load32(category[r] + v * kLanes32);
    }
    add<padded, units1>(sums, first, x);
    alignas(64) int32_t hidden[units1];
    for (int v = 0; v < units1 / kLanes32; v++) store32(hidden + v * kLanes32, unit(sums[v]));
    Sums<units2> next;
    for (int v = 0; v < units2 / kLanes32; v++) next[v] = load32(second_bias + v * kLanes32);
    add<units1, units2>(next, second, hidden);
    I32 total = set32(0);
    for (int v = 0; v < units2 / kLanes32; v++)
      total = total + mul16(load32(last + v * kLanes32), unit(next[v]));
    const int32_t c = (sum(total) + last_bias + (1 << 10)) >> 11;
    return c < -MOST_CORRECTION ? -MOST_CORRECTION : c > MOST_CORRECTION ? MOST_CORRECTION : c;
  }
};

/** How far this file bears the corrector out: a factor that follows the gradient of the cost. */
struct Trust {
  static constexpr int32_t MOST = 2 << 24;
  int32_t factor = 1 << 24;  // Q24, from 0 to 2

  /** What is added of a correction, Q8. */
  int32_t share_of(int32_t correction) const { return (correction * (factor >> 8) + (1 << 15)) >> 16; }

  /** @param error of the corrected prediction, Q16 */
  void update(int32_t error, int32_t correction) {
    const int32_t moved = factor + (error * correction >> 7);
    factor = moved < 0 ? 0 : moved > MOST ? MOST : moved;
  }
};

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
