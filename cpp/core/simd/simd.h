/**
 * @file Integer vectors of the instruction set that this file is compiled for.
 *
 * Every header offers the same types and operations, so that the network is written once
 * (network/network.isa.cc). The headers are included inside the instruction set's namespace. AVX-VNNI works
 * on the vectors of AVX2, and relaxed SIMD of WebAssembly on those of SIMD128: they add byte products alone,
 * which network/products/ takes.
 *
 * I32, I16 kLanes32 and 2*kLanes32 lanes; + - & << >> (arithmetic), min, max, load, store, set store_bytes
 * int16 lanes in [-128, 127] as bytes mul16 product of lanes that hold int16 values high_times (a >> 16) * m,
 * low_times (a & 0xffff) * m, low_times_high ((a & 0xffff) * m) >>> 16, 0 <= m < 2^15 mul15 (a*b + 2^14) >>
 * 15 of int16 with_sign s < 0 ? -a : a low, high the halves of an I16, widened; narrow: two I32 to one I16,
 * saturated to [-32768, 32767] set_pairs two int16 in turns mul_pairs sums of two neighbours' products each
 * sum_pairs lanes whose total is the sum of all int16 lanes sum_squares lanes whose total is the sum of (a*a
 * >>> q), a unsigned Table, lookup 16 int16 by index 0..15
 */
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 warns about its own headers' undefined vectors wherever they are inlined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

#define INLINE [[gnu::always_inline]] static inline
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

namespace shacomp::SHACOMP_ISA {

/** 16 int16, whole and split into bytes: instruction sets look up one or the other. */
struct TableData {
  int16_t words[16];
  uint8_t low[16];
  uint8_t high[16];
};

/** Two int16 as the bits of one int32, the first lowest. */
INLINE int pair_of(int x, int y) {
  return static_cast<int>((static_cast<uint32_t>(x) & 0xffff) | static_cast<uint32_t>(y) << 16);
}

#if defined(SHACOMP_ISA_avx512)
#include "core/simd/avx512.h"
#elif defined(SHACOMP_ISA_avx2) || defined(SHACOMP_ISA_avxvnni)
#include "core/simd/avx2.h"
#elif defined(SHACOMP_ISA_wasm)
#include "core/simd/wasm.h"
#elif defined(__aarch64__)
#include "core/simd/neon.h"
#else
#include "core/simd/scalar.h"
#endif

constexpr int kLanes16 = 2 * kLanes32;

}  // namespace shacomp::SHACOMP_ISA
