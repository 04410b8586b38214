/** @file Hashes of contexts. */
#pragma once
#include <cstdint>

#include "core/isa.h"

namespace shacomp::SHACOMP_ISA {
namespace {

inline uint32_t hash2(uint32_t a, uint32_t b) {
  uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu;
  h ^= h >> 15;
  return h * 0xC2B2AE35u;
}

inline uint32_t at_most(uint32_t x, uint32_t limit) { return x < limit ? x : limit; }

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
