/**
 * @file Which instruction sets this processor runs. Not for *.isa.cc: what is compiled for an instruction set
 * must not be asked whether it runs.
 */
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace shacomp {

/** strcmp(a, b) == 0, without a C library. */
constexpr bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

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
  if (same_text(isa, "avx512bf16")) return avx512 && __builtin_cpu_supports("avx512bf16");
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
