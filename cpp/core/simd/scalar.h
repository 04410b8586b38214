/** @file Plain C++: the operations of simd.h for machines without vector instructions that we know. */
#pragma once

struct I32 {
  int32_t v;
};
struct I16 {
  int16_t v[2];
};
constexpr int kLanes32 = 1;

INLINE int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }
template <class F>
INLINE I16 each(I16 a, F f) {
  return {{static_cast<int16_t>(f(a.v[0])), static_cast<int16_t>(f(a.v[1]))}};
}
template <class F>
INLINE I16 each(I16 a, I16 b, F f) {
  return {{static_cast<int16_t>(f(a.v[0], b.v[0])), static_cast<int16_t>(f(a.v[1], b.v[1]))}};
}
INLINE int saturate16(int x) { return x > 32767 ? 32767 : x < -32768 ? -32768 : x; }

INLINE I32 load32(const int32_t* p) { return {*p}; }
INLINE void store32(int32_t* p, I32 a) { *p = a.v; }
INLINE I32 set32(int32_t x) { return {x}; }
INLINE I32 operator+(I32 a, I32 b) { return {wrap(uint32_t(a.v) + uint32_t(b.v))}; }
INLINE I32 operator-(I32 a, I32 b) { return {wrap(uint32_t(a.v) - uint32_t(b.v))}; }
INLINE I32 operator&(I32 a, I32 b) { return {a.v & b.v}; }
INLINE I32 operator<<(I32 a, int n) { return {wrap(uint32_t(a.v) << n)}; }
INLINE I32 operator>>(I32 a, int n) { return {a.v >> n}; }
INLINE I32 shift_right_logical(I32 a, int n) { return {wrap(uint32_t(a.v) >> n)}; }
INLINE I32 shift_right_each(I32 a, I32 n) { return {wrap(uint32_t(a.v) >> n.v)}; }
INLINE I32 min(I32 a, I32 b) { return {a.v < b.v ? a.v : b.v}; }
INLINE I32 max(I32 a, I32 b) { return {a.v > b.v ? a.v : b.v}; }
INLINE I32 mul16(I32 a, I32 b) { return {a.v * b.v}; }
INLINE I32 high_times(I32 a, I32 m) { return {(a.v >> 16) * m.v}; }
INLINE I32 low_times(I32 a, I32 m) { return {wrap((uint32_t(a.v) & 0xffff) * uint32_t(m.v))}; }
INLINE I32 low_times_high(I32 a, I32 m) { return {wrap(((uint32_t(a.v) & 0xffff) * uint32_t(m.v)) >> 16)}; }
INLINE int32_t sum(I32 a) { return a.v; }
INLINE int32_t max_of(I32 a) { return a.v; }

INLINE I16 load16(const int16_t* p) { return {{p[0], p[1]}}; }
INLINE void store16(int16_t* p, I16 a) {
  p[0] = a.v[0];
  p[1] = a.v[1];
}
INLINE void store_bytes(int8_t* p, I16 a) {
  p[0] = static_cast<int8_t>(a.v[0]);
  p[1] = static_cast<int8_t>(a.v[1]);
}
INLINE I16 set16(int x) { return {{static_cast<int16_t>(x), static_cast<int16_t>(x)}}; }
INLINE I16 operator+(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return x + y; });
}
INLINE I16 operator-(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return x - y; });
}
INLINE I16 operator&(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return x & y; });
}
INLINE I16 operator<<(I16 a, int n) {
  return each(a, [n](int x) { return uint32_t(x) << n; });
}
INLINE I16 operator>>(I16 a, int n) {
  return each(a, [n](int x) { return x >> n; });
}
INLINE I16 add_saturated(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return saturate16(x + y); });
}
INLINE I16 min(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return x < y ? x : y; });
}
INLINE I16 max(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return x > y ? x : y; });
}
INLINE I16 abs(I16 a) {
  return each(a, [](int x) { return x < 0 ? -x : x; });
}
INLINE I16 mul15(I16 a, I16 b) {
  return each(a, b, [](int x, int y) { return (x * y + 16384) >> 15; });
}
INLINE I16 with_sign(I16 a, I16 s) {
  return each(a, s, [](int x, int y) { return y < 0 ? -x : x; });
}
INLINE I32 low(I16 a) { return {a.v[0]}; }
INLINE I32 high(I16 a) { return {a.v[1]}; }
INLINE I16 narrow(I32 a, I32 b) {
  return {{static_cast<int16_t>(saturate16(a.v)), static_cast<int16_t>(saturate16(b.v))}};
}
INLINE I16 set_pairs(int x, int y) { return {{static_cast<int16_t>(x), static_cast<int16_t>(y)}}; }
INLINE I32 mul_pairs(I16 a, I16 b) { return {a.v[0] * b.v[0] + a.v[1] * b.v[1]}; }
INLINE I32 sum_pairs(I16 a) { return {a.v[0] + a.v[1]}; }
INLINE I32 sum_squares(I16 a, int q) {
  const uint32_t x = static_cast<uint16_t>(a.v[0]);
  const uint32_t y = static_cast<uint16_t>(a.v[1]);
  return {wrap((x * x >> q) + (y * y >> q))};
}

struct Table {
  const int16_t* words;
};
INLINE Table load_table(const TableData& t) { return {t.words}; }
INLINE I16 lookup(Table t, I16 index) {
  return each(index, [t](int i) { return t.words[i]; });
}
