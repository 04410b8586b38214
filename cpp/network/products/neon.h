/** @file NEON products: sdot where there is the dot product extension, else smull and smlal in int16. */
#pragma once

using Operand = int8_t;
constexpr int kOperandOffset = 0;
constexpr int kRowVectors = 4;
constexpr int kFewestSums = 8;

#if defined(__ARM_FEATURE_DOTPROD)

/** Exact for all bytes. */
struct Sdot {
  static constexpr char kName[] = "sdot";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 4;
  static constexpr int kColumns = 4;
  static constexpr bool kRisky = false;
  struct Weights {
    int8x16_t v;
  };
  struct Operands {
    int8x16_t v;
  };
  INLINE int place(int row, int k) { return row * 4 + k; }
  INLINE Weights load(const int8_t* p) { return {vld1q_s8(p)}; }
  INLINE Operands broadcast(const Operand* p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return {vreinterpretq_s8_s32(vdupq_n_s32(x))};
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return {vdotq_s32(sum.v, w.v, x.v)}; }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }

  static constexpr int kMostRowWeight = 127;
  static constexpr int kSumGroups = 16;
  using RowWeights = Operands;
  INLINE RowWeights spread(const Operand* p) { return broadcast(p); }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    static const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    return {vdotq_s32(sum.v, vqtbl1q_s8(vld1q_s8(p), vld1q_u8(order)), w.v)};
  }
  INLINE void store_row_sums(int32_t* p, I32 a) { vst1q_s32(p, a.v); }
};

using Kernels = KernelList<Sdot>;
using MemoryKernel = Sdot;

#else

/**
 * int16 lanes take two products per vector of weights before they are widened: as many vectors as leave them
 * below 2^15. One: 2*127*127 = 32258. Two, 7 bits: 4*63*127 = 32004. Four, 6 bits: 8*31*127 = 31496. A vector
 * is 4 rows of 4 columns: columns 0 and 1 of all rows come first, then 2 and 3.
 */
template <int kVectors>
struct Smlal {
  static constexpr const char* kName = kVectors == 1   ? "smlal, 8 bits"
                                       : kVectors == 2 ? "smlal, 7 bits"
                                                       : "smlal, 6 bits";
  static constexpr int kLimit = 127 / kVectors;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 4 * kVectors;
  static constexpr int kColumns = 4;
  static constexpr bool kRisky = false;
  struct Weights {
    int8x16_t v[kVectors];
  };
  struct Operands {
    int8x8_t first[kVectors], second[kVectors];
  };
  INLINE int place(int row, int k) { return k / 4 * 16 + k % 4 / 2 * 8 + row * 2 + k % 2; }
  INLINE Weights load(const int8_t* p) {
    Weights w;
    UNROLL
    for (int i = 0; i < kVectors; i++) w.v[i] = vld1q_s8(p + 16 * i);
    return w;
  }
  INLINE Operands broadcast(const Operand* p) {
    int16_t x[2 * kVectors];
    __builtin_memcpy(x, p, sizeof(x));
    Operands all;
    UNROLL
    for (int i = 0; i < kVectors; i++) {
      all.first[i] = vreinterpret_s8_s16(vdup_n_s16(x[2 * i]));
      all.second[i] = vreinterpret_s8_s16(vdup_n_s16(x[2 * i + 1]));
    }
    return all;
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) {
    int16x8_t pairs = vmull_s8(vget_low_s8(w.v[0]), x.first[0]);
    pairs = vmlal_s8(pairs, vget_high_s8(w.v[0]), x.second[0]);
    UNROLL
    for (int i = 1; i < kVectors; i++) {
      pairs = vmlal_s8(pairs, vget_low_s8(w.v[i]), x.first[i]);
      pairs = vmlal_s8(pairs, vget_high_s8(w.v[i]), x.second[i]);
    }
    return {vpadalq_s16(sum.v, pairs)};
  }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }

  static constexpr int kMostRowWeight = 127;
  static constexpr int kSumGroups = 16;
  using RowWeights = Operands;
  INLINE RowWeights spread(const Operand* p) { return broadcast(p); }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    static const uint8_t order[16] = {0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15};
    return dot(sum, {{vqtbl1q_s8(vld1q_s8(p), vld1q_u8(order))}}, w);
  }
  INLINE void store_row_sums(int32_t* p, I32 a) { vst1q_s32(p, a.v); }
};

using Kernels = KernelList<Smlal<4>, Smlal<2>, Smlal<1>>;
using MemoryKernel = Smlal<1>;

#endif
