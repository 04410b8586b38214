/**
 * @file Products on 512 bits: vpdpbusd, unsigned by signed bytes, exact for all of them. The weights are the
 * signed ones.
 */
#pragma once

using Operand = uint8_t;
constexpr int kOperandOffset = 128;
constexpr int kRowVectors = 4;
constexpr int kFewestSums = 8;

INLINE void store_bytes(uint8_t* p, I16 a) { store_bytes(reinterpret_cast<int8_t*>(p), a); }

struct Dpbusd {
  static constexpr char kName[] = "vpdpbusd";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 4;
  static constexpr int kColumns = 6;
  static constexpr bool kRisky = false;
  struct Weights {
    __m512i v;
  };
  struct Operands {
    __m512i v;
  };
  INLINE int place(int row, int k) { return row * 4 + k; }
  INLINE Weights load(const int8_t* p) { return {_mm512_loadu_si512(p)}; }
  INLINE Operands broadcast(const Operand* p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return {_mm512_set1_epi32(x)};
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return {_mm512_dpbusd_epi32(sum.v, x.v, w.v)}; }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }

  static constexpr int kMostRowWeight = 255;
  static constexpr int kSumGroups = 16;
  struct RowWeights {
    __m512i v;
  };
  INLINE RowWeights spread(const Operand* p) {
    const __m512i order = _mm512_set_epi32(
        0x0f0e0d0c, 0x0f0e0d0c, 0x0f0e0d0c, 0x0f0e0d0c, 0x0b0a0908, 0x0b0a0908, 0x0b0a0908, 0x0b0a0908,
        0x07060504, 0x07060504, 0x07060504, 0x07060504, 0x03020100, 0x03020100, 0x03020100, 0x03020100);
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(x), order)};
  }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    return {_mm512_dpbusd_epi32(sum.v, w.v, _mm512_shuffle_epi8(_mm512_loadu_si512(p), order))};
  }
  INLINE void store_row_sums(int32_t* p, I32 a) {
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), four);
  }
};

using Kernels = KernelList<Dpbusd>;
using MemoryKernel = Dpbusd;
