/** @file The context models and mixers; compiled once per instruction set. Plain loops that compilers vectorize. */
#include <bit>

#include "state.h"
#include "tables.h"

#ifndef SHACOMP_ISA
#define SHACOMP_ISA baseline
#endif
#define SHACOMP_STRING2(x) #x
#define SHACOMP_STRING(x) SHACOMP_STRING2(x)

namespace shacomp::SHACOMP_ISA {
namespace {

using namespace mix;

/** What a profile uses. Inputs per context: logit, and in `linear` profiles also the probability itself. */
struct Fast {
  static constexpr int contexts = 10;
  static constexpr bool linear = false;
  static constexpr bool runs = false;
  static constexpr int matches = 1;
  static constexpr int selectors = 2;
  static constexpr uint32_t min_match[2] = {6, 6};
};
struct Full {
  static constexpr int contexts = 34;
  static constexpr bool linear = true;
  static constexpr bool runs = true;
  static constexpr int matches = 2;
  static constexpr int selectors = 7;
  static constexpr uint32_t min_match[2] = {5, 16};
};

constexpr int ROW_LIMIT = 2048;  // weight rows per selector at most
constexpr int NET_INPUTS = 3;
constexpr uint32_t APM_STEPS = 25;  // one bucket per nat

template <class P>
constexpr int INPUTS = (P::contexts * (P::linear ? 2 : 1) + (P::runs ? P::contexts : 0) + P::matches * 2 + 2 + NET_INPUTS + 15) / 16 * 16;

struct StateMap {
  uint32_t entry[256];  // probability Q22 << 10 | observations
};

struct Apm {
  int32_t* delta;  // Q28 difference from the identity map; zero-filled is the identity
  uint32_t index;
};

template <class P>
struct Model {
  StateMap map[P::contexts];
  uint32_t run_map[P::contexts][512];
  uint32_t order0[256];
  uint32_t match_map[MATCH_MODELS][1024];
  int32_t inputs[INPUTS<P>];
  int32_t weights[P::selectors][ROW_LIMIT][INPUTS<P>];  // Q26
  int32_t final_weights[2][4096][16];                   // Q26
  int32_t network_apm[2][65536 * APM_STEPS / 64];
  int32_t apm[3][65536 * APM_STEPS];
  uint32_t run_slot[P::contexts];
};

inline uint32_t hash2(uint32_t a, uint32_t b) {
  uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu;
  h ^= h >> 15;
  return h * 0xC2B2AE35u;
}

inline int32_t squash(int32_t x) {
  x = x < -LOGIT_MAX ? -LOGIT_MAX : x > LOGIT_MAX ? LOGIT_MAX : x;
  return SQUASH.value[3072 + x];
}

inline int32_t stretch(uint32_t p) {
  if (p < 4096) return STRETCH.low[p];
  if (p >= 61440) return -STRETCH.low[65536 - p];
  return STRETCH.middle[p >> 4];
}

inline void adapt(uint32_t& entry, uint32_t bit, uint32_t limit) {
  const uint32_t n = entry & 1023, p = entry >> 10;
  const int64_t error = static_cast<int64_t>(bit << 22) - static_cast<int64_t>(p);
  int64_t q = static_cast<int64_t>(p) + (error * RATES.value[n] >> 16);
  if (q > 4194303) q = 4194303;
  entry = static_cast<uint32_t>(q) << 10 | (n < limit ? n + 1 : n);
}

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

/** The slot of 16 bytes (check, 15 nodes) for a hash: found, or the line's least used one cleared. */
inline uint8_t* find_slot(uint8_t* slots, uint32_t line, uint32_t check) {
  uint8_t* p = slots + static_cast<size_t>(line) * 64;
  const uint8_t tag = static_cast<uint8_t>(check);
  for (int i = 0; i < 4; i++)
    if (p[i * 16] == tag && p[i * 16 + 1] != 0) return p + i * 16;
  int victim = 0, least = 1 << 20;
  for (int i = 0; i < 4; i++) {
    const int s = p[i * 16 + 1];
    const int use = s == 0 ? -1 : STATES.zeros[s] + STATES.ones[s];
    if (use < least) least = use, victim = i;
  }
  uint8_t* slot = p + victim * 16;
  for (int i = 1; i < 16; i++) slot[i] = 0;
  slot[0] = tag;
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
    uint32_t h = 0;
    const uint8_t* end = m->block + s.position;
    for (uint32_t i = 1; i <= minimum; i++) h = (h + end[-static_cast<int>(i)] + 1) * 0x2F0B4C47u, h ^= h >> 14;
    uint32_t& entry = m->match_table[k][h & m->match_mask];
    if (match.length == 0) {
      const uint32_t candidate = entry;
      if (candidate > 0 && known(m, candidate)) {
        uint32_t length = 0;
        while (length < since && length < candidate && length < 400 && m->block[candidate - 1 - length] == end[-1 - static_cast<int>(length)] && known_back(candidate - 1 - length))
          length++;
        if (length >= minimum) match = {candidate, length, 0};
      }
    }
    entry = s.position;
  }
  // Bytes before a known byte in the same slice are known; a walk back over a slice's start needs a new look.
  bool known_back(uint32_t i) { return known(m, i); }

  void update_history(Stream& s, uint32_t c) {
    const uint32_t c1 = s.c4 & 255, c2 = s.c4 >> 8 & 255;
    (void)c2;
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
    if (cls == 3)
      s.number = s.number < 9 ? s.number + 1 : 9;
    else if (c != '.' && c != ',' && c != ':' && c != '-')
      s.number = 0;
    if constexpr (P::runs) {
      const uint32_t folded = cls <= 3 ? cls : c;
      if (c == ' ' || c == '\n' || c == '"' || c == '<' || c == '>') s.format = 0;
      s.format = hash2(s.format, cls == 1 && c1 >= 'a' && c1 <= 'z' ? 0 : folded);
      // Nesting: brackets, quotes and tags.
      if (s.quote != 0) {
        if (c == s.quote && c1 != '\\') {
          s.quote = 0;
          s.key = s.string_hash;
        } else if (c == '\n') {
          s.quote = 0;
        } else {
          s.string_hash = hash2(s.string_hash, c);
        }
      } else if (c == '"') {
        s.quote = c;
        s.string_hash = 0;
      } else if (c == '{' || c == '[' || c == '(' || c == '<') {
        if (s.depth < 31) s.depth++;
        s.nesting[s.depth] = hash2(c, s.key);
        if (c == '<') s.string_hash = 0;
      } else if ((c == '}' || c == ']' || c == ')' || c == '>')) {
        if (s.depth > 0) s.depth--;
        if (c == '>') s.key = s.string_hash;
      } else if (c == '\n' && s.depth > 0 && s.nesting[s.depth] == hash2('<', s.key)) {
        s.depth--;
      } else if (s.depth > 0) {
        s.string_hash = hash2(s.string_hash, c);
      }
      // Fields.
      if (c == ',' || c == '\t' || c == ';' || c == '|' || c == ' ') {
        s.field++;
        s.field_hash = 0;
      } else {
        s.field_hash = hash2(s.field_hash, c);
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
    } else {
      const uint32_t column = s.position - s.line;
      if (column <= 4) s.line_hash = hash2(s.line_hash, c);
      if (s.indent + 1 == column && (c == ' ' || c == '\t')) s.indent = column;
    }
    for (int k = 0; k < P::matches; k++) update_match(s, k, c);
  }

  void set_contexts(Stream& s) {
    const uint32_t c4 = s.c4, c8 = s.c8, c1 = c4 & 255;
    const uint32_t column = s.position - s.line;
    const uint32_t up = s.above_length > column ? m->block[s.above + column] : 0;
    const uint32_t up_next = s.above_length > column + 1 ? m->block[s.above + column + 1] : 0;
    uint32_t* h = s.hash;
    int i = 0;
    auto add = [&](uint32_t a, uint32_t b) { h[i] = hash2(hash2(a, b), static_cast<uint32_t>(i)), i++; };
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
    if constexpr (P::contexts > 10) {
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
      add(s.key, s.string_hash);
      add(s.nesting[s.depth], c4 & 0xFFFF);
      add(s.nesting[s.depth], hash2(s.depth, s.field_hash));
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
    }
    for (int j = 0; j < P::contexts; j++) __builtin_prefetch(m->slots + static_cast<size_t>(h[j] & m->slot_lines_mask) * 64);
    if constexpr (P::runs)
      for (int j = 0; j < P::contexts; j++) __builtin_prefetch(m->runs + (h[j] >> 3 & m->runs_mask));
  }

  // ---- one byte ---------------------------------------------------------------------------------------------------

  static inline int32_t apm_predict(const int32_t* delta, uint32_t context, int32_t logit, uint32_t& index) {
    const uint32_t x = static_cast<uint32_t>(logit + 3072);
    const uint32_t j = x >> 8, w = x & 255;
    index = context * APM_STEPS + j + (w >> 7);
    const int32_t lo = (delta[context * APM_STEPS + j] >> 12) + identity(j);
    const int32_t hi = (delta[context * APM_STEPS + j + 1] >> 12) + identity(j + 1);
    return (lo * static_cast<int32_t>(256 - w) + hi * static_cast<int32_t>(w)) >> 8;
  }
  static inline int32_t identity(uint32_t j) { return squash(static_cast<int32_t>(j) * 256 - 3072); }
  static inline void apm_update(int32_t* delta, uint32_t index, uint32_t bit, int rate) {
    const int32_t j = static_cast<int32_t>(index % APM_STEPS);
    const int32_t p = delta[index] + (identity(static_cast<uint32_t>(j)) << 12);
    delta[index] += ((bit ? 0x0FFFFFFF : 0) - p) >> rate;
  }

  /** Codes one byte of stream s: `code(p)` codes or decodes a bit of probability p and returns it. */
  template <class Code>
  uint32_t code_byte(Stream& s, const uint32_t* frequencies, Code&& code) {
    constexpr int N = INPUTS<P>;
    Model<P>& md = model;
    uint8_t* slot[P::contexts];
    uint32_t tree[256];
    int net_sure = 0;
    if (frequencies) {
      for (int i = 127; i >= 0; i--) tree[128 + i] = frequencies[2 * i] + frequencies[2 * i + 1];
      for (int i = 127; i >= 1; i--) tree[i] = tree[2 * i] + tree[2 * i + 1];
      uint32_t best = 0;
      for (int i = 0; i < 256; i++) best = frequencies[i] > best ? frequencies[i] : best;
      // 1 .. 15 by how much of the mass is not on the likeliest byte.
      const uint32_t rest = tree[1] - best;
      const int bits = 32 - std::countl_zero(static_cast<uint32_t>((static_cast<uint64_t>(rest) << 14) / (tree[1] ? tree[1] : 1)));
      net_sure = 1 + (bits > 14 ? 14 : bits);
    }
    uint32_t* run[P::contexts];
    if constexpr (P::runs)
      for (int i = 0; i < P::contexts; i++) run[i] = m->runs + (s.hash[i] >> 3 & m->runs_mask);

    const uint32_t c1 = s.c4 & 255, c2 = s.c4 >> 8 & 255;
    const uint32_t lr_extra = static_cast<uint32_t>(16384 / (64 + (m->coded >> 4)));
    const int32_t rate = (P::linear ? 32 : 64) + static_cast<int32_t>(lr_extra < 60 ? lr_extra : 60);
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
    uint32_t hits = 0;
    uint32_t c0 = 1;
    for (int bit_index = 0; bit_index < 8; bit_index++) {
      if (bit_index == 0) {
        for (int i = 0; i < P::contexts; i++) slot[i] = find_slot(m->slots, s.hash[i] & m->slot_lines_mask, s.hash[i] >> 24);
      } else if (bit_index == 4) {
        for (int i = 0; i < P::contexts; i++) {
          const uint32_t h = s.hash[i] ^ (c0 * 0x9E3779B1u >> 20 & 63);
          slot[i] = find_slot(m->slots, h & m->slot_lines_mask, (s.hash[i] >> 24) + c0 * 29);
        }
      }
      const uint32_t node = bit_index < 4 ? c0 : (c0 & ((1u << (bit_index - 4)) - 1)) | 1u << (bit_index - 4);
      int32_t* x = md.inputs;
      int n = 0;
      hits = 0;
      for (int i = 0; i < P::contexts; i++) {
        const uint32_t state = slot[i][node];
        const uint32_t p = md.map[i].entry[state] >> 16;
        if (i < 6) hits += state != 0;
        if constexpr (P::linear) {
          x[n++] = state ? stretch(p) : 0;
          x[n++] = state ? (static_cast<int32_t>(p) - 32768) >> 6 : 0;
        } else {
          x[n++] = stretch(p);
        }
      }
      uint32_t run_index[P::contexts];
      if constexpr (P::runs) {
        for (int i = 0; i < P::contexts; i++) {
          const uint32_t r = *run[i];
          int32_t value = 0;
          run_index[i] = 0;
          const uint32_t predicted = (r & 255) | 256u;
          if (r >> 16 == s.hash[i] >> 16 && (r >> 8 & 255) != 0 && predicted >> (8 - bit_index) == c0) {
            const uint32_t count = r >> 8 & 255;
            const uint32_t b = count < 8 ? count : count < 16 ? 8 : count < 32 ? 9 : count < 64 ? 10 : count < 128 ? 11 : 12;
            const uint32_t bit = predicted >> (7 - bit_index) & 1;
            run_index[i] = (b * 8 + static_cast<uint32_t>(bit_index)) * 2 + bit;
            value = stretch(md.run_map[i][run_index[i]] >> 16);
          }
          x[n++] = value;
        }
      }
      uint32_t match_index[MATCH_MODELS] = {};
      uint32_t match_state = 0;
      for (int k = 0; k < P::matches; k++) {
        int32_t a = 0, b = 0;
        if (expected[k] && expected[k] >> (8 - bit_index) == c0) {
          const uint32_t bit = expected[k] >> (7 - bit_index) & 1;
          match_index[k] = 1 + (match_bucket[k] * 8 + static_cast<uint32_t>(bit_index)) * 2 + bit;
          const uint32_t p = md.match_map[k][match_index[k]] >> 16;
          a = stretch(p);
          b = (static_cast<int32_t>(p) - 32768) >> 5;
          match_state = match_bucket[k] * 2 + bit + 1;
        } else {
          expected[k] = 0;
        }
        x[n++] = a;
        x[n++] = b;
      }
      x[n++] = stretch(md.order0[c0] >> 16);
      x[n++] = 256;
      uint32_t net_index[2] = {};
      if (frequencies) {
        const uint32_t total = tree[c0] ? tree[c0] : 1;  // 0 only if the caller broke the contract
        const uint32_t ones = bit_index < 7 ? tree[2 * c0 + 1] : frequencies[2 * c0 + 1 - 256];
        uint32_t p = static_cast<uint32_t>((static_cast<uint64_t>(ones) << 16) / total);
        p = p < 1 ? 1 : p > 65535 ? 65535 : p;
        const int32_t st = stretch(p);
        x[n++] = st;
        x[n++] = (static_cast<int32_t>(p) - 32768) >> 4;
        x[n++] = stretch(clamp16(apm_predict(md.network_apm[0], c0 | 256u * (match_state != 0), st, net_index[0])));
      } else {
        x[n++] = 0;
        x[n++] = 0;
        x[n++] = 0;
      }
      while (n < N) x[n++] = 0;

      // First layer.
      const uint32_t bi = static_cast<uint32_t>(bit_index);
      uint32_t row[8];
      row[0] = c0;
      row[1] = match_state;
      if constexpr (P::selectors > 2) {
        row[2] = c1;
        row[3] = hits * 8 + bi;
        row[4] = s.shape & 0x7FF;
        row[5] = static_cast<uint32_t>(net_sure) * 8 + bi;
        const uint32_t column = s.position - s.line;
        row[6] = (s.quote != 0) * 1024u + (column < 31 ? column : 31u) * 32 + (s.indent < 31 ? s.indent : 31u);
      }
      int32_t logit[16] = {};
      int32_t p1[8];
      for (int k = 0; k < P::selectors; k++) {
        const int32_t* w = md.weights[k][row[k]];
        uint32_t sum = 0;
        for (int i = 0; i < N; i++) sum += static_cast<uint32_t>((w[i] >> 14) * x[i]);
        int32_t dot = static_cast<int32_t>(sum) >> 12;
        dot = dot < -LOGIT_MAX ? -LOGIT_MAX : dot > LOGIT_MAX ? LOGIT_MAX : dot;
        logit[k] = dot;
        p1[k] = squash(dot);
      }
      // Second layer.
      logit[P::selectors] = 256;
      const uint32_t final_row[2] = {c0 | (match_state != 0) * 256u, c1 | (bi << 8)};
      int32_t p2[2], st2[2];
      for (int k = 0; k < 2; k++) {
        const int32_t* w = md.final_weights[k][final_row[k]];
        uint32_t sum = 0;
        for (int i = 0; i < 16; i++) sum += static_cast<uint32_t>((w[i] >> 14) * logit[i]);
        int32_t dot = static_cast<int32_t>(sum) >> 12;
        dot = dot < -LOGIT_MAX ? -LOGIT_MAX : dot > LOGIT_MAX ? LOGIT_MAX : dot;
        st2[k] = dot;
        p2[k] = squash(dot);
      }
      const int32_t st = (st2[0] + st2[1]) >> 1;
      const int32_t p = squash(st);
      // Final maps.
      uint32_t index[3];
      const int32_t a0 = apm_predict(md.apm[0], c0 | c1 << 8, st, index[0]);
      const int32_t a1 = apm_predict(md.apm[1], (hash2(c1 | c2 << 8, 5) ^ c0 * 0x9E3779B1u >> 8) & 0xFFFF, st, index[1]);
      int32_t mixed = (2 * p + a0 + a1 + 2) >> 2;
      mixed = clamp16(mixed);

      const uint32_t y = code(static_cast<uint32_t>(mixed));

      // Learn.
      apm_update(md.apm[0], index[0], y, 6);
      apm_update(md.apm[1], index[1], y, 6);
      const int32_t target = static_cast<int32_t>(y << 16);
      for (int k = 0; k < 2; k++) {
        const int32_t e = ((target - p2[k]) * 32) >> 8;
        int32_t* w = md.final_weights[k][final_row[k]];
        for (int i = 0; i < 16; i++) w[i] = clamp_weight(w[i] + ((logit[i] * e + 8) >> 4));
      }
      for (int k = 0; k < P::selectors; k++) {
        const int32_t e = ((target - p1[k]) * rate) >> 8;
        if (e == 0) continue;
        int32_t* w = md.weights[k][row[k]];
        for (int i = 0; i < N; i++) w[i] = clamp_weight(w[i] + ((x[i] * e + 8) >> 4));
      }
      for (int i = 0; i < P::contexts; i++) {
        uint8_t& state = slot[i][node];
        adapt(md.map[i].entry[state], y, 255);
        state = STATES.next[state][y];
      }
      if constexpr (P::runs)
        for (int i = 0; i < P::contexts; i++)
          if (run_index[i]) adapt(md.run_map[i][run_index[i]], y, 1023);
      for (int k = 0; k < P::matches; k++)
        if (match_index[k]) adapt(md.match_map[k][match_index[k]], y, 1023);
      adapt(md.order0[c0], y, 255);
      if (frequencies) apm_update(md.network_apm[0], net_index[0], y, 6);
      c0 = c0 << 1 | y;
    }
    c0 &= 255;
    if constexpr (P::runs)
      for (int i = 0; i < P::contexts; i++) {
        uint32_t r = *run[i];
        const uint32_t check = s.hash[i] >> 16;
        if (r >> 16 != check || (r >> 8 & 255) == 0)
          r = check << 16 | 1u << 8 | c0;
        else if ((r & 255) == c0)
          r += (r >> 8 & 255) < 255 ? 256 : 0;
        else
          r = check << 16 | 1u << 8 | c0;
        *run[i] = r;
      }
    update_history(s, c0);
    set_contexts(s);
    return c0;
  }

  static inline int32_t clamp16(int32_t p) { return p < 1 ? 1 : p > 65535 ? 65535 : p; }
  static inline int32_t clamp_weight(int32_t w) {
    constexpr int32_t limit = (8 << 26) - 1;
    return w > limit ? limit : w < -limit ? -limit : w;
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
    for (auto& set : model.weights)
      for (auto& row : set)
        for (int i = 0; i < INPUTS<P>; i++) {
          int32_t w = 0;
          if (P::linear) {
            if (i < 2 * P::contexts) w = i % 2 == 0 ? (1 << 26) / 10 : 0;
            else if (i < 3 * P::contexts) w = (1 << 26) / 20;
            else if (i < 3 * P::contexts + 4) w = (1 << 26) / 6;
          } else {
            w = i < P::contexts + 2 ? (1 << 26) / 4 : 0;
          }
          if (i == P::contexts * (P::linear ? 3 : 1) + 2 * P::matches + 2) w = 1 << 24;
          row[i] = w;
        }
    for (auto& set : model.final_weights)
      for (auto& row : set)
        for (int i = 0; i < P::selectors; i++) row[i] = (1 << 26) / P::selectors;
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
void encode_profile(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  Coder<P> coder(m);
  for (size_t i = 0; i < count; i++, advance(m)) {
    uint32_t byte = symbols[i];
    coder.code_byte(m->stream[m->cursor], frequencies ? frequencies + i * 256 : nullptr, [&](uint32_t p) {
      const uint32_t bit = byte >> 7 & 1;
      byte <<= 1;
      m->encoder.encode(bit, p);
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

void encode(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  m->profile == MIX_FAST ? encode_profile<Fast>(m, symbols, count, frequencies) : encode_profile<Full>(m, symbols, count, frequencies);
}

void decode(Mix* m, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  m->profile == MIX_FAST ? decode_profile<Fast>(m, symbols, count, frequencies) : decode_profile<Full>(m, symbols, count, frequencies);
}

}  // namespace

extern const mix_detail::Kernels MIX_KERNELS;
const mix_detail::Kernels MIX_KERNELS = {SHACOMP_STRING(SHACOMP_ISA), model_bytes, init_model, encode, decode};

}  // namespace shacomp::SHACOMP_ISA
