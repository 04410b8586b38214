/** @file WebAssembly SIMD128: the operations of simd.h. */
#pragma once

struct I32 {
  v128_t v;
};
struct I16 {
  v128_t v;
};
constexpr int kLanes32 = 4;

INLINE I32 load32(const int32_t* p) { return {wasm_v128_load(p)}; }
INLINE void store32(int32_t* p, I32 a) { wasm_v128_store(p, a.v); }
INLINE I32 set32(int32_t x) { return {wasm_i32x4_splat(x)}; }
INLINE I32 operator+(I32 a, I32 b) { return {wasm_i32x4_add(a.v, b.v)}; }
INLINE I32 operator-(I32 a, I32 b) { return {wasm_i32x4_sub(a.v, b.v)}; }
INLINE I32 operator&(I32 a, I32 b) { return {wasm_v128_and(a.v, b.v)}; }
INLINE I32 operator<<(I32 a, int n) { return {wasm_i32x4_shl(a.v, n)}; }
INLINE I32 operator>>(I32 a, int n) { return {wasm_i32x4_shr(a.v, n)}; }
INLINE I32 shift_right_logical(I32 a, int n) { return {wasm_u32x4_shr(a.v, n)}; }
// No shift per lane: by 16, 8, 4, 2 and 1 where the count has that bit.
INLINE I32 shift_right_each(I32 a, I32 n) {
  for (int bit = 16; bit > 0; bit >>= 1) {
    const v128_t b = wasm_i32x4_splat(bit);
    a.v = wasm_v128_bitselect(wasm_u32x4_shr(a.v, bit), a.v, wasm_i32x4_eq(wasm_v128_and(n.v, b), b));
  }
  return a;
}
INLINE I32 min(I32 a, I32 b) { return {wasm_i32x4_min(a.v, b.v)}; }
INLINE I32 max(I32 a, I32 b) { return {wasm_i32x4_max(a.v, b.v)}; }
INLINE I32 mul16(I32 a, I32 b) {
  return {wasm_i32x4_dot_i16x8(a.v, wasm_v128_and(b.v, wasm_i32x4_splat(0xffff)))};
}
INLINE I32 high_times(I32 a, I32 m) { return {wasm_i32x4_dot_i16x8(a.v, wasm_i32x4_shl(m.v, 16))}; }
INLINE I32 low_times(I32 a, I32 m) {
  return {wasm_i32x4_mul(wasm_v128_and(a.v, wasm_i32x4_splat(0xffff)), m.v)};
}
INLINE I32 low_times_high(I32 a, I32 m) { return shift_right_logical(low_times(a, m), 16); }
INLINE int32_t sum(I32 a) {
  const v128_t x = wasm_i32x4_add(a.v, wasm_i32x4_shuffle(a.v, a.v, 2, 3, 0, 1));
  return wasm_i32x4_extract_lane(wasm_i32x4_add(x, wasm_i32x4_shuffle(x, x, 1, 0, 3, 2)), 0);
}
INLINE int32_t max_of(I32 a) {
  const v128_t x = wasm_i32x4_max(a.v, wasm_i32x4_shuffle(a.v, a.v, 2, 3, 0, 1));
  return wasm_i32x4_extract_lane(wasm_i32x4_max(x, wasm_i32x4_shuffle(x, x, 1, 0, 3, 2)), 0);
}

INLINE I16 load16(const int16_t* p) { return {wasm_v128_load(p)}; }
INLINE void store16(int16_t* p, I16 a) { wasm_v128_store(p, a.v); }
INLINE void store_bytes(int8_t* p, I16 a) { wasm_v128_store64_lane(p, wasm_i8x16_narrow_i16x8(a.v, a.v), 0); }
INLINE I16 set16(int x) { return {wasm_i16x8_splat(static_cast<int16_t>(x))}; }
INLINE I16 operator+(I16 a, I16 b) { return {wasm_i16x8_add(a.v, b.v)}; }
INLINE I16 operator-(I16 a, I16 b) { return {wasm_i16x8_sub(a.v, b.v)}; }
INLINE I16 operator&(I16 a, I16 b) { return {wasm_v128_and(a.v, b.v)}; }
INLINE I16 operator<<(I16 a, int n) { return {wasm_i16x8_shl(a.v, n)}; }
INLINE I16 operator>>(I16 a, int n) { return {wasm_i16x8_shr(a.v, n)}; }
INLINE I16 add_saturated(I16 a, I16 b) { return {wasm_i16x8_add_sat(a.v, b.v)}; }
INLINE I16 min(I16 a, I16 b) { return {wasm_i16x8_min(a.v, b.v)}; }
INLINE I16 max(I16 a, I16 b) { return {wasm_i16x8_max(a.v, b.v)}; }
INLINE I16 abs(I16 a) { return {wasm_i16x8_abs(a.v)}; }
INLINE I16 mul15(I16 a, I16 b) { return {wasm_i16x8_q15mulr_sat(a.v, b.v)}; }
INLINE I16 with_sign(I16 a, I16 s) {
  const v128_t negative = wasm_i16x8_shr(s.v, 15);
  return {wasm_i16x8_sub(wasm_v128_xor(a.v, negative), negative)};
}
INLINE I32 low(I16 a) { return {wasm_i32x4_extend_low_i16x8(a.v)}; }
INLINE I32 high(I16 a) { return {wasm_i32x4_extend_high_i16x8(a.v)}; }
INLINE I16 narrow(I32 a, I32 b) { return {wasm_i16x8_narrow_i32x4(a.v, b.v)}; }
INLINE I16 set_pairs(int x, int y) { return {wasm_i32x4_splat(pair_of(x, y))}; }
INLINE I32 mul_pairs(I16 a, I16 b) { return {wasm_i32x4_dot_i16x8(a.v, b.v)}; }
INLINE I32 sum_pairs(I16 a) { return {wasm_i32x4_extadd_pairwise_i16x8(a.v)}; }
INLINE I32 sum_squares(I16 a, int q) {
  return {wasm_i32x4_add(wasm_u32x4_shr(wasm_u32x4_extmul_low_u16x8(a.v, a.v), q),
                         wasm_u32x4_shr(wasm_u32x4_extmul_high_u16x8(a.v, a.v), q))};
}

struct Table {
  v128_t low, high;
};
INLINE Table load_table(const TableData& t) { return {wasm_v128_load(t.low), wasm_v128_load(t.high)}; }
INLINE I16 lookup(Table t, I16 index) {
  const v128_t low = wasm_v128_or(index.v, wasm_i16x8_splat(static_cast<int16_t>(0x8000)));
  const v128_t high = wasm_v128_or(wasm_i16x8_shl(index.v, 8), wasm_i16x8_splat(0x80));
  return {wasm_v128_or(wasm_i8x16_swizzle(t.low, low), wasm_i8x16_swizzle(t.high, high))};
}
