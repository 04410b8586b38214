/**
 * @file Constant tables of the mixing coder: logistic function and its inverse, bit-history states,
 * adaptation rates.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace shacomp::mix {

/** Logistic domain: natural-log odds in Q8, clamped to +-LOGIT_MAX (12 nats). */
inline constexpr int32_t LOGIT_MAX = 3071;

/** squash: logit Q8 in [-3072, 3071] -> probability Q16 in [1, 65535]. */
struct SquashTable {
  uint16_t value[6144];
  constexpr SquashTable() : value{} {
    // e = exp(-k/256) in Q32 by repeated multiplication; 4278222926 = floor(2^32 exp(-1/256)).
    uint64_t e = uint64_t{1} << 32;
    for (int k = 0; k < 3072; k++) {
      uint32_t p = static_cast<uint32_t>((uint64_t{1} << 48) / ((uint64_t{1} << 32) + e));
      if (p > 65535) p = 65535;
      value[3072 + k] = static_cast<uint16_t>(p);
      if (k > 0) value[3072 - k] = static_cast<uint16_t>(65536 - p);
      e = (e * 4278222926u) >> 32;
    }
    value[0] = value[1];
  }
};
inline constexpr SquashTable SQUASH{};

/**
 * stretch: probability Q16 -> logit Q8, the inverse of SQUASH. Probabilities below 1/16 (and, mirrored, above
 * 15/16) are looked up at full resolution, in entries 0 to 4095, the rest in steps of 16/65536, from entry
 * 4096 on, so that the table stays in the first-level cache.
 */
struct StretchTable {
  int16_t value[8192];
  constexpr StretchTable() : value{} {
    int x = -LOGIT_MAX;
    for (int p = 0; p < 65536; p++) {
      while (x < LOGIT_MAX && SQUASH.value[3072 + x] < p) x++;
      if (p < 4096) value[p] = static_cast<int16_t>(x);
      if ((p & 15) == 8) value[4096 + (p >> 4)] = static_cast<int16_t>(x);
    }
  }
};
inline constexpr StretchTable STRETCH{};

/**
 * Bit histories in one byte: counts of zeros and ones (n0, n1) and, where both occur, which came last. A bit
 * raises its own count and, when the other count exceeds 2, cuts that down to about its logarithm: recent
 * behaviour weighs more. State 0 is "never seen". The idea of such states is from Mahoney, "Adaptive weighing
 * of context models" (2005).
 */
struct StateTable {
  uint8_t next[256][2];
  uint8_t zeros[256];
  uint8_t ones[256];
  int count;

  static constexpr int bound(int smaller) {
    constexpr int bounds[] = {45, 22, 12, 7, 5};
    return smaller > 4 ? -1 : bounds[smaller];
  }
  static constexpr bool allowed(int a, int b) { return a >= b ? a <= bound(b) : b <= bound(a); }

  constexpr StateTable() : next{}, zeros{}, ones{}, count(0) {
    int16_t index[64][64][2] = {};
    for (int total = 0; total <= 45; total++)
      for (int n1 = 0; n1 <= total; n1++) {
        const int n0 = total - n1;
        if (!allowed(n0, n1)) continue;
        const int flavours = n0 > 0 && n1 > 0 ? 2 : 1;
        for (int last = 0; last < flavours; last++) {
          index[n0][n1][last] = static_cast<int16_t>(count);
          if (flavours == 1) index[n0][n1][1] = static_cast<int16_t>(count);
          zeros[count] = static_cast<uint8_t>(n0);
          ones[count] = static_cast<uint8_t>(n1);
          count++;
        }
      }
    for (int s = 0; s < count; s++)
      for (int bit = 0; bit < 2; bit++) {
        int same = (bit ? ones[s] : zeros[s]) + 1;
        int other = bit ? zeros[s] : ones[s];
        if (other > 2) {
          int log = 0;
          for (int v = other; v > 1; v >>= 1) log++;
          other = log + 1;
        }
        while (!allowed(same, other)) same--;
        next[s][bit] = static_cast<uint8_t>(bit ? index[other][same][1] : index[same][other][0]);
      }
  }
};
inline constexpr StateTable STATES{};
static_assert(STATES.count <= 256);

/** Adaptation rate after n observations: 65536 / (n + 1.5), Q16. */
struct RateTable {
  uint16_t value[1024];
  constexpr RateTable() : value{} {
    for (int n = 0; n < 1024; n++) value[n] = static_cast<uint16_t>(131072 / (2 * n + 3));
  }
};
inline constexpr RateTable RATES{};

}  // namespace shacomp::mix
