/**
 * @file The mixing coder's memory: what each stream knows, the shared tables and where they lie in the arena.
 */
#pragma once
#include <cstddef>
#include <cstdint>

#include "mix/coder.h"
#include "mix/mix.h"

namespace shacomp {

namespace mix {

inline constexpr int MAX_CONTEXTS = 57;
inline constexpr int MATCH_MODELS = 3;
inline constexpr int MAPS = 5;
inline constexpr int MAP_STEPS = 25;  // points of a map: one per nat of the logit

inline constexpr int LONGEST_ORDER = 24;  // longest string of last bytes that is hashed whole

/** Verified repeat: where its continuation lies and how long it has held. */
struct Match {
  uint32_t position;  // index in the block of the byte predicted next
  uint32_t length;    // matched bytes before it; 0: none
  uint32_t misses;    // mispredicted bytes of late (recovering after a small difference)
};

/** One level of nesting: the bracket or tag that opened it, and a hash of all levels with their keys. */
struct Level {
  uint32_t kind, path;
};

/** What belongs to one stream: history digests and the slots in use. */
struct Stream {
  uint32_t start;     // index in the block of the slice's first byte
  uint32_t position;  // index in the block of the byte being coded
  uint32_t c4;        // last four bytes, newest lowest
  uint32_t c8;        // the four before
  // past[n]: hash of the slice's last n bytes, fewer where there are not so many
  uint32_t past[LONGEST_ORDER + 1];
  uint32_t word;  // hash of the letters since the last non-letter
  uint32_t word_length;
  uint32_t word_before, length_before;  // both before the last byte from 0xC0 on
  uint32_t words[4];                    // hashes of the words before, newest first
  uint32_t text;                        // hash of the last word and the characters since it
  uint32_t line;                        // index of the current line's first byte
  uint32_t above;                       // index of the line before it
  uint32_t above_length;
  uint32_t line_hash;     // hash of the line's first bytes
  uint32_t indent;        // leading white space of the line
  uint32_t line_words;    // words ended in this line
  uint32_t template_;     // hash of the line's first six words and what is between them, digits left out
  uint32_t templates[2];  // those of the two lines before, newest first
  uint32_t shape;         // classes of the last bytes, 4 bits each, newest lowest
  uint32_t format;        // hash of the token with letters and digits folded to their classes
  uint32_t number;        // digits and separators of the current number, at most 9
  uint32_t masked4;       // like c4 and c8 with every digit as '0'
  uint32_t masked8;
  Level nesting[32];  // open brackets and tags; innermost at depth mod 32
  uint32_t depth;
  uint32_t quote;             // quote character that is open, or 0
  uint32_t token;             // hash of the string or token being read
  uint32_t name;              // hash of the last quoted string
  uint32_t key;               // hash of the key whose value is being read
  uint32_t last_key;          // key before it on this level
  uint32_t value_above;       // index of the same byte in the value that this key had last time, 0 if none
  uint32_t value_start[256];  // where values last began, by a hash of key and path
  uint32_t tag;  // 0 outside a tag, 1 behind '<', 2 in a name, 3 in a closing tag, 4 in attributes
  uint32_t tag_name;
  uint32_t field;            // fields since the line's start (CSV, logs)
  uint32_t field_hash;       // hash of the field so far
  uint32_t field_above;      // index of the corresponding byte of the same field above, 0 if none
  uint32_t field_start[64];  // where each field last began
  uint32_t seen[256][3];     // where each byte was last seen, newest first
  uint32_t stride;           // record length found, 0 if none
  uint32_t stride_candidate;
  uint32_t stride_votes;
  uint32_t strange;  // how little the last bytes look like text, at most 512
  uint32_t owed;     // bytes that the UTF-8 character still has
  uint32_t alike;    // how many bytes were almost those a record back, at most 255
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
  uint8_t* slots;  // bit histories: lines of 64 bytes
  uint32_t slot_lines;
  uint32_t* match_table[mix::MATCH_MODELS];
  uint32_t match_mask;
  uint32_t* maps;  // final maps: MAPS tables of 2^map_bits contexts
  uint32_t map_bits;
  void* model;  // weights and small maps, laid out by the profile
};

namespace mix_detail {

/** One instruction set's functions. */
struct Kernels {
  const char* name;
  size_t (*model_bytes)(int profile);
  void (*init_model)(Mix*);
  void (*encode)(Mix*, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds,
                 uint8_t* likeliest, uint16_t* chances);
  void (*decode)(Mix*, uint8_t* symbols, size_t count, const uint32_t* frequencies);
};

}  // namespace mix_detail
}  // namespace shacomp
