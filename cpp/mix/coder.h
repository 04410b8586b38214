/**
 * @file Binary range coder with carry propagation; src/range-coder.ts explains it, docs/format.md
 * 1.4 too.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace shacomp::mix {

/**
 * Bytes of the coder's window: what a decoder reads first, and the most zero bytes that a payload's end
 * omits.
 */
inline constexpr int WINDOW = 4;

/** The value in [low, low + range) with the most trailing zero bytes (at most 4), the smallest of those. */
inline uint64_t range_tail(uint64_t low, uint32_t range) {
  for (int bits = 32; bits > 0; bits -= 8) {
    const uint64_t unit = uint64_t{1} << bits;
    const uint64_t value = (low + unit - 1) & ~(unit - 1);
    if (value < low + range) return value;
  }
  return low;
}

/** Trailing zero bytes of the low 32 bits, 0 to 4. */
inline int zero_bytes(uint64_t value) {
  int n = 0;
  for (uint32_t word = static_cast<uint32_t>(value); n < WINDOW && (word & 255) == 0; word >>= 8) n++;
  return n;
}

/**
 * Encodes bits into a bounded buffer; see Martin 1979 (range coding). `low` keeps 32 bits and a carry bit;
 * bytes that a carry could still change wait as one byte and a count of 0xFF bytes behind it.
 */
struct Encoder {
  uint8_t* out;
  size_t capacity;
  size_t size;  // bytes that no carry can change any more
  uint64_t low;
  uint32_t range;
  uint32_t cache;
  size_t pending;  // 0xFF bytes that follow the cached byte
  bool first;      // nothing cached yet
  bool overflow;   // the buffer was too small: the output is useless

  void begin(uint8_t* buffer, size_t bytes) { *this = {buffer, bytes, 0, 0, 0xFFFFFFFFu, 0, 0, true, false}; }

  /** Codes `bit`, whose probability of being 1 is p / 65536, 1 <= p <= 65535. */
  void encode(uint32_t bit, uint32_t p) {
    const uint32_t split = static_cast<uint32_t>((static_cast<uint64_t>(range) * p) >> 16);
    if (bit) {
      range = split;
    } else {
      low += split;
      range -= split;
    }
    while (range < (1u << 24)) {
      shift_low();
      range <<= 8;
    }
  }

  /** Ends the code. */
  void finish() {
    const uint64_t value = range_tail(low, range);
    low = value;
    // the byte before the window, and what of the window is not omitted
    for (int i = zero_bytes(value); i <= WINDOW; i++) shift_low();
  }

 private:
  void put(uint32_t byte) {
    if (size < capacity)
      out[size++] = static_cast<uint8_t>(byte);
    else
      overflow = true;
  }

  void shift_low() {
    const uint32_t carry = static_cast<uint32_t>(low >> 32);
    if (carry || static_cast<uint32_t>(low) < 0xFF000000u) {
      if (!first) put(cache + carry);
      for (; pending > 0; pending--) put(0xFFu + carry);
      first = false;
      cache = static_cast<uint32_t>(low >> 24) & 0xFFu;
    } else {
      pending++;
    }
    low = (low & 0x00FFFFFFu) << 8;
  }
};

/**
 * Decodes what Encoder wrote. Any payload decodes to something; whether it is the one that an encoder would
 * have written is told by `damaged` as soon as it shows, and by ends().
 */
struct Decoder {
  const uint8_t* in;
  size_t size;
  size_t position;  // bytes read, those past the end, which read as zero, included
  uint32_t code;    // offset of the code value from the interval's low end, below range
  uint32_t range;
  uint32_t window;  // the last four bytes read
  bool damaged;

  void begin(const uint8_t* data, size_t bytes) {
    *this = {data, bytes, 0, 0, 0xFFFFFFFFu, 0, false};
    for (int i = 0; i < WINDOW; i++) get();
    code = window;
    if (code >= range) {
      damaged = true;
      code = 0;
    }
  }

  uint32_t decode(uint32_t p) {
    const uint32_t split = static_cast<uint32_t>((static_cast<uint64_t>(range) * p) >> 16);
    const uint32_t bit = code < split;
    if (bit) {
      range = split;
    } else {
      code -= split;
      range -= split;
    }
    while (range < (1u << 24)) {
      code = code << 8 | get();
      range <<= 8;
    }
    return bit;
  }

  /** Whether the payload is exactly the one that an encoder makes of the bits decoded so far. */
  bool ends() const {
    const uint32_t low = window - code;
    const uint64_t value = range_tail(low, range);
    return !damaged && value - low == code && position - static_cast<size_t>(zero_bytes(value)) == size;
  }

 private:
  uint32_t get() {
    uint32_t byte = 0;
    if (position < size) byte = in[position];
    // only zero bytes of the last window are omitted: reading on means that the payload is not a whole one
    else if (position >= size + WINDOW)
      damaged = true;
    position++;
    window = window << 8 | byte;
    return byte;
  }
};

}  // namespace shacomp::mix
