/** @file The context models, mixers and final maps; compiled once per instruction set. */
#include <bit>

#include "core/simd/simd.h"
#include "mix/state.h"
#include "mix/tables.h"

#ifndef SHACOMP_ISA
#define SHACOMP_ISA baseline
#endif
#define SHACOMP_STRING2(x) #x
#define SHACOMP_STRING(x) SHACOMP_STRING2(x)

namespace shacomp::SHACOMP_ISA {
namespace {

using namespace mix;

/** What a profile uses. `per_context`: mixer inputs per context; `longest`: of the orders that are hashed whole. */
struct Fast {
  static constexpr bool full = false;
  static constexpr int contexts = 10;
  static constexpr int per_context = 1;
  static constexpr int longest = 6;
  static constexpr int matches = 1;
  static constexpr uint32_t min_match[3] = {6};
  static constexpr int32_t rate = 64;
  static constexpr int sets = 4;
  static constexpr uint32_t rows[4] = {1, 256, 128, 256};
  static constexpr int final_sets = 4;
};
struct Full {
  static constexpr bool full = true;
  static constexpr int contexts = 57;
  static constexpr int per_context = 4;
  static constexpr int longest = LONGEST_ORDER;
  static constexpr int matches = 3;
  static constexpr uint32_t min_match[3] = {4, 8, 20};
  static constexpr int32_t rate = 40;
  static constexpr int sets = 15;
  static constexpr uint32_t rows[15] = {1, 256, 520, 256, 64, 4096, 128, 2048, 128, 256, 1024, 512, 1024, 512, 4096};
  static constexpr int final_sets = 8;
};
constexpr uint32_t FINAL_ROWS[8] = {1, 512, 2048, 512, 2048, 4096, 520, 64};

constexpr int NET_INPUTS = 4;
constexpr uint32_t APM_STEPS = MAP_STEPS;

template <class P>
constexpr int INPUTS = (P::contexts * P::per_context + P::matches * 2 + 2 + NET_INPUTS + 15) / 16 * 16;

struct StateMap {
  uint32_t entry[256];  // probability Q22 << 10 | observations
};

inline uint32_t hash2(uint32_t a, uint32_t b) {
  uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu;
  h ^= h >> 15;
  return h * 0xC2B2AE35u;
}

inline int32_t clamp_logit(int32_t x) { return x < -LOGIT_MAX ? -LOGIT_MAX : x > LOGIT_MAX ? LOGIT_MAX : x; }
inline int32_t squash(int32_t x) { return SQUASH.value[3072 + clamp_logit(x)]; }

inline int32_t stretch(uint32_t p) {
  if (p < 4096) return STRETCH.low[p];
  if (p > 61440) return -STRETCH.low[65536 - p];
  return STRETCH.middle[p >> 4];
}

inline int32_t clamp16(int32_t p) { return p < 1 ? 1 : p > 65535 ? 65535 : p; }

/** Moves an adaptive probability towards the bit by 1/(n + 1.5), n the observations so far, at most limit. */
inline void adapt(uint32_t& entry, uint32_t bit, uint32_t limit) {
  const uint32_t n = entry & 1023, p = entry >> 10;
  const int64_t error = static_cast<int64_t>(bit << 22) - static_cast<int64_t>(p);
  int64_t q = static_cast<int64_t>(p) + (error * RATES.value[n] >> 16);
  if (q > 4194303) q = 4194303;
  entry = static_cast<uint32_t>(q) << 10 | (n < limit ? n + 1 : n);
}

/** Adaptive probability map over stretch(p), interpolated; an untouched entry is the identity. */
struct Apm {
  uint32_t* entry;
  uint32_t index;
  static uint32_t identity(uint32_t j) {
    return static_cast<uint32_t>(squash(static_cast<int32_t>(j) * 256 - 3072)) << 16 | 6;
  }
  int32_t predict(uint32_t* table, uint32_t context, int32_t logit) {
    const uint32_t x = static_cast<uint32_t>(logit + 3072), j = x >> 8, w = x & 255;
    entry = table + context * APM_STEPS + j;
    if (entry[0] == 0) entry[0] = identity(j);
    if (entry[1] == 0) entry[1] = identity(j + 1);
    const uint32_t p = ((entry[0] >> 16) * (256 - w) + (entry[1] >> 16) * w) >> 8;
    entry += w >> 7;
    return static_cast<int32_t>(p);
  }
  void update(uint32_t bit, uint32_t limit) { adapt(*entry, bit, limit); }
};

/**
 * Gated logistic mixing: `sets` weight vectors, each chosen from its table by a row number, give one logit each. Rows
 * start as a copy of the first set's row 0, which is always trained, when they are first used.
 * Inputs are Q8, weights Q26 within +-8: w >> 14 and the error fit into 16 bits, so that every product is one mul16.
 */
template <int N, int SETS>
struct Mixer {
  static_assert(N % kLanes32 == 0);
  alignas(64) int32_t x[N];
  int32_t logit[SETS];
  int32_t* chosen[SETS];

  void choose(int set, int32_t* table, uint8_t* used, uint32_t row) {
    int32_t* w = table + static_cast<size_t>(row) * N;
    if (!used[row]) {
      used[row] = 1;
      if (set > 0)
        for (int i = 0; i < N; i++) w[i] = chosen[0][i];
    }
    chosen[set] = w;
  }
  void mix() {
    for (int k = 0; k < SETS; k++) {
      const int32_t* const w = chosen[k];
      I32 total = set32(0);
      for (int i = 0; i < N; i += kLanes32) total = total + mul16(load32(w + i) >> 14, load32(x + i));
      logit[k] = clamp_logit(sum(total) >> 12);
    }
  }
  /** Sum of the squares of the inputs, in nats^2. */
  uint32_t energy() const {
    static_assert(uint64_t{N} * LOGIT_MAX * LOGIT_MAX < uint64_t{1} << 32);
    I32 total = set32(0);
    for (int i = 0; i < N; i += kLanes32) total = total + mul16(load32(x + i), load32(x + i));
    return static_cast<uint32_t>(sum(total)) >> 16;
  }
  /** @param rate Q12, below 2^11: the error times it, 16 bits, times an input is the step of that input's weight in Q30. */
  void update(uint32_t bit, int32_t rate) {
    const I32 half = set32(8), limit = set32((8 << 26) - 1), least = set32(1 - (8 << 26));
    for (int k = 0; k < SETS; k++) {
      const int32_t e = ((static_cast<int32_t>(bit << 16) - squash(logit[k])) * rate) >> 12;
      if (e == 0) continue;
      const I32 error = set32(e);
      int32_t* const w = chosen[k];
      for (int i = 0; i < N; i += kLanes32)
        store32(w + i, max(min(load32(w + i) + ((mul16(load32(x + i), error) + half) >> 4), limit), least));
    }
  }
};

/** Rows of the first `sets` tables together. */
constexpr uint32_t total_rows(const uint32_t* rows, int sets) {
  uint32_t n = 0;
  for (int k = 0; k < sets; k++) n += rows[k];
  return n;
}
template <class P>
constexpr uint32_t ROWS = total_rows(P::rows, P::sets);
template <class P>
constexpr uint32_t LAST_ROWS = total_rows(FINAL_ROWS, P::final_sets);

template <class P>
struct Model {
  StateMap map[P::contexts];
  uint32_t run_map[P::full ? P::contexts : 1][512];
  uint32_t order0[256];
  uint32_t match_map[MATCH_MODELS][1024];
  Mixer<INPUTS<P>, P::sets> mixer;
  Mixer<16, P::final_sets> last;
  uint8_t used[ROWS<P>];
  uint8_t last_used[LAST_ROWS<P>];
  int32_t last_weights[LAST_ROWS<P> * 16];  // Q26
  alignas(64) int32_t weights[ROWS<P> * INPUTS<P>];                             // Q26
  uint32_t certainty_map[8192 * APM_STEPS];  // by what is left of the byte, whether a match goes on, how sure the network is
  uint32_t followers1[256];    // bytes that followed a byte, newest lowest
  uint32_t followers2[65536];  // bytes that followed two bytes
};

/** Class of a byte for shapes: 0 control … 15. */
inline uint32_t byte_class(uint32_t c) {
  if (c >= 'a' && c <= 'z') return 1;
  if (c >= 'A' && c <= 'Z') return 2;
  if (c >= '0' && c <= '9') return 3;
  if (c == ' ') return 4;
  if (c == '\n' || c == '\r') return 5;
  if (c == '\t') return 6;
  if (c < 32) return c == 0 ? 7 : 8;
  if (c == '"' || c == '\'' || c == '`') return 9;
  if (c == '<' || c == '>' || c == '{' || c == '}' || c == '[' || c == ']' || c == '(' || c == ')') return 10;
  if (c == '.' || c == ',' || c == ';' || c == ':' || c == '!' || c == '?') return 11;
  if (c == '=' || c == '/' || c == '+' || c == '-' || c == '*' || c == '&' || c == '|') return 12;
  if (c < 128) return 13;
  return c < 192 ? 14 : 15;
}

// A slot: check (2 bytes), 15 bit histories of a nibble's binary tree, and for first nibbles the byte last seen and
// how often in a row. Three slots to a line of 64 bytes.
constexpr int SLOT_BYTES = 21, SLOT_NODE = 1, SLOT_RUN_BYTE = 17;

/** The slot for a check: found, or the line's least used one cleared. */
inline uint8_t* find_slot(uint8_t* line, uint32_t check) {
  const uint8_t low = static_cast<uint8_t>(check), high = static_cast<uint8_t>(check >> 8);
  int victim = 0, least = 1 << 20;
  for (int i = 0; i < 3; i++) {
    uint8_t* p = line + i * SLOT_BYTES;
    const int s = p[SLOT_NODE + 1];
    if (p[0] == low && p[1] == high && s != 0) return p;
    const int use = s == 0 ? -1 : STATES.zeros[s] + STATES.ones[s];
    if (use < least) least = use, victim = i;
  }
  uint8_t* slot = line + victim * SLOT_BYTES;
  for (int i = 2; i < SLOT_BYTES; i++) slot[i] = 0;
  slot[0] = low;
  slot[1] = high;
  return slot;
}

/** Index of the slice that holds block index i. */
inline size_t slice_of(const Mix* m, size_t i) {
  const size_t base = m->block_length / m->streams, extra = m->block_length % m->streams;
  const size_t long_part = extra * (base + 1);
  return i < long_part ? i / (base + 1) : extra + (i - long_part) / base;
}

/** Whether the byte at block index i has been coded already. */
inline bool known(const Mix* m, size_t i) {
  if (m->streams == 1) return i < m->stream[0].position;
  return i < m->block_length && i < m->stream[slice_of(m, i)].position;
}

template <class P>
struct Coder {
  Mix* m;
  Model<P>& model;
  explicit Coder(Mix* mix) : m(mix), model(*static_cast<Model<P>*>(mix->model)) {}

  // ---- history ----------------------------------------------------------------------------------------------------

  void update_match(Stream& s, int k, uint32_t c) {
    Match& match = s.match[k];
    if (match.length > 0 || match.misses > 0) {
      if (m->block[match.position] == c) {
        if (match.length < 65535) match.length++;
        if (match.length > 15 && match.misses > 0) match.misses = 0;
      } else {
        match.misses = match.length > 15 && match.misses < 8 ? match.misses + 1 : match.misses ? match.misses + 2 : 0;
        match.length = 0;
        if (match.misses > 8) match.misses = 0;
      }
      match.position++;
      if (!known(m, match.position)) match.length = match.misses = 0;
    }
    const uint32_t minimum = P::min_match[k];
    const uint32_t since = s.position - s.start;
    if (since < minimum) return;
    const uint8_t* end = m->block + s.position;
    uint32_t& entry = m->match_table[k][s.past[minimum] & m->match_mask];
    if (match.length == 0) {
      const uint32_t candidate = entry;
      if (candidate > 0 && known(m, candidate)) {
        uint32_t length = 0;
        while (length < since && length < candidate && length < 400 &&
               m->block[candidate - 1 - length] == end[-1 - static_cast<int>(length)] && known(m, candidate - 1 - length))
          length++;
        if (length >= minimum) match = {candidate, length, 0};
      }
    }
    entry = s.position;
  }

  /** Opens a nesting level: a bracket, or a tag by its name's hash. */
  static void push(Stream& s, uint32_t kind) {
    const uint32_t path = s.nesting[s.depth & 31].path;
    s.depth++;
    s.nesting[s.depth & 31] = {kind, hash2(path, hash2(kind, s.key))};
    s.key = s.last_key = 0;
  }
  /** Closes the innermost level of that kind and all within it; does nothing if there is none. */
  static void pop(Stream& s, uint32_t kind) {
    for (uint32_t d = s.depth, n = 0; d > 0 && n < 31; d--, n++)
      if (s.nesting[d & 31].kind == kind) {
        s.depth = d - 1;
        s.key = s.last_key = 0;
        return;
      }
  }

  void update_structure(Stream& s, uint32_t c, uint32_t c1, uint32_t cls) {
    if (s.quote != 0) {
      if (c == s.quote && c1 != '\\') {
        s.quote = 0;
        s.name = s.token;
        s.token = 0;
      } else if (c == '\n') {
        s.quote = 0;
        s.token = 0;
      } else {
        s.token = hash2(s.token, c);
      }
      return;
    }
    if (s.tag != 0) {
      if (s.tag == 1) {  // just behind '<'
        if (c == '/') s.tag = 3;
        else if (cls == 1 || cls == 2) s.tag = 2, s.tag_name = hash2(0, c);
        else s.tag = 0;
      } else if (c == '>') {
        if (s.tag == 3) pop(s, s.tag_name);
        else if (c1 != '/') push(s, s.tag_name);
        s.tag = 0;
      } else if (s.tag < 4 && (cls <= 3 || c == '-' || c == ':')) {
        s.tag_name = hash2(c1 == '/' ? 0 : s.tag_name, c);
      } else if (c == '\n' || s.tag == 3) {
        s.tag = 0;
      } else {
        s.tag = 4;  // attributes
      }
    }
    if (c == '"') {
      s.quote = c;
      s.token = 0;
    } else if (c == '{' || c == '[' || c == '(') {
      push(s, c);
      s.token = 0;
    } else if (c == '}' || c == ']' || c == ')') {
      pop(s, c == ')' ? '(' : c - 2);
      s.token = 0;
    } else if (c == '<') {
      s.tag = 1;
      s.tag_name = 0;
      s.token = 0;
    } else if (c == '>') {
      s.token = 0;
    } else if (c == ':' || c == '=') {
      s.key = s.token != 0 ? s.token : s.name;
      s.token = 0;
    } else if (c == ',' || c == ';') {
      s.last_key = s.key;
      s.key = 0;
      s.token = 0;
    } else if (c == '\n') {
      s.token = 0;
    } else if (c != ' ' && c != '\t') {
      s.token = hash2(s.token, c);
    }
  }

  /** Hashes of the last 1, 2, … bytes, each made from the one before. */
  void hash_past(Stream& s) {
    const uint32_t since = s.position - s.start;
    const int there = since < P::longest ? static_cast<int>(since) : P::longest;
    const uint8_t* end = m->block + s.position;
    uint32_t h = 0;
    for (int n = 1; n <= P::longest; n++) {
      if (n <= there) h = (h + end[-n] + 1) * 0x2F0B4C47u, h ^= h >> 14;
      s.past[n] = h;
    }
  }

  /** Keys' values: a pointer goes along with the value that the same key had last time. */
  void update_values(Stream& s, uint32_t c, uint32_t key_before, uint32_t depth_before) {
    if (s.value_above) s.value_above++;
    if (c == '\n' || c == ',' || c == ';' || s.depth < depth_before) s.value_above = 0;
    if ((s.key != key_before && s.key != 0) || s.depth > depth_before) {
      uint32_t& start = s.value_start[hash2(s.nesting[s.depth & 31].path, s.key) >> 24];
      s.value_above = start;
      start = s.position;
    }
  }

  void update_history(Stream& s, uint32_t c) {
    const uint32_t c1 = s.c4 & 255;
    if constexpr (P::full) {
      uint32_t& f1 = model.followers1[c1];
      f1 = f1 << 8 | c;
      uint32_t& f2 = model.followers2[s.c4 & 0xFFFF];
      f2 = f2 << 8 | c;
    }
    m->block[s.position++] = static_cast<uint8_t>(c);
    s.c8 = s.c8 << 8 | s.c4 >> 24;
    s.c4 = s.c4 << 8 | c;
    const uint32_t cls = byte_class(c);
    s.shape = s.shape << 4 | cls;
    const bool letter = cls == 1 || cls == 2 || cls >= 14;
    if (letter) {
      const uint32_t folded = cls == 2 ? c + 32 : c;
      s.word = hash2(s.word + 1, folded);
      s.word_length++;
    } else if (s.word != 0) {
      s.words[3] = s.words[2];
      s.words[2] = s.words[1];
      s.words[1] = s.words[0];
      s.words[0] = s.word;
      s.word = 0;
      s.word_length = 0;
      s.text = hash2(s.words[0], c);
      s.line_words++;
    } else {
      s.text = hash2(s.text, c);
    }
    if constexpr (P::full) {
      if (cls == 3)
        s.number = s.number < 9 ? s.number + 1 : 9;
      else if (c != '.' && c != ',' && c != ':' && c != '-')
        s.number = 0;
      const uint32_t folded = cls <= 3 ? cls : c;
      if (c == ' ' || c == '\n' || c == '"' || c == '<' || c == '>') s.format = 0;
      s.format = hash2(s.format, cls == 1 && c1 >= 'a' && c1 <= 'z' ? 0 : folded);
      s.masked8 = s.masked8 << 8 | s.masked4 >> 24;
      s.masked4 = s.masked4 << 8 | (cls == 3 ? '0' : c);
      const uint32_t key_before = s.key, depth_before = s.depth;
      update_structure(s, c, c1, cls);
      update_values(s, c, key_before, depth_before);
      if (c == '\n') {
        s.templates[1] = s.templates[0];
        s.templates[0] = s.template_;
        s.template_ = 0;
      } else if (cls != 3 && s.line_words < 6) {
        s.template_ = hash2(s.template_, c);
      }
      // Fields of the line.
      if (c == ',' || c == '\t' || c == ';' || c == '|' || c == ' ') {
        s.field++;
        s.field_hash = 0;
        s.field_above = s.field_start[s.field & 63];
        s.field_start[s.field & 63] = s.position;
      } else {
        s.field_hash = hash2(s.field_hash, c);
        if (s.field_above) s.field_above++;
      }
    }
    if (c == '\n') {
      s.above = s.line;
      s.above_length = s.position - s.line;
      s.line = s.position;
      s.line_hash = 0;
      s.line_words = 0;
      s.indent = 0;
      s.field = 0;
      s.field_hash = 0;
      s.field_above = s.above;
    } else {
      const uint32_t column = s.position - s.line;
      if (column <= 4) s.line_hash = hash2(s.line_hash, c);
      if (s.indent + 1 == column && (c == ' ' || c == '\t')) s.indent = column;
    }
    if constexpr (P::full) {
      // Records of fixed length: the same byte at the same distance four times in a row.
      uint32_t* seen = s.seen[c];
      const uint32_t distance = s.position - seen[0];
      if (distance > 1 && distance < 1024 && distance == seen[0] - seen[1] && distance == seen[1] - seen[2]) {
        if (distance == s.stride_candidate) {
          if (++s.stride_votes > 6 && s.stride != distance) s.stride = distance, s.stride_votes = 0;
        } else {
          s.stride_candidate = distance;
          s.stride_votes = 0;
        }
      }
      seen[2] = seen[1];
      seen[1] = seen[0];
      seen[0] = s.position;
    }
    hash_past(s);
    for (int k = 0; k < P::matches; k++) update_match(s, k, c);
  }

  uint32_t behind(const Stream& s, uint32_t distance) const {
    return distance != 0 && s.position - s.start >= distance ? m->block[s.position - distance] : 0;
  }

  void set_contexts(Stream& s) {
    const uint32_t c4 = s.c4, c8 = s.c8, c1 = c4 & 255;
    const uint32_t column = s.position - s.line;
    const uint32_t up = s.above_length > column ? m->block[s.above + column] : 0;
    uint32_t* h = s.hash;
    int i = 0;
    auto add = [&](uint32_t a, uint32_t b) {
      h[i] = hash2(hash2(a, b), static_cast<uint32_t>(i));
      __builtin_prefetch(line(h[i++]));
    };
    add(c1, 0);
    add(c4 & 0xFFFF, 0);
    add(c4 & 0xFFFFFF, 0);
    add(c4, 0);
    add(c4, c8 & 0xFF);
    add(c4, c8 & 0xFFFF);
    add(s.word, c1);
    add(s.word, s.words[0]);
    add(c4 & 0xFFFF00, 0);
    add(up << 8 | c1, 1);
    if constexpr (P::full) {
      const uint32_t up_next = s.above_length > column + 1 ? m->block[s.above + column + 1] : 0;
      const Level& level = s.nesting[s.depth & 31];
      add(c4, hash2(c8, 8));
      add(s.word, hash2(s.words[0], s.words[1]));
      add(s.word, s.words[1] + 77);
      add(c4 & 0xFFFF0000, 0);
      add(c4 & 0xFF00FF, 0);
      add(c4 & 0xFF0000FF, 1);
      add(up << 8 | up_next, c1);
      add(column < 255 ? column : 255, s.line_hash);
      add(s.field, s.field_hash);
      add(s.indent, hash2(s.line_hash, c1));
      add(s.key, s.token);
      add(level.path, c4 & 0xFFFF);
      add(level.path, hash2(s.key, s.token));
      add(s.format, c1);
      add(s.format, s.word);
      add(s.shape, c1);
      add(s.shape, 0);
      add(s.number, hash2(s.words[0], c1));
      add(s.text, s.words[1]);
      add(s.line_words, s.word);
      add(s.text, s.word);
      add(c4 & 0xF0F0F0F0, c8 & 0xF0F0);
      add(up, hash2(s.word, c1));
      add(s.line_hash, s.word);
      // 34
      uint32_t above = 0;
      if (s.field_above && s.field_above + 1 < s.line) above = m->block[s.field_above] | m->block[s.field_above + 1] << 8;
      add(above, c1);
      add(above & 255, hash2(s.field, s.field_hash));
      add(s.masked4, s.masked8);
      add(s.masked4, c1);
      add(model.followers1[c1] & 0xFFFFFF, c1);
      add(model.followers2[c4 & 0xFFFF] & 0xFFFF, c4 & 0xFFFF);
      const Match& longest = s.match[2].length ? s.match[2] : s.match[1].length ? s.match[1] : s.match[0];
      const uint32_t expected = longest.length ? m->block[longest.position] | 256u : 0;
      add(expected | (longest.length < 31 ? longest.length : 31) << 9, c1);
      add(s.last_key, hash2(level.path, s.token));
      add(s.word, hash2(s.words[0], hash2(s.words[1], s.words[2])));
      add(behind(s, s.stride), c1);
      add(behind(s, s.stride), behind(s, 2 * s.stride) << 8 | s.stride << 16);
      add(expected, hash2(s.word, c4 & 0xFF00));
      i += 2;  // the network's contexts: set when its opinion is known
      add(s.past[11], 1);
      add(s.past[16], 2);
      add(s.past[24], 3);
      const bool value = s.value_above != 0 && s.value_above + 1 < s.position;
      const uint32_t before = value ? m->block[s.value_above] | m->block[s.value_above + 1] << 8 : 0;
      add(before, c1);
      add(before & 255, hash2(s.key, s.token));
      add(s.templates[0], s.text);
      add(s.template_, s.word);
      add(s.templates[0], hash2(s.templates[1], s.template_));
      add(s.field, hash2(s.word, c1));
    }
  }

  /** The line of a context's hash, or one of 16 near it. Lines come in groups of 64. */
  uint8_t* line(uint32_t hash, uint32_t near = 0) const {
    const uint32_t i = static_cast<uint32_t>((static_cast<uint64_t>(hash >> 8) * m->slot_lines) >> 24);
    return m->slots + static_cast<size_t>(i ^ near) * 64;
  }

  uint32_t* map(uint32_t i) const { return m->maps + (static_cast<size_t>(i) * APM_STEPS << m->map_bits); }
  uint32_t map_context(uint32_t c0, uint32_t context) const {
    return ((context << 8 | c0) * 0x9E3779B1u) >> (32 - m->map_bits);
  }

  // ---- one byte ---------------------------------------------------------------------------------------------------

  /** Codes one byte of stream s: `code(p)` codes or decodes a bit of probability p and returns it. */
  template <class Code>
  uint32_t code_byte(Stream& s, const uint32_t* frequencies, Code&& code) {
    constexpr int N = INPUTS<P>;
    Model<P>& md = model;
    uint8_t* slot[P::contexts];
    uint32_t tree[256];
    uint32_t net_sure = 0, top = 0, second = 0;
    if (frequencies) {
      for (int i = 127; i >= 0; i--) tree[128 + i] = frequencies[2 * i] + frequencies[2 * i + 1];
      for (int i = 127; i >= 1; i--) tree[i] = tree[2 * i] + tree[2 * i + 1];
      for (uint32_t i = 1; i < 256; i++) top = frequencies[i] > frequencies[top] ? i : top;
      second = top == 0;
      for (uint32_t i = 0; i < 256; i++) second = i != top && frequencies[i] > frequencies[second] ? i : second;
      const uint32_t best = frequencies[top];
      // 1 .. 15 by how much of the mass is not on the likeliest byte.
      const uint32_t rest = tree[1] - best;
      const int bits = 32 - std::countl_zero(static_cast<uint32_t>((static_cast<uint64_t>(rest) << 14) / (tree[1] ? tree[1] : 1)));
      net_sure = 1 + static_cast<uint32_t>(bits > 14 ? 14 : bits);
    }

    const uint32_t c1 = s.c4 & 255, c2 = s.c4 >> 8 & 255;
    if constexpr (P::full) {
      s.hash[46] = hash2(hash2(top | second << 8 | net_sure << 16, 0), 46);
      s.hash[47] = hash2(hash2(top, c1 | net_sure << 8), 47);
      __builtin_prefetch(line(s.hash[46]));
      __builtin_prefetch(line(s.hash[47]));
    }
    const uint32_t boost = static_cast<uint32_t>(16384 / (64 + (m->coded >> 4)));
    const int32_t rate = P::rate + static_cast<int32_t>(boost < 60 ? boost : 60);
    uint32_t expected[MATCH_MODELS] = {};
    uint32_t match_bucket[MATCH_MODELS] = {};
    for (int k = 0; k < P::matches; k++) {
      const Match& match = s.match[k];
      if (match.length > 0 || match.misses > 0) {
        expected[k] = m->block[match.position] | 256u;
        const uint32_t l = match.length;
        uint32_t b = l < 16 ? l : l < 24 ? 16 : l < 32 ? 17 : l < 48 ? 18 : l < 64 ? 19 : l < 128 ? 20 : l < 256 ? 21 : l < 512 ? 22 : 23;
        if (match.misses) b = 24 + (match.misses > 7 ? 7 : match.misses);
        match_bucket[k] = b;
      }
    }
    uint8_t* run[P::contexts];
    bool seen[P::contexts];
    uint8_t scratch[P::contexts][SLOT_BYTES] = {};
    uint32_t c0 = 1;
    for (uint32_t bit_index = 0; bit_index < 8; bit_index++) {
      if (bit_index == 0) {
        for (int i = 0; i < P::contexts; i++) {
          slot[i] = find_slot(line(s.hash[i]), s.hash[i]);
          run[i] = slot[i] + SLOT_RUN_BYTE;
          seen[i] = run[i][1] != 0;
        }
      } else if (bit_index == 4) {
        // The second nibble's line lies near the first one's. A context met for the first time gets none: most never
        // come back. When one does, what its first byte would have left in the slot is made up for.
        const uint32_t near = c0 - 15;
        for (int i = 0; i < P::contexts; i++)
          if (seen[i]) __builtin_prefetch(line(s.hash[i], near));
        for (int i = 0; i < P::contexts; i++) {
          if (!seen[i]) {
            slot[i] = scratch[i];
            continue;
          }
          slot[i] = find_slot(line(s.hash[i], near), s.hash[i] + c0 * 0x3A35);
          const uint32_t last = run[i][0];
          if (slot[i][SLOT_NODE + 1] == 0 && run[i][1] != 0 && last >> 4 == (c0 & 15))
            for (uint32_t k = 0, at = 1; k < 4; k++) {
              const uint32_t bit = last >> (3 - k) & 1;
              slot[i][SLOT_NODE + at] = STATES.next[0][bit];
              at = at << 1 | bit;
            }
        }
      }
      const uint32_t node = SLOT_NODE + (bit_index < 4 ? c0 : (c0 & ((1u << (bit_index - 4)) - 1)) | 1u << (bit_index - 4));
      int32_t* x = md.mixer.x;
      int n = 0;
      uint32_t hits = 0, run_hits = 0;
      uint32_t run_index[P::contexts];
      for (int i = 0; i < P::contexts; i++) {
        const uint32_t state = slot[i][node];
        const uint32_t p = md.map[i].entry[state] >> 16;
        if (i < 6) hits += state != 0;
        if constexpr (P::full) {
          const int32_t st = state ? stretch(p) : 0;
          x[n++] = st;
          x[n++] = state ? (static_cast<int32_t>(p) - 32768) >> 6 : 0;
          x[n++] = state && (STATES.zeros[state] == 0 || STATES.ones[state] == 0) ? st : 0;
          int32_t value = 0;
          run_index[i] = 0;
          const uint32_t count = run[i][1], predicted = run[i][0] | 256u;
          if (count != 0 && predicted >> (8 - bit_index) == c0) {
            const uint32_t b = count < 8 ? count : count < 16 ? 8 : count < 32 ? 9 : count < 64 ? 10 : count < 128 ? 11 : 12;
            const uint32_t bit = predicted >> (7 - bit_index) & 1;
            run_index[i] = (b * 8 + bit_index) * 2 + bit;
            value = stretch(md.run_map[i][run_index[i]] >> 16);
            if (i >= 1 && i < 6) run_hits++;
          }
          x[n++] = value;
        } else {
          x[n++] = stretch(p);
        }
      }
      uint32_t match_index[MATCH_MODELS] = {};
      uint32_t match_state = 0, agree = 0, longest_expected = 0;
      for (int k = 0; k < P::matches; k++) {
        int32_t a = 0, b = 0;
        if (expected[k] && expected[k] >> (8 - bit_index) == c0) {
          const uint32_t bit = expected[k] >> (7 - bit_index) & 1;
          match_index[k] = 1 + (match_bucket[k] * 8 + bit_index) * 2 + bit;
          const uint32_t p = md.match_map[k][match_index[k]] >> 16;
          a = stretch(p);
          b = (static_cast<int32_t>(p) - 32768) >> 5;
          match_state = match_bucket[k] * 2 + bit + 1;
          longest_expected = expected[k];
          agree += 1 + bit * 4;
        } else {
          expected[k] = 0;
        }
        x[n++] = a;
        x[n++] = b;
      }
      x[n++] = stretch(md.order0[c0] >> 16);
      x[n++] = 256;
      Apm net_apm[2]{}, top_apm{};
      uint32_t net_bucket = 0;
      if (frequencies) {
        const uint32_t total = tree[c0] ? tree[c0] : 1;  // 0 only if the caller broke the contract
        const uint32_t ones = bit_index < 7 ? tree[2 * c0 + 1] : frequencies[2 * c0 + 1 - 256];
        uint32_t p = static_cast<uint32_t>((static_cast<uint64_t>(ones) << 16) / total);
        p = p < 1 ? 1 : p > 65535 ? 65535 : p;
        const int32_t st = stretch(p);
        x[n++] = st;
        x[n++] = (static_cast<int32_t>(p) - 32768) >> 4;
        const uint32_t top_context = ((top | 256u) >> (8 - bit_index)) == c0 ? (top | 256u) >> (7 - bit_index) & 1 ? 2 : 1 : 0;
        net_bucket = 1 + static_cast<uint32_t>(st + 3072) / 128 + 64 * top_context;
        x[n++] = stretch(static_cast<uint32_t>(clamp16(net_apm[0].predict(md.certainty_map, c0 | 256u * (match_state != 0) | 512 * net_sure, st))));
        x[n++] = stretch(static_cast<uint32_t>(clamp16(net_apm[1].predict(map(0), map_context(c0, c1), st))));
      } else {
        x[n++] = 0;
        x[n++] = 0;
        x[n++] = 0;
        x[n++] = 0;
      }
      while (n < N) x[n++] = 0;

      // First layer.
      uint32_t row[16];
      row[0] = 0;
      row[1] = c0;
      row[2] = match_state;
      row[3] = net_bucket;
      if constexpr (P::full) {
        const uint32_t column = s.position - s.line;
        row[2] = match_state * 8 + bit_index;
        row[3] = c1;
        row[4] = hits * 8 + bit_index;
        row[5] = s.shape & 0xFFF;
        row[6] = net_sure * 8 + bit_index;
        row[12] = net_bucket + 256 * (agree == 0 ? 0 : agree < 4 ? 1 : agree % 5 == 0 ? 2 : 3);
        row[7] = (s.quote != 0) * 1024u + (column < 31 ? column : 31u) * 32 + (s.indent < 31 ? s.indent : 31u);
        row[8] = agree * 8 + bit_index;
        row[9] = c2;
        row[10] = (s.word_length < 15 ? s.word_length : 15) * 64 + (s.shape >> 4 & 7) * 8 + bit_index;
        row[11] = run_hits * 8 + bit_index + 64 * (s.field < 7 ? s.field : 7);
        row[13] = longest_expected;
        row[14] = hash2(s.key, s.field) >> 20;
        if (match_state == 0) row[2] = 0;
      }
      uint32_t first = 0;
      for (int k = 0; k < P::sets; k++) {
        md.mixer.choose(k, md.weights + static_cast<size_t>(first) * N, md.used + first, row[k]);
        first += P::rows[k];
      }
      md.mixer.mix();
      // Second layer.
      for (int k = 0; k < P::sets; k++) md.last.x[k] = md.mixer.logit[k];
      md.last.x[15] = 256;
      const uint32_t last_row[8] = {0, c0 | (match_state != 0) * 256u, c1 | (bit_index << 8), net_bucket | 256u * (match_state != 0),
                                    c2 | (bit_index << 8), s.shape & 0xFFF, row[2], hits * 8 + bit_index};
      first = 0;
      for (int k = 0; k < P::final_sets; k++) {
        md.last.choose(k, md.last_weights + first * 16, md.last_used + first, last_row[k]);
        first += FINAL_ROWS[k];
      }
      md.last.mix();
      int32_t sums = 0;
      for (int k = 0; k < P::final_sets; k++) sums += md.last.logit[k];
      const int32_t st = sums >> (P::final_sets == 8 ? 3 : 2);
      const int32_t p = squash(st);
      // Final maps.
      Apm maps[3];
      const int32_t a0 = maps[0].predict(map(1), map_context(c0, c1), st);
      const int32_t a1 = maps[1].predict(map(2), map_context(c0, c1 | c2 << 8), st);
      const int32_t a2 = maps[2].predict(map(3), map_context(c0, longest_expected), st);
      int32_t mixed = (2 * p + a0 + 2 * a1 + 3 * a2 + 4) >> 3;
      if (frequencies) {
        const int32_t a3 = top_apm.predict(map(4), map_context(c0, top), st);
        mixed = (3 * mixed + a3 + 2) >> 2;
      }
      mixed = clamp16(mixed);

      const uint32_t y = code(static_cast<uint32_t>(mixed));

      // Learn.
      maps[0].update(y, 127);
      maps[1].update(y, 127);
      maps[2].update(y, 127);
      md.last.update(y, 512);
      // Where a hundred inputs are sure, a step of each is a leap of their sum: shorten it.
      const uint32_t energy = P::full ? md.mixer.energy() : 0;
      md.mixer.update(y, static_cast<int32_t>(static_cast<uint32_t>(rate) * 16000 / (1000 + energy)));
      for (int i = 0; i < P::contexts; i++) {
        uint8_t& state = slot[i][node];
        adapt(md.map[i].entry[state], y, 1023);
        state = STATES.next[state][y];
      }
      if constexpr (P::full)
        for (int i = 0; i < P::contexts; i++)
          if (run_index[i]) adapt(md.run_map[i][run_index[i]], y, 1023);
      for (int k = 0; k < P::matches; k++)
        if (match_index[k]) adapt(md.match_map[k][match_index[k]], y, 1023);
      adapt(md.order0[c0], y, 255);
      if (frequencies) {
        net_apm[0].update(y, 127);
        net_apm[1].update(y, 127);
        top_apm.update(y, 127);
      }
      c0 = c0 << 1 | y;
    }
    c0 &= 255;
    for (int i = 0; i < P::contexts; i++) {
        uint8_t* r = run[i];
        if (r[0] == c0 && r[1] != 0) {
          if (r[1] < 255) r[1]++;
        } else {
          r[0] = static_cast<uint8_t>(c0);
          r[1] = 1;
        }
      }
    update_history(s, c0);
    set_contexts(s);
    return c0;
  }

  void init() {
    for (auto& map : model.map)
      for (int s = 0; s < 256; s++) {
        const uint32_t n0 = STATES.zeros[s], n1 = STATES.ones[s];
        map.entry[s] = ((n1 * 2 + 1) * 4194303u / (2 * (n0 + n1) + 2)) << 10;
      }
    for (auto& map : model.run_map)
      for (int i = 0; i < 512; i++) map[i] = (i & 1 ? 3u << 20 : 1u << 20) << 10;
    for (auto& map : model.match_map)
      for (int i = 0; i < 1024; i++) map[i] = (i & 1 ? 1u << 20 : 3u << 20) << 10;
    for (auto& entry : model.order0) entry = 1u << 31;
    constexpr int per = P::per_context, base = P::contexts * per;
    constexpr int32_t one = 1 << 26;
    for (int i = 0; i < INPUTS<P>; i++) {
      int32_t w = 0;
      if (i < base) {
        if (P::full)
          w = i % per == 0 ? one / 32 : i % per == 3 ? one / 64 : 0;
        else
          w = one / 4;
      } else if (i < base + 2 * P::matches) {
        w = (i - base) % 2 == 0 ? one / 6 : 0;
      } else if (i == base + 2 * P::matches + 2) {
        w = one / 4;
      }
      model.weights[i] = w;
    }
    for (int i = 0; i < P::sets; i++) model.last_weights[i] = one / P::sets;
    for (size_t i = 0; i < m->streams; i++) set_contexts(m->stream[i]);
  }
};

size_t model_bytes(int profile) { return profile == MIX_FAST ? sizeof(Model<Fast>) : sizeof(Model<Full>); }

void init_model(Mix* m) {
  if (m->profile == MIX_FAST)
    Coder<Fast>(m).init();
  else
    Coder<Full>(m).init();
}

/** Moves on to the stream of the next byte. */
inline void advance(Mix* m) {
  m->coded++;
  if (++m->cursor == m->streams) m->cursor = 0;
}

template <class P>
void encode_profile(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds) {
  Coder<P> coder(m);
  for (size_t i = 0; i < count; i++, advance(m)) {
    uint32_t byte = symbols[i];
    coder.code_byte(m->stream[m->cursor], frequencies ? frequencies + i * 256 : nullptr, [&](uint32_t p) {
      const uint32_t bit = byte >> 7 & 1;
      byte <<= 1;
      m->encoder.encode(bit, p);
      if (odds) *odds++ = static_cast<uint16_t>(bit ? p : 65536 - p);
      return bit;
    });
  }
}

template <class P>
void decode_profile(Mix* m, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  Coder<P> coder(m);
  for (size_t i = 0; i < count; i++, advance(m))
    symbols[i] = static_cast<uint8_t>(coder.code_byte(m->stream[m->cursor], frequencies ? frequencies + i * 256 : nullptr,
                                                      [&](uint32_t p) { return m->decoder.decode(p); }));
}

void encode(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds) {
  m->profile == MIX_FAST ? encode_profile<Fast>(m, symbols, count, frequencies, odds)
                         : encode_profile<Full>(m, symbols, count, frequencies, odds);
}

void decode(Mix* m, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  m->profile == MIX_FAST ? decode_profile<Fast>(m, symbols, count, frequencies) : decode_profile<Full>(m, symbols, count, frequencies);
}

}  // namespace

extern const mix_detail::Kernels MIX_KERNELS;
const mix_detail::Kernels MIX_KERNELS = {SHACOMP_STRING(SHACOMP_ISA), model_bytes, init_model, encode, decode};

}  // namespace shacomp::SHACOMP_ISA
