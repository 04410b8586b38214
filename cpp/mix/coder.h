/** @file Binary range coder with carry propagation: 32-bit range, 16-bit probabilities. */
#pragma once
#include <cstddef>
#include <cstdint>

namespace shacomp::mix {

/**
 * Encodes bits into a bounded buffer; see Martin 1979 (range coding). `low` keeps 32 bits and a carry bit; bytes that a
 * carry could still change wait as one byte and a count of 0xFF bytes behind it.
 */
struct Encoder {
  uint8_t* out;
  size_t capacity;
  size_t size;
  uint64_t low;
  uint32_t range;
  uint32_t cache;
  size_t pending;  // 0xFF bytes that follow the cached byte
  bool first;      // nothing cached yet
  bool overflow;   // the buffer was too small: the output is useless

  void begin(uint8_t* buffer, size_t bytes) {
    *this = {buffer, bytes, 0, 0, 0xFFFFFFFFu, 0, 0, true, false};
  }

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

  /**
   * Ends the stream with a short tail: at most four zero bytes at its end are left out, so that a decoder knows that a
   * stream of which it wants more than four bytes past the end is not whole.
   */
  void finish() {
    // The value in [low, low + range) with most trailing zero bits.
    const uint64_t high = low + range - 1;
    for (int bits = 40; bits >= 0; bits -= 8) {
      const uint64_t value = (high >> bits) << bits;
      if (value >= low) {
        low = value;
        break;
      }
    }
    for (int i = 0; i < 5; i++) shift_low();
    for (int i = 0; i < 4 && size > 0 && !overflow && out[size - 1] == 0; i++) size--;
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

/** Decodes what Encoder wrote. Any input decodes to something; bytes past the end read as zero. */
struct Decoder {
  const uint8_t* in;
  size_t size;
  size_t position;
  uint32_t code;  // offset of the code value from the interval's low end
  uint32_t range;

  void begin(const uint8_t* data, size_t bytes) {
    *this = {data, bytes, 0, 0, 0xFFFFFFFFu};
    for (int i = 0; i < 4; i++) code = code << 8 | get();
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

 private:
  uint32_t get() {
    const size_t at = position++;
    return at < size ? in[at] : 0u;
  }
};

}  // namespace shacomp::mix
