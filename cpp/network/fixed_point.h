/** @file The integer arithmetic of docs/model.md, section 2, on vectors. Included by *.isa.cc. */
#pragma once
#include "core/simd/simd.h"

namespace shacomp::SHACOMP_ISA {

/** Two I32: the lanes of one I16, widened. */
struct Wide {
  I32 low, high;
};

INLINE I16 sat16(I16 a) { return max(a, set16(-32767)); }
INLINE I16 sat16(I32 a, I32 b) { return sat16(narrow(a, b)); }
INLINE I16 sat16(Wide a) { return sat16(a.low, a.high); }
INLINE I16 sat8(I16 a) { return min(max(a, set16(-127)), set16(127)); }

/** (a*m + 2^(s-1)) >> s for |a| <= 2^24, 0 <= m < 2^15, 9 <= s <= 31. */
INLINE I32 scale(I32 a, I32 m, int s) {
  if (s >= 17) return (high_times(a, m) + low_times_high(a, m) + set32(1 << (s - 17))) >> (s - 16);
  return (high_times(a, m) << (16 - s)) + shift_right_logical(low_times(a, m) + set32(1 << (s - 1)), s);
}

constexpr TableData table(const int16_t (&words)[16]) {
  TableData t = {};
  for (int i = 0; i < 16; i++) {
    t.words[i] = words[i];
    t.low[i] = static_cast<uint8_t>(words[i] & 0xff);
    t.high[i] = static_cast<uint8_t>((words[i] >> 8) & 0xff);
  }
  return t;
}

constexpr TableData kTanh[4] = {
    table({0, 15141, 24956, 29660, 31589, 32329, 32606, 32708, 32746, 32760, 32765, 32766, 32767, 32767,
           32767, 32767}),
    table({16441, 12944, 6878, 2948, 1151, 433, 161, 59, 22, 8, 3, 1, 0, 0, 0, 0}),
    table({-265, -3286, -2613, -1278, -523, -200, -75, -28, -10, -4, -1, -1, 0, 0, 0, 0}),
    table({-1034, 155, 439, 259, 112, 44, 16, 6, 2, 1, 0, 0, 0, 0, 0, 0}),
};

/** tanh16 and sigmoid16, with their tables in registers. */
class Sigmoid {
 public:
  [[gnu::always_inline]] static Sigmoid make() {
    return {load_table(kTanh[0]), load_table(kTanh[1]), load_table(kTanh[2]), load_table(kTanh[3])};
  }
  [[gnu::always_inline]] I16 tanh(I16 x) const {
    const I16 a = abs(x);
    const I16 k = a >> 11;
    const I16 u = (a & set16(2047)) << 4;
    I16 t = lookup(c2, k) + mul15(u, lookup(c3, k));
    t = lookup(c1, k) + mul15(u, t);
    t = lookup(c0, k) + mul15(u, t);
    return with_sign(t, x);
  }
  [[gnu::always_inline]] I16 operator()(I16 x) const { return set16(16384) + (tanh(x) >> 1); }

  Table c0, c1, c2, c3;
};

/** 2^-fraction of t (Q.12) in Q.15. */
INLINE I32 exp2neg(I32 t) {
  const I32 u = (t & set32(4095)) << 3;
  const I32 half = set32(16384);
  I32 p = set32(7563) + ((mul16(u, set32(-1294)) + half) >> 15);
  p = set32(-22653) + ((mul16(u, p) + half) >> 15);
  return set32(32768) + ((mul16(u, p) + half) >> 15);
}

/** Attention weight 0..255 of a score that is t below the best; (255e + 2^(14+k)) >> (15+k) in two shifts. */
INLINE I32 attention_weight(I32 t) {
  const I32 e = exp2neg(t);
  const I32 k = min(t >> 12, set32(9));
  return (shift_right_each((e << 8) - e, k + set32(14)) + set32(1)) >> 1;
}

/** Frequency of a symbol whose logit is t below the best. */
INLINE I32 frequency(I32 t) {
  return max(shift_right_each(exp2neg(t) << 7, min(t >> 12, set32(23))), set32(1));
}

/** Number of bits of x: 0 for 0. */
INLINE int bit_length(uint32_t x) { return x == 0 ? 0 : 32 - __builtin_clz(x); }

/** D = round(sqrt(width) * 2^k) in [2^14, 2^15). */
struct RootOfWidth {
  int32_t D;
  int k;
};
INLINE RootOfWidth root_of_width(int width) {
  const double root = __builtin_sqrt(static_cast<double>(width));
  int k = 0;
  while (root * (1 << k) < 16384) k++;
  return {static_cast<int32_t>(root * (1 << k) + 0.5), k};
}

/** Layer norm without gain and bias: int16[d] to Q5.10. */
INLINE void normalize(const int16_t* x, int16_t* out, int d, RootOfWidth root) {
  I32 total = set32(0);
  I16 least = load16(x);
  I16 most = least;
  for (int i = 0; i < d; i += kLanes16) {
    const I16 v = load16(x + i);
    total = total + sum_pairs(v);
    least = min(least, v);
    most = max(most, v);
  }
  const uint32_t shifted = static_cast<uint32_t>(sum(total)) + 32768u * d + (d >> 1);
  const int32_t mean = static_cast<int32_t>(shifted / static_cast<uint32_t>(d)) - 32768;
  const int32_t up = max_of(max(low(most), high(most))) - mean;
  const int32_t down = mean + max_of(max(set32(0) - low(least), set32(0) - high(least)));
  const int b = bit_length(up > down ? up : down);
  if (b == 0) {
    for (int i = 0; i < d; i += kLanes16) store16(out + i, set16(0));
    return;
  }
  int q = 2 * b + bit_length(d - 1) - 32;
  q = q > 0 ? q + (q & 1) : 0;
  I32 squares = set32(0);
  const I16 center = set16(mean);
  for (int i = 0; i < d; i += kLanes16) {
    const I16 v = load16(x + i);
    squares = squares + sum_squares(max(v, center) - min(v, center), q);  // the distance as uint16
  }
  const uint32_t V = static_cast<uint32_t>(sum(squares));
  const int e = __builtin_clz(V) & ~1;
  const uint32_t r = static_cast<uint32_t>(__builtin_sqrt(static_cast<double>(V << e)));
  const uint32_t inverse = ((1u << 30) - 1) / r;
  const I32 m = set32(static_cast<int32_t>((inverse * root.D + 16384) >> 15));
  const int g = 16 - b;
  const int s = root.k + 5 - e / 2 + q / 2 + g;
  const I32 middle = set32(mean);
  for (int i = 0; i < d; i += kLanes16) {
    const I16 v = load16(x + i);
    store16(out + i, sat16(scale((low(v) - middle) << g, m, s), scale((high(v) - middle) << g, m, s)));
  }
}

/** Normalized values (Q5.10) to int8, each channel by its own scale (Q0.15). */
INLINE I16 quant(I16 n, const int16_t* scale) { return sat8(mul15(n, load16(scale))); }

/** Gain and bias of a norm: n * gain, rounded and shifted right, plus bias (Q.10). */
struct Affine {
  int16_t* gain;
  int32_t* bias;
  int shift;
};
INLINE Wide affine(I16 n, Affine a, int i) {
  const I16 gain = load16(a.gain + i);
  const I32 half = set32(1 << (a.shift - 1));
  return {((mul16(low(n), low(gain)) + half) >> a.shift) + load32(a.bias + i),
          ((mul16(high(n), high(gain)) + half) >> a.shift) + load32(a.bias + i + kLanes32)};
}

/** A sum in Q.10 to int16 of the residual stream, rounded and saturated. */
INLINE I16 narrowed(Wide sum, int shift) {
  const I32 half = set32(1 << (shift - 1));
  return sat16((sum.low + half) >> shift, (sum.high + half) >> shift);
}

/** Eight times x, saturated. */
INLINE I16 times8(I16 x) {
  const I16 x2 = add_saturated(x, x);
  const I16 x4 = add_saturated(x2, x2);
  return add_saturated(x4, x4);
}

/** x sigmoid(1.702 x) in Q7.8; 27886 = 0.851 in Q0.15. */
INLINE I16 gelu(const Sigmoid& sigmoid, I16 x) {
  const I16 half = mul15(sat16(times8(x)), set16(27886));
  return mul15(x, sigmoid(sat16(add_saturated(half, half))));
}

}  // namespace shacomp::SHACOMP_ISA
