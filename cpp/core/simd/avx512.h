/** @file AVX-512 (F, BW, VL, DQ, VNNI): the operations of simd.h on 512 bits. */
#pragma once

struct I32 {
  __m512i v;
};
struct I16 {
  __m512i v;
};
constexpr int kLanes32 = 16;

INLINE I32 load32(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
INLINE void store32(int32_t* p, I32 a) { _mm512_storeu_si512(p, a.v); }
INLINE I32 set32(int32_t x) { return {_mm512_set1_epi32(x)}; }
INLINE I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
INLINE I32 operator-(I32 a, I32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
INLINE I32 operator&(I32 a, I32 b) { return {_mm512_and_si512(a.v, b.v)}; }
INLINE I32 operator<<(I32 a, int n) { return {_mm512_sll_epi32(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I32 operator>>(I32 a, int n) { return {_mm512_sra_epi32(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I32 shift_right_logical(I32 a, int n) { return {_mm512_srl_epi32(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I32 shift_right_each(I32 a, I32 n) { return {_mm512_srlv_epi32(a.v, n.v)}; }
INLINE I32 min(I32 a, I32 b) { return {_mm512_min_epi32(a.v, b.v)}; }
INLINE I32 max(I32 a, I32 b) { return {_mm512_max_epi32(a.v, b.v)}; }
INLINE I32 mul16(I32 a, I32 b) {
  return {_mm512_madd_epi16(a.v, _mm512_and_si512(b.v, _mm512_set1_epi32(0xffff)))};
}
INLINE I32 high_times(I32 a, I32 m) { return {_mm512_madd_epi16(a.v, _mm512_slli_epi32(m.v, 16))}; }
INLINE I32 low_times(I32 a, I32 m) {
  return {_mm512_mullo_epi32(_mm512_and_si512(a.v, _mm512_set1_epi32(0xffff)), m.v)};
}
INLINE I32 low_times_high(I32 a, I32 m) { return {_mm512_mulhi_epu16(a.v, m.v)}; }
// Sums of squares pass 2^31: _mm512_reduce_add_epi32 adds signed numbers, which must not wrap around.
INLINE int32_t sum(I32 a) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
INLINE int32_t max_of(I32 a) { return _mm512_reduce_max_epi32(a.v); }

INLINE I16 load16(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
INLINE void store16(int16_t* p, I16 a) { _mm512_storeu_si512(p, a.v); }
INLINE void store_bytes(int8_t* p, I16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi16_epi8(a.v));
}
INLINE I16 set16(int x) { return {_mm512_set1_epi16(static_cast<int16_t>(x))}; }
INLINE I16 operator+(I16 a, I16 b) { return {_mm512_add_epi16(a.v, b.v)}; }
INLINE I16 operator-(I16 a, I16 b) { return {_mm512_sub_epi16(a.v, b.v)}; }
INLINE I16 operator&(I16 a, I16 b) { return {_mm512_and_si512(a.v, b.v)}; }
INLINE I16 operator<<(I16 a, int n) { return {_mm512_sll_epi16(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I16 operator>>(I16 a, int n) { return {_mm512_sra_epi16(a.v, _mm_cvtsi32_si128(n))}; }
INLINE I16 add_saturated(I16 a, I16 b) { return {_mm512_adds_epi16(a.v, b.v)}; }
INLINE I16 min(I16 a, I16 b) { return {_mm512_min_epi16(a.v, b.v)}; }
INLINE I16 max(I16 a, I16 b) { return {_mm512_max_epi16(a.v, b.v)}; }
INLINE I16 abs(I16 a) { return {_mm512_abs_epi16(a.v)}; }
INLINE I16 mul15(I16 a, I16 b) { return {_mm512_mulhrs_epi16(a.v, b.v)}; }
INLINE I16 with_sign(I16 a, I16 s) {
  return {_mm512_mask_sub_epi16(a.v, _mm512_movepi16_mask(s.v), _mm512_setzero_si512(), a.v)};
}
INLINE I32 low(I16 a) { return {_mm512_cvtepi16_epi32(_mm512_castsi512_si256(a.v))}; }
INLINE I32 high(I16 a) { return {_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(a.v, 1))}; }
INLINE I16 narrow(I32 a, I32 b) {
  return {_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtsepi32_epi16(a.v)), _mm512_cvtsepi32_epi16(b.v),
                             1)};
}
INLINE I16 set_pairs(int x, int y) { return {_mm512_set1_epi32(pair_of(x, y))}; }
INLINE I32 mul_pairs(I16 a, I16 b) { return {_mm512_madd_epi16(a.v, b.v)}; }
INLINE I32 sum_pairs(I16 a) { return {_mm512_madd_epi16(a.v, _mm512_set1_epi16(1))}; }
INLINE I32 sum_squares(I16 a, int q) {
  const __m512i lo = _mm512_mullo_epi16(a.v, a.v);
  const __m512i hi = _mm512_mulhi_epu16(a.v, a.v);
  const I32 even = {_mm512_unpacklo_epi16(lo, hi)};
  const I32 odd = {_mm512_unpackhi_epi16(lo, hi)};
  return shift_right_logical(even, q) + shift_right_logical(odd, q);
}

struct Table {
  __m512i words;
};
INLINE Table load_table(const TableData& t) {
  return {_mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.words)))};
}
INLINE I16 lookup(Table t, I16 index) { return {_mm512_permutexvar_epi16(index.v, t.words)}; }
