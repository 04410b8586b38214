/**
 * @file What the full profile does with bytes that are no text: numbers, records, machine code and pictures
 * of one bit per pixel. Where a stream looks binary, contexts of words and structure give way to these.
 * Functions and numbers are those of src/engines/reference/mixer-binary.ts and mixer-history.ts.
 */
#pragma once
#include <bit>
#include <cstdint>

#include "core/isa.h"
#include "mix/hash.h"
#include "mix/state.h"

namespace shacomp::SHACOMP_ISA {
namespace {

using mix::Stream;

/** The stream's byte `distance` behind the next one, 0 before its start. */
inline uint32_t behind(const uint8_t* block, const Stream& s, uint32_t distance) {
  return distance != 0 && s.position - s.start >= distance ? block[s.position - distance] : 0;
}

/** The last n bytes, at most 4, as a number whose lower byte is first. */
inline uint32_t last_bytes(const uint8_t* block, const Stream& s, uint32_t n) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < n; i++) value |= behind(block, s, n - i) << 8 * i;
  return value;
}

/** Whether the last bytes look like anything but text. */
inline bool is_binary(const Stream& s) { return s.strange >= 32; }
/** Whether they look like rows of pixels of one bit. */
inline bool is_bilevel(const Stream& s) { return is_binary(s) && s.stride >= 16 && s.alike >= 128; }
/** Length of a record: numbers of four bytes where none was found. */
inline uint32_t record_of(const Stream& s) { return s.stride ? s.stride : 4; }
/** Place in the record, with the record's length. */
inline uint32_t phase_of(const Stream& s) {
  const uint32_t record = record_of(s);
  return (s.position - s.start) % record | record << 16;
}

/**
 * Control characters and what is not UTF-8 count up, all else down, spaces and line ends the most. Not
 * counted are the upper bytes of UTF-16 and bytes from 0xC0 on in a row, which are letters in 8-bit codes.
 */
inline void update_strange(Stream& s, uint32_t c, uint32_t cls) {
  const uint32_t c2 = s.c4 >> 8 & 255, c3 = s.c4 >> 16 & 255;
  const bool wide = (c == c3 && (c > 0 || c2 >= 32)) || (c == 0 && c2 == 32);
  const bool broken = s.owed ? c < 0x80 : c >= 0x80 && c < 0xC0;
  if ((cls == 7 || cls == 8) && !wide) {
    s.strange = at_most(s.strange + 16, 512);
  } else if (broken) {
    s.strange = at_most(s.strange + 3, 512);
  } else {
    const uint32_t step = cls == 4 || cls == 5 ? 24 : 1;
    s.strange -= at_most(step, s.strange);
  }
  if (c >= 0xC0)
    s.owed = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
  else
    s.owed = c >= 0x80 && s.owed ? s.owed - 1 : 0;
}

/** Counts bytes that are almost those a record back. */
inline void update_alike(const uint8_t* block, Stream& s, uint32_t c) {
  const bool alike = s.stride >= 16 && std::popcount(c ^ behind(block, s, s.stride + 1)) <= 2;
  s.alike = alike ? at_most(s.alike + 1, 255) : s.alike - at_most(3, s.alike);
}

/** Targets of x86 calls and jumps: E8 or E9, and 32 bits, relative to what follows them. */
struct Calls {
  uint32_t target[65536];  // places in the block where calls went, by the bytes of the place known so far

  /** @param key the target's `known` lowest bytes; if none is known, the two bytes before the opcode */
  static uint32_t at(uint32_t key, uint32_t known) { return hash2(key, known) >> 16; }

  /** Takes in a call whose last byte has just been coded. */
  void update(const uint8_t* block, const Stream& s) {
    if ((behind(block, s, 5) & 0xFE) != 0xE8) return;
    const uint32_t to = s.position + last_bytes(block, s, 4);
    target[at(behind(block, s, 6) | behind(block, s, 7) << 8, 0)] = to;
    for (uint32_t known = 1; known < 4; known++) target[at(to & ((1u << 8 * known) - 1), known)] = to;
  }

  /**
   * What the next byte will be if a call goes where one went before: the number of the byte in the call, 1 to
   * 4, or 0 outside; the byte | 256, or 0 if there is none.
   */
  struct Expected {
    uint32_t place, byte;
  };
  Expected expected(const uint8_t* block, const Stream& s) const {
    for (uint32_t known = 0; known < 4; known++) {
      if ((behind(block, s, known + 1) & 0xFE) != 0xE8) continue;
      const uint32_t end = s.position + 4 - known;
      const uint32_t key = known ? (end + last_bytes(block, s, known)) & ((1u << 8 * known) - 1)
                                 : behind(block, s, 2) | behind(block, s, 3) << 8;
      const uint32_t to = target[at(key, known)];
      return {known + 1, to ? ((to - end) >> 8 * known & 255) | 256 : 0};
    }
    return {0, 0};
  }
};

/** Contexts whose histories are those of pixels instead in a picture of two colours. */
constexpr int PIXEL_CONTEXTS[] = {17, 18, 19, 20, 24, 27, 29};
constexpr int PIXELS = sizeof(PIXEL_CONTEXTS) / sizeof(PIXEL_CONTEXTS[0]);

/** Gives `give(i, a, b)` the contexts of binary data, and the numbers i of those whose places they take. */
template <class Set>
inline void binary_contexts(const uint8_t* block, const Stream& s, const Calls& calls, Set&& give) {
  const auto back = [&](uint32_t distance) { return behind(block, s, distance); };
  const auto set = [&](int i, uint32_t a, uint32_t b) { give(i, a, hash2(b, 0x62696E)); };
  const uint32_t record = record_of(s), phase = phase_of(s), at = s.position - s.start;
  const uint32_t c1 = s.c4 & 255, c2 = s.c4 >> 8 & 255, c3 = s.c4 >> 16 & 255;
  const uint32_t b4 = back(4), b5 = back(5), b6 = back(6), b8 = back(8);
  // the byte a record back, two, and the neighbours of the first
  const uint32_t up = back(record), up2 = back(2 * record);
  const uint32_t up_left = back(record + 1), up_right = back(record - 1);
  // 16-bit numbers, lower byte first: what the one a record back, and those two, make likely
  const uint32_t odd = at & 1;
  const auto number16 = [&](uint32_t distance) { return back(distance) | back(distance - 1) << 8; };
  const uint32_t same = number16(record + odd), linear = 2 * same - number16(2 * record + odd);
  const auto of_number = [&](uint32_t n) { return odd ? (n - c1 + 128) >> 8 & 255 : n >> 4 & 0xFFF; };
  const Calls::Expected call = calls.expected(block, s);
  const uint32_t to = call.byte | call.place << 9;
  // place in the record
  set(7, phase, 0);
  set(11, phase, c1 | 0x100);
  set(12, phase, up | 0x200);
  // bytes of the record before
  set(20, up | up_left << 8 | up_right << 16, 0);
  set(27, up | up_left << 8 | up_right << 16 | c1 << 24, up2);
  set(41, up | up_right >> 6 << 8 | (up_left & 3) << 10 | (c1 & 7) << 12, 0);
  // what continues a slope
  set(21, (up + c1 - up_left) & 255, phase);
  set(22, (2 * up - up2) & 255, phase);
  set(51, (c1 + up) >> 1, phase);
  set(52, (2 * c1 - c2) & 255, phase);
  set(55, (c1 + up_right - up_left) & 255, up);
  set(24, of_number(linear), odd);
  set(29, of_number(same), odd ? c1 >> 5 | 8 : 0);
  // numbers of two and four bytes
  set(28, b4 | b8 << 8, at & 3);
  set(17, b4 | b8 << 8 | back(12) << 16, at & 3);
  set(54, b4 | c1 >> 4 << 8, at & 3);
  set(56, c1 | c2 << 8, at & 3);
  set(30, c2 | b4 << 8, odd);
  // sparse
  set(32, c1 | b5 << 8, 0);
  set(33, c1 | b6 << 8, 0);
  set(34, c2 | b6 << 8, 0);
  set(35, c3 | b6 << 8, 0);
  set(36, b4 | b8 << 8 | c1 << 16, 0);
  set(37, c3 | c1 << 8, 0);
  set(53, s.c4 & 0xF0F0F0, b4);
  // machine code
  set(18, to, call.byte ? 0 : c1 | c2 << 8);
  set(19, to, call.byte ? c1 : 0x100);
  // no slots for those that have pixels instead
  if (is_bilevel(s))
    for (int i : PIXEL_CONTEXTS) set(i, 0, 0);
}

/** Bits of the number of a neighbourhood of pixels. */
constexpr int PIXEL_BITS = 18;

/**
 * Rows of pixels around the next one: its own, in which bit 0 is the last one, and three above, where bit 7
 * is.
 */
struct Pixels {
  uint32_t left, a, b, c;

  /** @param c0, bit_index the byte so far */
  Pixels(const uint8_t* block, const Stream& s, uint32_t c0, uint32_t bit_index) {
    const auto row = [&](uint32_t distance) {
      const uint32_t middle = behind(block, s, distance), right = behind(block, s, distance - 1);
      return (behind(block, s, distance + 1) << 16 | middle << 8 | right) >> (8 - bit_index);
    };
    left = s.c4 << bit_index | (c0 & ((1u << bit_index) - 1));
    a = row(s.stride), b = row(2 * s.stride), c = row(3 * s.stride);
  }

  uint32_t nearest9() const { return (left & 3) | (a >> 6 & 7) << 2 | (b >> 6 & 7) << 5 | (c >> 7 & 1) << 8; }
  uint32_t nearest12() const { return (left & 15) | (a >> 5 & 31) << 4 | (b >> 6 & 7) << 9; }

  /** Numbers of neighbourhoods, by PIXEL_CONTEXTS; some are as JBIG2's templates (ITU-T T.88, 6.2.5). */
  void neighbourhoods(uint32_t (&number)[PIXELS]) const {
    number[0] = (left & 15) | (a >> 4 & 127) << 4 | (b >> 5 & 31) << 11;
    number[1] = nearest9();
    number[2] = (left & 255) | (a >> 3 & 255) << 8;
    number[3] = (left & 7) | (a >> 5 & 31) << 3 | (b >> 5 & 31) << 8 | (c >> 6 & 7) << 13;
    number[4] = (left & 1) | (a & 0x7FFF) << 1;
    const uint32_t wide = (left & 63) | (a >> 3 & 511) << 6 | (b >> 4 & 127) << 15 | (c >> 5 & 31) << 22;
    number[5] = hash2(wide, 5) >> (32 - PIXEL_BITS);
    number[6] = hash2((left & 0xFFF) | (a >> 1 & 0xFFF) << 12, 6) >> (32 - PIXEL_BITS);
  }
};

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
