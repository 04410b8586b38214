/**
 * @file WebAssembly products: i32x4.dot_i16x8_s, or with relaxed SIMD i32x4.relaxed_dot_i8x16_i7x16_add_s.
 */
#pragma once

constexpr int kOperandOffset = 0;
constexpr int kRowVectors = 4;
constexpr int kFewestSums = 8;

#if defined(__wasm_relaxed_simd__)

using Operand = int8_t;

// Relaxed products are of signed bytes and bytes 0..127, two added in int16: what hosts may do differently
// (saturate there or wrap around, take bytes above 127 as signed or unsigned) does not arise, as two are at
// most 2*127*128.

/** Adds four products to each lane. */
INLINE v128_t relaxed_dot4(v128_t signed8, v128_t unsigned7, v128_t sum) {
  return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(signed8, unsigned7, sum);
}
/** Adds two products in each int16 lane. */
INLINE v128_t relaxed_dot2(v128_t signed8, v128_t unsigned7) {
  return wasm_i16x8_relaxed_dot_i8x16_i7x16(signed8, unsigned7);
}
INLINE I32 plus_pairs(I32 sum, v128_t pairs) { return sum + I32{wasm_i32x4_extadd_pairwise_i16x8(pairs)}; }

/**
 * Whether the host makes one instruction of relaxed_dot4 (vpdpbusd, sdot) and not five around pmaddubsw.
 * Operands out of their range tell them apart: the first adds 4*127*255, the second 4*127*-1, the last twice
 * what it saturates at 32767.
 */
static bool host_fuses() {
  volatile int8_t first = 127;
  volatile int8_t second = -1;
  const v128_t sums = relaxed_dot4(wasm_i8x16_splat(first), wasm_i8x16_splat(second), wasm_i32x4_splat(0));
  const int32_t sum = wasm_i32x4_extract_lane(sums, 0);
  return sum == 4 * 127 * 255 || sum == 4 * 127 * -1;
}

INLINE int32_t sum_of_bytes(const Operand* x, int n) {
  I32 total = set32(0);
  for (int k = 0; k < n; k += 16)
    total = plus_pairs(total, wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(x + k)));
  return sum(total);
}

/** Weights of 7 bits, stored as 1..127, where relaxed_dot4 is one instruction. */
struct Fused {
  static constexpr char kName[] = "relaxed_dot (i32x4), 7 bits";
  static constexpr int kLimit = 63;
  static constexpr int kOffset = 64;
  static constexpr int kDepth = 4;
  static constexpr int kColumns = 2;
  static constexpr bool kRisky = false;
  struct Weights {
    v128_t v;
  };
  struct Operands {
    v128_t v;
  };
  INLINE int place(int row, int k) { return row * 4 + k; }
  INLINE Weights load(const int8_t* p) { return {wasm_v128_load(p)}; }
  INLINE Operands broadcast(const Operand* p) { return {wasm_v128_load32_splat(p)}; }
  INLINE bool suits_host() { return host_fuses(); }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return {relaxed_dot4(x.v, w.v, sum.v)}; }
  INLINE Column prepare(const Operand* x, int depth) { return {-kOffset * sum_of_bytes(x, depth), 0}; }
};

/**
 * The same weights where it is not: the pairs of two vectors are added in int16 before they are widened. Four
 * products up to 127*127 fit unless nearly all operands are large and of one sign; where they might not, each
 * vector is widened by itself.
 */
struct Paired {
  static constexpr char kName[] = "relaxed_dot (i16x8), 7 bits";
  static constexpr int kLimit = 63;
  static constexpr int kOffset = 64;
  static constexpr int kDepth = 8;
  static constexpr int kColumns = 2;
  static constexpr bool kRisky = true;
  struct Weights {
    v128_t first, second;
  };
  struct Operands {
    v128_t first, second;
  };
  INLINE int place(int row, int k) { return k / 4 * 16 + row * 4 + k % 4; }
  INLINE Weights load(const int8_t* p) { return {wasm_v128_load(p), wasm_v128_load(p + 16)}; }
  INLINE Operands broadcast(const Operand* p) {
    return {wasm_v128_load32_splat(p), wasm_v128_load32_splat(p + 4)};
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) {
    return plus_pairs(sum, wasm_i16x8_add(relaxed_dot2(x.first, w.first), relaxed_dot2(x.second, w.second)));
  }
  INLINE I32 dot_apart(I32 sum, Weights w, Operands x) {
    return plus_pairs(plus_pairs(sum, relaxed_dot2(x.first, w.first)), relaxed_dot2(x.second, w.second));
  }
  INLINE Column prepare(const Operand* x, int depth) {
    Column column = {-kOffset * sum_of_bytes(x, depth), 0};
    const v128_t zero = wasm_i8x16_splat(0);
    for (int k = 0; k < depth; k += 16) {
      const v128_t v = wasm_v128_load(x + k);
      const v128_t risky =
          wasm_v128_or(passes(wasm_i8x16_max(v, zero)), passes(wasm_i8x16_max(wasm_i8x16_neg(v), zero)));
      column.risky |= static_cast<uint64_t>(wasm_v128_any_true(risky)) << (k / 16);
    }
    return column;
  }

 private:
  /** Where the sum of four operands (those of one sign) times the largest weight passes int16. */
  INLINE v128_t passes(v128_t x) {
    const v128_t pairs = wasm_i16x8_extadd_pairwise_i8x16(x);
    const v128_t fours = wasm_i16x8_add(pairs, wasm_i32x4_shuffle(pairs, pairs, 1, 0, 3, 2));
    return wasm_i16x8_gt(fours, wasm_i16x8_splat(32767 / (2 * kOffset - 1)));
  }
};

/** All of [-127, 127], bytes widened as they are loaded. */
struct Widened {
  static constexpr char kName[] = "dot_i16x8, 8 bits";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 2;
  static constexpr int kColumns = 2;
  static constexpr bool kRisky = false;
  struct Weights {
    v128_t v;
  };
  struct Operands {
    v128_t v;
  };
  INLINE int place(int row, int k) { return row * 2 + k; }
  INLINE Weights load(const int8_t* p) { return {wasm_i16x8_load8x8(p)}; }
  INLINE Operands broadcast(const Operand* p) {
    return {wasm_i16x8_extend_low_i8x16(wasm_v128_load16_splat(p))};
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return sum + I32{wasm_i32x4_dot_i16x8(w.v, x.v)}; }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }
};

/**
 * For the memory, all of [-127, 127]: |x| times w with the sign of x. Where x is negative, w's complement
 * -w-1 stands for -w, and the sums start at the sum of those |x|.
 */
struct Signs {
  static constexpr char kName[] = "relaxed_dot, 8 bits";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 4;
  static constexpr int kColumns = 1;
  static constexpr bool kRisky = false;
  struct Weights {
    v128_t v;
  };
  struct Operands {
    v128_t magnitude, negative;
  };
  INLINE int place(int row, int k) { return row * 4 + k; }
  INLINE Weights load(const int8_t* p) { return {wasm_v128_load(p)}; }
  INLINE Operands broadcast(const Operand* p) {
    const v128_t x = wasm_v128_load32_splat(p);
    return {wasm_i8x16_abs(x), wasm_i8x16_lt(x, wasm_i8x16_splat(0))};
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) {
    return plus_pairs(sum, relaxed_dot2(wasm_v128_xor(w.v, x.negative), x.magnitude));
  }
  INLINE Column prepare(const Operand* x, int depth) {
    I32 total = set32(0);
    for (int k = 0; k < depth; k += 16) {
      const v128_t below = wasm_i8x16_neg(wasm_i8x16_min(wasm_v128_load(x + k), wasm_i8x16_splat(0)));
      total = plus_pairs(total, wasm_i16x8_extadd_pairwise_i8x16(below));
    }
    return {sum(total), 0};
  }

  static constexpr int kMostRowWeight = 127;
  static constexpr int kSumGroups = 8;
  struct RowWeights {
    v128_t v;
  };
  INLINE RowWeights spread(const Operand* p) { return {wasm_v128_load32_splat(p)}; }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    const v128_t order = wasm_i8x16_make(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return plus_pairs(sum, relaxed_dot2(wasm_i8x16_swizzle(wasm_v128_load(p), order), w.v));
  }
  INLINE void store_row_sums(int32_t* p, I32 a) { wasm_v128_store(p, a.v); }
};

using MemoryKernel = Signs;

using Kernels = KernelList<Fused, Paired, Widened>;

#else

using Operand = int16_t;

INLINE void store_bytes(Operand* p, I16 a) { store16(p, a); }

/** Exact for all int16, which bytes become as they are loaded. */
struct Dot16 {
  static constexpr char kName[] = "dot_i16x8";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 2;
  static constexpr int kColumns = 2;
  static constexpr bool kRisky = false;
  struct Weights {
    v128_t v;
  };
  struct Operands {
    v128_t v;
  };
  INLINE int place(int row, int k) { return row * 2 + k; }
  INLINE Weights load(const int8_t* p) { return {wasm_i16x8_load8x8(p)}; }
  INLINE Operands broadcast(const Operand* p) { return {wasm_v128_load32_splat(p)}; }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return sum + I32{wasm_i32x4_dot_i16x8(w.v, x.v)}; }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }

  static constexpr int kMostRowWeight = 255;
  static constexpr int kSumGroups = 8;
  using RowWeights = Operands;
  INLINE RowWeights spread(const Operand* p) { return {wasm_v128_load64_splat(p)}; }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    const v128_t v = load(p).v;
    return dot(sum, {wasm_i16x8_shuffle(v, v, 0, 2, 4, 6, 1, 3, 5, 7)}, w);
  }
  INLINE void store_row_sums(int32_t* p, I32 a) {
    const v128_t x = wasm_i32x4_add(a.v, wasm_i32x4_shuffle(a.v, a.v, 1, 0, 3, 2));
    p[0] = wasm_i32x4_extract_lane(x, 0);
    p[1] = wasm_i32x4_extract_lane(x, 2);
  }
};

using Kernels = KernelList<Dot16>;
using MemoryKernel = Dot16;

#endif
