/**
 * @file Which instruction sets this processor runs. Not for *.isa.cc: what is compiled for an instruction set
 * must not be asked whether it runs.
 */
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace shacomp {

/** strcmp(a, b) == 0, without a C library. */
constexpr bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

#if defined(__x86_64__)
/**
 * Whether the processor has AMX with bfloat16 and this process may use it: Linux gives the tile registers,
 * 8 KiB for each thread, only to processes that ask (Documentation/arch/x86/xstate.rst).
 */
inline bool amx_runs_here() {
#if defined(__linux__)
  constexpr unsigned kTile = 1 << 24, kBf16 = 1 << 22;  // leaf 7, EDX
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  static const bool runs = [] {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & kTile) && (edx & kBf16) &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return runs;
#else
  return false;
#endif
}
#endif

/**
 * Whether the kernels of that name run here. Names are those of ISAS in scripts/build-native.mjs, and `wasm`.
 */
inline bool runs_here(const char* isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vnni");
  if (same_text(isa, "avx2")) return avx2;
  if (same_text(isa, "avxvnni")) {
    // Not all compilers know it by name: leaf 7, subleaf 1, EAX bit 4. Its registers are those of AVX2.
    unsigned eax, ebx, ecx, edx;
    return avx2 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & (1 << 4));
  }
  if (same_text(isa, "avx512")) return avx512;
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  if (same_text(isa, "avx512bf16")) return bf16;
  if (same_text(isa, "amxbf16")) return bf16 && amx_runs_here();
#elif defined(__aarch64__) && defined(__linux__)
  if (same_text(isa, "dotprod")) return getauxval(AT_HWCAP) & (1 << 20);
#elif defined(__aarch64__)
  if (same_text(isa, "dotprod")) return true;  // every Apple processor with this architecture
#elif defined(__wasm__)
  if (same_text(isa, "wasm")) return true;
#endif
  return same_text(isa, "baseline");
}

}  // namespace shacomp
