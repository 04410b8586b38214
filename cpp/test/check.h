/**
 * @file What the native test programs share: checks, random numbers, exact memory, and the kernels that run
 * here.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "core/aligned_memory.h"
#include "core/cpu.h"

namespace shacomp::test {

/** Ends the program where something does not hold. */
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (false)

/** Random numbers, the same in every run (xorshift, Marsaglia 2003). */
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u + 1) {}
  uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    return state_ ^= state_ << 5;
  }
  /** Below n. */
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(uint64_t{next()} * n >> 32); }

 private:
  uint32_t state_;
};

/** Zeroed memory of a multiple of 64 bytes: what is touched beyond it is an error that the sanitizer sees. */
inline Memory zeroed(size_t size) {
  Memory memory = allocate_aligned(size);
  CHECK(memory != nullptr);
  std::memset(memory.get(), 0, align_up(size));
  return memory;
}

inline std::vector<uint8_t> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) {
    std::fprintf(stderr, "%s cannot be read\n", path);
    std::exit(1);
  }
  return bytes;
}

/** Bytes with runs, repeats and noise. */
inline std::vector<uint8_t> sample_bytes(size_t length, uint32_t seed) {
  Random random(seed);
  std::vector<uint8_t> bytes;
  while (bytes.size() < length) {
    const uint32_t kind = random.below(8);
    if (kind == 0) {
      bytes.insert(bytes.end(), 1 + random.below(60), static_cast<uint8_t>(random.next()));
    } else if (kind < 3 && bytes.size() > 40) {
      const size_t from = random.below(static_cast<uint32_t>(bytes.size() - 30));
      for (size_t i = from, end = from + 4 + random.below(24); i < end; i++) bytes.push_back(bytes[i]);
    } else if (kind < 6) {
      for (const char* c = "{\"name\": [12.5, 'the']}\n<a>of and</a>\n\t1234,5678;"; *c; c++)
        bytes.push_back(static_cast<uint8_t>(*c));
    } else {
      bytes.push_back(static_cast<uint8_t>(random.next()));
    }
  }
  bytes.resize(length);
  return bytes;
}

}  // namespace shacomp::test
