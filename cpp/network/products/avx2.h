/**
 * @file Products on 256 bits: vpdpbusd with AVX-VNNI, else vpmaddubsw, which multiplies unsigned by signed
 * bytes and adds two products in int16: exact while no such sum passes 32767.
 */
#pragma once

constexpr int kRowVectors = 2;
#if defined(SHACOMP_ISA_avxvnni)
using Operand = uint8_t;
constexpr int kOperandOffset = 128;
constexpr int kFewestSums = 8;
INLINE void store_bytes(uint8_t* p, I16 a) {
  const __m256i bytes = _mm256_packus_epi16(a.v, a.v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_castsi256_si128(_mm256_permute4x64_epi64(bytes, 0xd8)));
}
#else
using Operand = int8_t;
constexpr int kOperandOffset = 0;
constexpr int kFewestSums = 4;
#endif

INLINE __m256i broadcast_bytes(const Operand* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return _mm256_set1_epi32(x);
}
/** Sums over the rows of a matrix whose vectors hold 8 rows by 4 columns. */
struct Rows256 {
  static constexpr int kMostRowWeight = kOperandOffset ? 255 : 127;
  static constexpr int kSumGroups = 8;
  struct RowWeights {
    __m256i v;
  };
  INLINE RowWeights spread(const Operand* p) {
    const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return {
        _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(x), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1))};
  }
  /** 4 columns of 4 rows each, in both halves. */
  INLINE __m256i transpose(__m256i v) {
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
  }
  INLINE void store_row_sums(int32_t* p, I32 a) {
    const __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), x);
  }
};

#if defined(SHACOMP_ISA_avxvnni)

// Without AVX-VNNI among the compiler's flags: the same instruction as AVX-512 encodes it, for tests on such
// processors.
INLINE I32 dpbusd(I32 sum, __m256i bytes, __m256i signed_bytes) {
#if defined(__AVXVNNI__)
  return {_mm256_dpbusd_avx_epi32(sum.v, bytes, signed_bytes)};
#else
  return {_mm256_dpbusd_epi32(sum.v, bytes, signed_bytes)};
#endif
}

/** Exact for all bytes. The weights are the signed ones. */
struct Dpbusd : Rows256 {
  static constexpr char kName[] = "vpdpbusd";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 4;
  static constexpr int kColumns = 5;
  static constexpr bool kRisky = false;
  struct Weights {
    __m256i v;
  };
  struct Operands {
    __m256i v;
  };
  INLINE int place(int row, int k) { return row * 4 + k; }
  INLINE Weights load(const int8_t* p) { return {load_any(p)}; }
  INLINE Operands broadcast(const Operand* p) { return {broadcast_bytes(p)}; }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return dpbusd(sum, x.v, w.v); }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    return dpbusd(sum, w.v, transpose(load_any(p)));
  }
};

using Kernels = KernelList<Dpbusd>;
using MemoryKernel = Dpbusd;

#else

INLINE int32_t sum_of_bytes(const Operand* x, int n) {
  I32 total = set32(0);
  for (int k = 0; k < n; k += 32) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), load_any(x + k));
    total = total + I32{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))};
  }
  return sum(total);
}

/**
 * Narrow weights, stored with kOffset added, so that they are 1..2*kOffset-1, and two vectors' pairs added in
 * int16 before they are widened. With 6 bits (kOffset 32) four products are at most 4*63*127 = 32004. With 7
 * bits (kOffset 64, products up to 127*127) they fit unless nearly all operands are large and of one sign:
 * columns where they might not are found beforehand (`prepare`), and each vector's pairs, at most 2*127*127,
 * are widened by themselves there.
 */
template <int kWeightOffset>
struct Narrow {
  static constexpr const char* kName = kWeightOffset == 64 ? "vpmaddubsw, 7 bits" : "vpmaddubsw, 6 bits";
  static constexpr int kOffset = kWeightOffset;
  static constexpr int kLimit = kOffset - 1;
  static constexpr int kDepth = 8;
  static constexpr int kColumns = 5;
  static constexpr bool kRisky = kOffset == 64;
  struct Weights {
    __m256i first, second;
  };
  struct Operands {
    __m256i first, second;
  };
  INLINE int place(int row, int k) { return k / 4 * 32 + row * 4 + k % 4; }
  INLINE Weights load(const int8_t* p) { return {load_any(p), load_any(p + 32)}; }
  INLINE Operands broadcast(const Operand* p) { return {broadcast_bytes(p), broadcast_bytes(p + 4)}; }
  INLINE I32 dot(I32 sum, Weights w, Operands x) {
    const __m256i first = _mm256_maddubs_epi16(w.first, x.first);
    return sum + widened(_mm256_add_epi16(first, _mm256_maddubs_epi16(w.second, x.second)));
  }
  INLINE I32 dot_apart(I32 sum, Weights w, Operands x) {
    sum = sum + widened(_mm256_maddubs_epi16(w.first, x.first));
    return sum + widened(_mm256_maddubs_epi16(w.second, x.second));
  }
  INLINE Column prepare(const Operand* x, int depth) {
    Column column = {-kOffset * sum_of_bytes(x, depth), 0};
    if (!kRisky) return column;
    for (int k = 0; k < depth; k += 32) {
      const __m256i v = load_any(x + k);
      const __m256i zero = _mm256_setzero_si256();
      const __m256i risky = _mm256_or_si256(passes(_mm256_max_epi8(v, zero)),
                                            passes(_mm256_max_epi8(_mm256_sub_epi8(zero, v), zero)));
      const uint32_t bytes = static_cast<uint32_t>(_mm256_movemask_epi8(risky));
      column.risky |= static_cast<uint64_t>((bytes & 0xffff) != 0) << (k / 16);
      column.risky |= static_cast<uint64_t>((bytes >> 16) != 0) << (k / 16 + 1);
    }
    return column;
  }

 private:
  INLINE I32 widened(__m256i pairs) { return {_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))}; }
  /** Where the sum of four operands (those of one sign) times the largest weight passes int16. */
  INLINE __m256i passes(__m256i x) {
    const __m256i pairs = _mm256_maddubs_epi16(x, _mm256_set1_epi8(1));
    const __m256i fours = _mm256_add_epi16(pairs, _mm256_srli_epi64(pairs, 32));
    return _mm256_cmpgt_epi16(fours, _mm256_set1_epi16(32767 / (2 * kOffset - 1)));
  }
};

/**
 * All of [-127, 127]: |x| times w with the sign of x. Where x is negative, w's complement -w-1 stands for -w,
 * and the sums start at the sum of those |x| (flipping bits is cheaper than vpsignb). A pair is at most
 * 2*127*128 = 32512.
 */
struct Whole : Rows256 {
  static constexpr char kName[] = "vpmaddubsw, 8 bits";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 4;
  static constexpr int kColumns = 4;
  static constexpr bool kRisky = false;
  struct Weights {
    __m256i v;
  };
  struct Operands {
    __m256i magnitude, negative;
  };
  INLINE int place(int row, int k) { return row * 4 + k; }
  INLINE Weights load(const int8_t* p) { return {load_any(p)}; }
  INLINE Operands broadcast(const Operand* p) {
    const __m256i x = broadcast_bytes(p);
    return {_mm256_abs_epi8(x), _mm256_cmpgt_epi8(_mm256_setzero_si256(), x)};
  }
  INLINE I32 dot(I32 sum, Weights w, Operands x) {
    const __m256i pairs = _mm256_maddubs_epi16(x.magnitude, _mm256_xor_si256(w.v, x.negative));
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
  }
  INLINE Column prepare(const Operand* x, int depth) {
    const __m256i zero = _mm256_setzero_si256();
    I32 total = set32(0);
    for (int k = 0; k < depth; k += 32) {
      const __m256i below = _mm256_max_epi8(_mm256_sub_epi8(zero, load_any(x + k)), zero);
      total = total + I32{_mm256_sad_epu8(below, zero)};
    }
    return {sum(total), 0};
  }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) {
    const __m256i pairs = _mm256_maddubs_epi16(w.v, transpose(load_any(p)));
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
  }
};

using Kernels = KernelList<Narrow<32>, Narrow<64>, Whole>;
using MemoryKernel = Whole;

#endif
