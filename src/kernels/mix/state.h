/** @file The mixing coder's memory: what each stream knows, the shared tables and where they lie in the arena. */
#pragma once
#include <cstddef>
#include <cstdint>

#include "coder.h"
#include "mix.h"

namespace shacomp {

namespace mix {

inline constexpr int MAX_CONTEXTS = 48;
inline constexpr int MATCH_MODELS = 2;

/** Verified repeat: where its continuation lies and how long it has held. */
struct Match {
  uint32_t position;  // index in the block of the byte predicted next
  uint32_t length;    // matched bytes before it; 0: none
  uint32_t misses;    // mispredicted bytes of late (recovering after a small difference)
};

/** What belongs to one stream: history digests and the slots in use. */
struct Stream {
  uint32_t start;     // index in the block of the slice's first byte
  uint32_t position;  // index in the block of the byte being coded
  uint32_t c4;        // last four bytes, newest lowest
  uint32_t c8;        // the four before
  uint32_t word;      // hash of the letters since the last non-letter
  uint32_t word_length;
  uint32_t words[4];  // hashes of the words before, newest first
  uint32_t text;      // hash of the last word and the characters since it
  uint32_t line;      // index of the current line's first byte
  uint32_t above;     // index of the line before it
  uint32_t above_length;
  uint32_t line_hash;   // hash of the line's first bytes
  uint32_t indent;      // leading white space of the line
  uint32_t line_words;  // words begun in this line
  uint32_t shape;       // classes of the last bytes, 4 bits each, newest lowest
  uint32_t format;      // the bytes with digits and letters folded, hashed over the current token
  uint32_t number;      // digits of the current number and its position
  uint32_t nesting[32]; // open brackets, quotes and tags with what opened them
  uint32_t depth;
  uint32_t key;         // hash of the last quoted string or tag name
  uint32_t quote;       // quote character that is open, or 0
  uint32_t string_hash; // hash of the string being read
  uint32_t field;       // fields since the line's start (CSV, logs)
  uint32_t field_hash;
  uint32_t stride;      // detected record length, 0 if none
  uint32_t indirect1;   // bytes that followed c1, newest lowest
  uint32_t indirect2;   // bytes that followed c2 c1
  Match match[MATCH_MODELS];
  uint32_t hash[MAX_CONTEXTS];
};

}  // namespace mix

namespace mix_detail {
struct Kernels;
}

/** The coder. Pointers lead into the same arena. */
struct Mix {
  const mix_detail::Kernels* kernels;
  size_t block_length;
  size_t streams;
  size_t coded;   // bytes so far
  size_t cursor;  // stream of the next byte: coded mod streams
  int profile;
  mix::Encoder encoder;
  mix::Decoder decoder;
  uint8_t* output;
  uint8_t* block;  // the bytes known so far, in natural order
  mix::Stream* stream;
  uint8_t* slots;  // bit histories: lines of four 16-byte slots
  uint32_t slot_lines_mask;
  uint32_t* runs;  // check, count and byte last seen per context
  uint32_t runs_mask;
  uint32_t* match_table[mix::MATCH_MODELS];
  uint32_t match_mask;
  void* model;  // weights and small maps, laid out by the profile
};

namespace mix_detail {

/** One instruction set's functions. */
struct Kernels {
  const char* name;
  size_t (*model_bytes)(int profile);
  void (*init_model)(Mix*);
  void (*encode)(Mix*, const uint8_t* symbols, size_t count, const uint32_t* frequencies);
  void (*decode)(Mix*, uint8_t* symbols, size_t count, const uint32_t* frequencies);
};

}  // namespace mix_detail
}  // namespace shacomp
