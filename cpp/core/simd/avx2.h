/** @file AVX2: the operations of simd.h on 256 bits. */
#pragma once

struct I32 {
  __m256i v;
};
struct I16 {
  __m256i v;
};
constexpr int kLanes32 = 8;

INLINE __m256i load_any(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
INLINE void store_any(void* p, __m256i a) { _mm256_storeu_si256(static_cast<__m256i*>(p), a); }

INLINE I32 load32(const int32_t* p) { return {load_any(p)}; }
INLINE void store32(int32_t* p, I32 a) { store_any(p, a.v); }
INLINE I32 set32(int32_t x) { return {_mm256_set1_epi32(x)}; }
INLINE I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
INLINE I32 operator-(I32 a, I32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
INLINE I32 operator&(I32 a, I32 b) { return {_mm256_and_si256(a.v, b.v)}; }
INLINE I32 operator<<(I32 a, int n) { return {_mm256_sll_epi32(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I32 operator>>(I32 a, int n) { return {_mm256_sra_epi32(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I32 shift_right_logical(I32 a, int n) { return {_mm256_srl_epi32(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I32 shift_right_each(I32 a, I32 n) { return {_mm256_srlv_epi32(a.v, n.v)}; }
INLINE I32 min(I32 a, I32 b) { return {_mm256_min_epi32(a.v, b.v)}; }
INLINE I32 max(I32 a, I32 b) { return {_mm256_max_epi32(a.v, b.v)}; }
INLINE I32 mul16(I32 a, I32 b) {
  return {_mm256_madd_epi16(a.v, _mm256_and_si256(b.v, _mm256_set1_epi32(0xffff)))};
}
INLINE I32 high_times(I32 a, I32 m) { return {_mm256_madd_epi16(a.v, _mm256_slli_epi32(m.v, 16))}; }
INLINE I32 low_times(I32 a, I32 m) {
  return {_mm256_mullo_epi32(_mm256_and_si256(a.v, _mm256_set1_epi32(0xffff)), m.v)};
}
INLINE I32 low_times_high(I32 a, I32 m) { return {_mm256_mulhi_epu16(a.v, m.v)}; }
INLINE int32_t sum(I32 a) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
INLINE int32_t max_of(I32 a) {
  __m128i x = _mm_max_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}

INLINE I16 load16(const int16_t* p) { return {load_any(p)}; }
INLINE void store16(int16_t* p, I16 a) { store_any(p, a.v); }
INLINE void store_bytes(int8_t* p, I16 a) {
  const __m256i bytes = _mm256_packs_epi16(a.v, a.v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_castsi256_si128(_mm256_permute4x64_epi64(bytes, 0xd8)));
}
INLINE I16 set16(int x) { return {_mm256_set1_epi16(static_cast<int16_t>(x))}; }
INLINE I16 operator+(I16 a, I16 b) { return {_mm256_add_epi16(a.v, b.v)}; }
INLINE I16 operator-(I16 a, I16 b) { return {_mm256_sub_epi16(a.v, b.v)}; }
INLINE I16 operator&(I16 a, I16 b) { return {_mm256_and_si256(a.v, b.v)}; }
INLINE I16 operator<<(I16 a, int n) { return {_mm256_sll_epi16(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I16 operator>>(I16 a, int n) { return {_mm256_sra_epi16(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I16 add_saturated(I16 a, I16 b) { return {_mm256_adds_epi16(a.v, b.v)}; }
INLINE I16 min(I16 a, I16 b) { return {_mm256_min_epi16(a.v, b.v)}; }
INLINE I16 max(I16 a, I16 b) { return {_mm256_max_epi16(a.v, b.v)}; }
INLINE I16 abs(I16 a) { return {_mm256_abs_epi16(a.v)}; }
INLINE I16 mul15(I16 a, I16 b) { return {_mm256_mulhrs_epi16(a.v, b.v)}; }
INLINE I16 with_sign(I16 a, I16 s) {
  const __m256i negative = _mm256_srai_epi16(s.v, 15);
  return {_mm256_sub_epi16(_mm256_xor_si256(a.v, negative), negative)};
}
INLINE I32 low(I16 a) { return {_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a.v))}; }
INLINE I32 high(I16 a) { return {_mm256_cvtepi16_epi32(_mm256_extracti128_si256(a.v, 1))}; }
INLINE I16 narrow(I32 a, I32 b) { return {_mm256_permute4x64_epi64(_mm256_packs_epi32(a.v, b.v), 0xd8)}; }
INLINE I16 set_pairs(int x, int y) { return {_mm256_set1_epi32(pair_of(x, y))}; }
INLINE I32 mul_pairs(I16 a, I16 b) { return {_mm256_madd_epi16(a.v, b.v)}; }
INLINE I32 sum_pairs(I16 a) { return {_mm256_madd_epi16(a.v, _mm256_set1_epi16(1))}; }
INLINE I32 sum_squares(I16 a, int q) {
  const __m256i lo = _mm256_mullo_epi16(a.v, a.v);
  const __m256i hi = _mm256_mulhi_epu16(a.v, a.v);
  const I32 even = {_mm256_unpacklo_epi16(lo, hi)};
  const I32 odd = {_mm256_unpackhi_epi16(lo, hi)};
  return shift_right_logical(even, q) + shift_right_logical(odd, q);
}

struct Table {
  __m256i low, high;
};
INLINE Table load_table(const TableData& t) {
  return {_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(t.low))),
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(t.high)))};
}
INLINE I16 lookup(Table t, I16 index) {
  const __m256i low = _mm256_or_si256(index.v, _mm256_set1_epi16(static_cast<int16_t>(0x8000)));
  const __m256i high = _mm256_or_si256(_mm256_slli_epi16(index.v, 8), _mm256_set1_epi16(0x80));
  return {_mm256_or_si256(_mm256_shuffle_epi8(t.low, low), _mm256_shuffle_epi8(t.high, high))};
}
