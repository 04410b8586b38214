/** @file NEON, with the dot product extension where present: the operations of simd.h. */
#pragma once

struct I32 {
  int32x4_t v;
};
struct I16 {
  int16x8_t v;
};
constexpr int kLanes32 = 4;

INLINE I32 load32(const int32_t* p) { return {vld1q_s32(p)}; }
INLINE void store32(int32_t* p, I32 a) { vst1q_s32(p, a.v); }
INLINE I32 set32(int32_t x) { return {vdupq_n_s32(x)}; }
INLINE I32 operator+(I32 a, I32 b) { return {vaddq_s32(a.v, b.v)}; }
INLINE I32 operator-(I32 a, I32 b) { return {vsubq_s32(a.v, b.v)}; }
INLINE I32 operator&(I32 a, I32 b) { return {vandq_s32(a.v, b.v)}; }
INLINE I32 operator<<(I32 a, int n) { return {vshlq_s32(a.v, vdupq_n_s32(n))}; }
INLINE I32 operator>>(I32 a, int n) { return {vshlq_s32(a.v, vdupq_n_s32(-n))}; }
INLINE I32 shift_right_each(I32 a, I32 n) {
  return {vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a.v), vnegq_s32(n.v)))};
}
INLINE I32 shift_right_logical(I32 a, int n) { return shift_right_each(a, set32(n)); }
INLINE I32 min(I32 a, I32 b) { return {vminq_s32(a.v, b.v)}; }
INLINE I32 max(I32 a, I32 b) { return {vmaxq_s32(a.v, b.v)}; }
INLINE I32 mul16(I32 a, I32 b) { return {vmulq_s32(a.v, b.v)}; }
INLINE I32 high_times(I32 a, I32 m) { return {vmulq_s32(vshrq_n_s32(a.v, 16), m.v)}; }
INLINE I32 low_times(I32 a, I32 m) { return {vmulq_s32(vandq_s32(a.v, vdupq_n_s32(0xffff)), m.v)}; }
INLINE I32 low_times_high(I32 a, I32 m) { return shift_right_logical(low_times(a, m), 16); }
INLINE int32_t sum(I32 a) { return vaddvq_s32(a.v); }
INLINE int32_t max_of(I32 a) { return vmaxvq_s32(a.v); }

INLINE I16 load16(const int16_t* p) { return {vld1q_s16(p)}; }
INLINE void store16(int16_t* p, I16 a) { vst1q_s16(p, a.v); }
INLINE void store_bytes(int8_t* p, I16 a) { vst1_s8(p, vmovn_s16(a.v)); }
INLINE I16 set16(int x) { return {vdupq_n_s16(static_cast<int16_t>(x))}; }
INLINE I16 operator+(I16 a, I16 b) { return {vaddq_s16(a.v, b.v)}; }
INLINE I16 operator-(I16 a, I16 b) { return {vsubq_s16(a.v, b.v)}; }
INLINE I16 operator&(I16 a, I16 b) { return {vandq_s16(a.v, b.v)}; }
INLINE I16 operator<<(I16 a, int n) { return {vshlq_s16(a.v, vdupq_n_s16(static_cast<int16_t>(n)))}; }
INLINE I16 operator>>(I16 a, int n) { return {vshlq_s16(a.v, vdupq_n_s16(static_cast<int16_t>(-n)))}; }
INLINE I16 add_saturated(I16 a, I16 b) { return {vqaddq_s16(a.v, b.v)}; }
INLINE I16 min(I16 a, I16 b) { return {vminq_s16(a.v, b.v)}; }
INLINE I16 max(I16 a, I16 b) { return {vmaxq_s16(a.v, b.v)}; }
INLINE I16 abs(I16 a) { return {vabsq_s16(a.v)}; }
INLINE I16 mul15(I16 a, I16 b) { return {vqrdmulhq_s16(a.v, b.v)}; }
INLINE I16 with_sign(I16 a, I16 s) { return {vbslq_s16(vcltzq_s16(s.v), vnegq_s16(a.v), a.v)}; }
INLINE I32 low(I16 a) { return {vmovl_s16(vget_low_s16(a.v))}; }
INLINE I32 high(I16 a) { return {vmovl_high_s16(a.v)}; }
INLINE I16 narrow(I32 a, I32 b) { return {vqmovn_high_s32(vqmovn_s32(a.v), b.v)}; }
INLINE I16 set_pairs(int x, int y) { return {vreinterpretq_s16_s32(vdupq_n_s32(pair_of(x, y)))}; }
INLINE I32 mul_pairs(I16 a, I16 b) {
  return {vpaddq_s32(vmull_s16(vget_low_s16(a.v), vget_low_s16(b.v)), vmull_high_s16(a.v, b.v))};
}
INLINE I32 sum_pairs(I16 a) { return {vpaddlq_s16(a.v)}; }
INLINE I32 sum_squares(I16 a, int q) {
  const uint16x8_t u = vreinterpretq_u16_s16(a.v);
  const I32 first = {vreinterpretq_s32_u32(vmull_u16(vget_low_u16(u), vget_low_u16(u)))};
  const I32 second = {vreinterpretq_s32_u32(vmull_high_u16(u, u))};
  return shift_right_logical(first, q) + shift_right_logical(second, q);
}

struct Table {
  uint8x16_t low, high;
};
INLINE Table load_table(const TableData& t) { return {vld1q_u8(t.low), vld1q_u8(t.high)}; }
INLINE I16 lookup(Table t, I16 index) {
  const uint16x8_t i = vreinterpretq_u16_s16(index.v);
  const uint8x16_t low = vreinterpretq_u8_u16(vorrq_u16(i, vdupq_n_u16(0x8000)));
  const uint8x16_t high = vreinterpretq_u8_u16(vorrq_u16(vshlq_n_u16(i, 8), vdupq_n_u16(0x80)));
  return {vreinterpretq_s16_u8(vorrq_u8(vqtbl1q_u8(t.low, low), vqtbl1q_u8(t.high, high)))};
}
