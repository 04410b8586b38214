/** @file The context models, mixers and final maps; compiled once per instruction set. */
#include <bit>

#include "core/isa.h"
#include "core/simd/simd.h"
#include "mix/binary.h"
#include "mix/corrector.h"
#include "mix/hash.h"
#include "mix/state.h"
#include "mix/tables.h"

namespace shacomp::SHACOMP_ISA {
namespace {

using namespace mix;

/**
 * What a profile uses. `per_context`: mixer inputs per context; `longest`: of the orders that are hashed
 * whole.
 */
struct Fast {
  static constexpr bool full = false;
  static constexpr int contexts = 12;
  static constexpr int per_context = 1;
  static constexpr int longest = 6;
  static constexpr int matches = 1;
  static constexpr uint32_t min_match[3] = {6};
  static constexpr int32_t rate = 64;
  static constexpr int sets = 4;
  static constexpr uint32_t rows[4] = {1, 256, 128, 4096};
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
  static constexpr uint32_t rows[15] = {1,   256, 520,  256, 64,   4096, 128, 2048,
                                        128, 256, 1024, 512, 1024, 512,  4096};
  static constexpr int final_sets = 8;
};
constexpr uint32_t FINAL_ROWS[8] = {1, 512, 2048, 512, 2048, 4096, 520, 64};

/**
 * Where the mixer's inputs lie: of the contexts, all first ones, all second ones …; of each match, order 0,
 * the bias, the network.
 */
template <class P>
struct InputsAt {
  static constexpr int lean = P::contexts, one_sided = 2 * P::contexts, runs = 3 * P::contexts;
  static constexpr int matches = P::contexts * P::per_context;
  static constexpr int order0 = matches + 2 * P::matches;
  static constexpr int bias = order0 + 1;
  static constexpr int network = bias + 1;
  static constexpr int end = network + 4;
};
template <class P>
constexpr int INPUTS = (InputsAt<P>::end + 15) / 16 * 16;

struct StateMap {
  uint32_t entry[256];  // probability Q22 << 10 | observations
};

inline int32_t clamp_logit(int32_t x) { return x < -LOGIT_MAX ? -LOGIT_MAX : x > LOGIT_MAX ? LOGIT_MAX : x; }
inline int32_t squash(int32_t x) { return SQUASH.value[3072 + clamp_logit(x)]; }

inline uint32_t stretch_index(uint32_t q) { return q < 4096 ? q : 4096 + (q >> 4); }

inline int32_t stretch(uint32_t p) {
  return p > 61440 ? -STRETCH.value[stretch_index(65536 - p)] : STRETCH.value[stretch_index(p)];
}

/** stretch of the probabilities of N map entries, without branches: nothing foretells where they lie. */
template <int N>
ALWAYS_INLINE void stretch_entries(const uint32_t (&entry)[N], int32_t* x) {
  uint32_t index[N];
  for (int i = 0; i < N; i++) {
    const uint32_t p = entry[i] >> 16;
    index[i] = stretch_index(p > 61440 ? 65536 - p : p);
  }
  for (int i = 0; i < N; i++) x[i] = STRETCH.value[index[i]];
  for (int i = 0; i < N; i++) x[i] = entry[i] >> 16 > 61440 ? -x[i] : x[i];
}

inline int32_t clamp_probability(int32_t p) { return p < 1 ? 1 : p > 65535 ? 65535 : p; }

/** stretch of a probability that may be 0 or 65536. */
inline int32_t logit_of(int32_t p) { return stretch(static_cast<uint32_t>(clamp_probability(p))); }

/**
 * An adaptive probability moved towards the bit by 1/(n + 1.5), n the observations so far, at most limit. In
 * 32 bits: floor(error rate / 2^16), the error, Q22, in two parts.
 * @param rate RATES.value[n]
 */
inline uint32_t adapted(uint32_t entry, uint32_t bit, uint32_t limit, uint32_t rate) {
  const uint32_t n = entry & 1023, p = entry >> 10;
  const int32_t error = static_cast<int32_t>((bit << 22) - p), r = static_cast<int32_t>(rate);
  int32_t q = static_cast<int32_t>(p) + (((error >> 8) * r + ((error & 255) * r >> 8)) >> 8);
  q = q > 4194303 ? 4194303 : q;
  return static_cast<uint32_t>(q) << 10 | (n + (n < limit));
}
inline void adapt(uint32_t& entry, uint32_t bit, uint32_t limit) {
  entry = adapted(entry, bit, limit, RATES.value[entry & 1023]);
}

/** N entries, as adapt with limit 1023 would leave them. */
template <int N>
ALWAYS_INLINE void adapt_entries(uint32_t (&entry)[N], uint32_t bit) {
  uint32_t rate[N];
  for (int i = 0; i < N; i++) rate[i] = RATES.value[entry[i] & 1023];
  for (int i = 0; i < N; i++) entry[i] = adapted(entry[i], bit, 1023, rate[i]);
}

/**
 * One look into a final map (an adaptive probability map over the logit), interpolated; an untouched entry is
 * the identity.
 */
struct FinalMap {
  uint32_t* entry;  // the nearer point, which learns
  static uint32_t identity(uint32_t j) {
    return static_cast<uint32_t>(squash(static_cast<int32_t>(j) * 256 - 3072)) << 16 | 6;
  }
  /** Probability Q16; can be 0 or 65536, so clamp it before coding. */
  ALWAYS_INLINE int32_t predict(uint32_t* table, uint32_t context, int32_t logit) {
    const uint32_t x = static_cast<uint32_t>(logit + 3072), j = x >> 8, w = x & 255;
    entry = table + context * MAP_STEPS + j;
    if (entry[0] == 0) entry[0] = identity(j);
    if (entry[1] == 0) entry[1] = identity(j + 1);
    const uint32_t p = ((entry[0] >> 16) * (256 - w) + (entry[1] >> 16) * w) >> 8;
    entry += w >> 7;
    return static_cast<int32_t>(p);
  }
  void update(uint32_t bit) { adapt(*entry, bit, 127); }
};

/** Q16: a weight set learns from the bits whose probability it had wrong by at least this, 1/256. */
constexpr int32_t LEAST_MISS = 256;

/**
 * Gated logistic mixing: `sets` weight vectors, each chosen from its table by a row number, give one logit
 * each. Rows start as a copy of the first set's row 0, which is always trained, when they are first used.
 * Inputs are Q8, weights Q26 within +-8: w >> 14 and the error fit into 16 bits, so that every product is one
 * mul16.
 */
template <int N, int SETS>
struct Mixer {
  static_assert(N % kLanes32 == 0);
  alignas(64) int32_t x[N];
  int32_t logit[SETS];
  int32_t* chosen[SETS];

  /** @tparam LEARNS whether the row is used from now on; else a new one is read as it would begin */
  template <bool LEARNS>
  void choose(int set, int32_t* table, uint8_t* used, uint32_t row) {
    int32_t* w = table + static_cast<size_t>(row) * N;
    if (!used[row]) {
      if constexpr (!LEARNS) {
        chosen[set] = set > 0 ? chosen[0] : w;
        return;
      }
      used[row] = 1;
      if (set > 0)
        for (int i = 0; i < N; i++) w[i] = chosen[0][i];
    }
    chosen[set] = w;
  }
  /** Chooses a row of each set's table; `rows[k]`: how many table k has, which the next one follows. */
  template <bool LEARNS>
  ALWAYS_INLINE void choose(int32_t* tables, uint8_t* used, const uint32_t* rows, const uint32_t* row) {
    uint32_t first = 0;
    for (int k = 0; k < SETS; k++) {
      choose<LEARNS>(k, tables + static_cast<size_t>(first) * N, used + first, row[k]);
      first += rows[k];
    }
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
  /**
   * @param rate Q12, below 2^11: the error times it, 16 bits, times an input is the step of that input's
   * weight in Q30.
   */
  void update(uint32_t bit, int32_t rate) {
    const I32 half = set32(8), limit = set32((8 << 26) - 1), least = set32(1 - (8 << 26));
    for (int k = 0; k < SETS; k++) {
      const int32_t miss = static_cast<int32_t>(bit << 16) - squash(logit[k]);
      if (-LEAST_MISS < miss && miss < LEAST_MISS) continue;
      const I32 error = set32(miss * rate >> 12);
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

/** What only the full profile has: for binary data, and the corrector. */
template <bool FULL>
struct FullModels {};
template <>
struct FullModels<true> {
  Calls calls;
  uint8_t pixels[PIXELS][1 << PIXEL_BITS];  // bit histories by neighbourhoods of pixels
  Corrector corrector;
  Trust trust;
};

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
  int32_t last_weights[LAST_ROWS<P> * 16];           // Q26
  alignas(64) int32_t weights[ROWS<P> * INPUTS<P>];  // Q26
  // by the bits so far, whether a match goes on, the network's uncertainty
  uint32_t certainty_map[8192 * MAP_STEPS];
  uint32_t followers1[256];    // bytes that followed a byte, newest lowest
  uint32_t followers2[65536];  // bytes that followed two bytes
  FullModels<P::full> more;
};

/** By bit history, as masks: whether there is one at all, and whether it has met one bit value only. */
struct HistoryKind {
  int8_t seen, one_sided;
};
struct HistoryKinds {
  HistoryKind of[256];
  constexpr HistoryKinds() : of{} {
    for (int s = 1; s < 256; s++)
      of[s] = {-1, static_cast<int8_t>(STATES.zeros[s] == 0 || STATES.ones[s] == 0 ? -1 : 0)};
  }
};
constexpr HistoryKinds HISTORY_KINDS{};

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

/** Whether a mark of UTF-8 ends here: U+2000 to 2FFF, U+3000 to 303F, U+FF00 to FF3F, some of U+00xx. */
inline bool ends_mark(uint32_t c4) {
  const uint32_t c = c4 & 255, c1 = c4 >> 8 & 255, c2 = c4 >> 16 & 255;
  if (c < 0x80 || c >= 0xC0) return false;
  // spaces, quotes, paragraph, degree, middle dot: no letters in 8-bit codes either
  if (c1 == 0xC2) return c == 0xA0 || c == 0xA7 || c == 0xAB || c == 0xB0 || c == 0xB7 || c == 0xBB;
  if (c1 < 0x80 || c1 >= 0xC0) return false;
  return c2 == 0xE2 || (c2 == 0xE3 && c1 == 0x80) || (c2 == 0xEF && c1 == 0xBC);
}

// A slot: check (2 bytes), 15 bit histories of a nibble's binary tree, and for first nibbles the byte last
// seen and how often in a row. Three slots to a line of 64 bytes.
constexpr int SLOT_BYTES = 21, SLOT_NODE = 1, SLOT_RUN_BYTE = 17, SLOT_RUN_COUNT = 18;

/** The slot for a check; null if there is none. */
inline uint8_t* known_slot(uint8_t* line, uint32_t check) {
  const uint8_t low = static_cast<uint8_t>(check), high = static_cast<uint8_t>(check >> 8);
  for (int i = 0; i < 3; i++) {
    uint8_t* p = line + i * SLOT_BYTES;
    if (p[0] == low && p[1] == high && p[SLOT_NODE + 1] != 0) return p;
  }
  return nullptr;
}

/** The slot for a check: found, or the line's least used one cleared. */
inline uint8_t* find_slot(uint8_t* line, uint32_t check) {
  if (uint8_t* known = known_slot(line, check)) return known;
  int victim = 0, least = 1 << 20;
  for (int i = 0; i < 3; i++) {
    const int s = line[i * SLOT_BYTES + SLOT_NODE + 1];
    const int use = s == 0 ? -1 : STATES.zeros[s] + STATES.ones[s];
    if (use < least) least = use, victim = i;
  }
  uint8_t* slot = line + victim * SLOT_BYTES;
  for (int i = 2; i < SLOT_BYTES; i++) slot[i] = 0;
  slot[0] = static_cast<uint8_t>(check);
  slot[1] = static_cast<uint8_t>(check >> 8);
  return slot;
}

/** Offset in a slot of the next bit's node in the binary tree of its nibble. */
inline uint32_t slot_node(uint32_t c0, uint32_t bit_index) {
  const uint32_t top = 1u << (bit_index & 3);
  return SLOT_NODE + (bit_index < 4 ? c0 : (c0 & (top - 1)) | top);
}

inline void update_run(uint8_t* slot, uint32_t byte) {
  if (slot[SLOT_RUN_BYTE] == byte && slot[SLOT_RUN_COUNT] != 0) {
    if (slot[SLOT_RUN_COUNT] < 255) slot[SLOT_RUN_COUNT]++;
  } else {
    slot[SLOT_RUN_BYTE] = static_cast<uint8_t>(byte);
    slot[SLOT_RUN_COUNT] = 1;
  }
}

/** How many of the bounds n has reached. */
template <int N>
inline uint32_t bounds_reached(const uint32_t (&bounds)[N], uint32_t n) {
  uint32_t reached = 0;
  for (uint32_t bound : bounds) reached += n >= bound;
  return reached;
}

/** Length of a match in 24 classes, or 24 and more by recent misses. */
inline uint32_t match_class(uint32_t length, uint32_t misses) {
  if (misses) return 24 + at_most(misses, 7);
  return length < 16 ? length : 16 + bounds_reached({24, 32, 48, 64, 128, 256, 512}, length);
}

/** Length of a run in 13 classes. */
inline uint32_t run_class(uint32_t count) {
  return count < 8 ? count : 8 + bounds_reached({16, 32, 64, 128}, count);
}

/** 0: no match, 1: all expect a zero, 2: all expect a one, 3: they differ. */
inline uint32_t agreement(uint32_t agree) { return agree == 0 ? 0 : agree < 4 ? 1 : agree % 5 == 0 ? 2 : 3; }

/** The network's distribution of one byte, as the mixer asks for it. */
struct NetworkView {
  const uint32_t* frequencies;  // null without a network
  uint32_t tree[256];           // sums over the subtrees of a binary heap whose leaves are the frequencies
  uint32_t top = 0;             // the likeliest byte
  // 1..15 by how much of the mass is not on the likeliest byte; 0 without a network
  uint32_t uncertainty = 0;

  ALWAYS_INLINE explicit NetworkView(const uint32_t* f) : frequencies(f) {
    if (!f) return;
    for (int i = 127; i >= 0; i--) tree[128 + i] = f[2 * i] + f[2 * i + 1];
    for (int i = 127; i >= 1; i--) tree[i] = tree[2 * i] + tree[2 * i + 1];
    uint32_t first = 0;
    for (uint32_t i = 1; i < 256; i++) first = f[i] > f[first] ? i : first;
    const uint64_t rest = tree[1] - f[first];
    const uint32_t share = static_cast<uint32_t>((rest << 14) / (tree[1] ? tree[1] : 1));
    top = first;
    uncertainty = 1 + at_most(static_cast<uint32_t>(32 - std::countl_zero(share)), 14);
  }
  explicit operator bool() const { return frequencies != nullptr; }

  /** The likeliest byte but one; 0 without a network. */
  uint32_t second() const {
    if (!frequencies) return 0;
    uint32_t next = top == 0;
    for (uint32_t i = 0; i < 256; i++) next = i != top && frequencies[i] > frequencies[next] ? i : next;
    return next;
  }

  /** Probability Q16 that the bit after the partial byte is a one. */
  uint32_t one(uint32_t partial) const {
    const uint32_t total = tree[partial] ? tree[partial] : 1;  // 0 only if the caller broke the contract
    const uint32_t ones = partial < 128 ? tree[2 * partial + 1] : frequencies[2 * partial + 1 - 256];
    const uint32_t p = static_cast<uint32_t>((static_cast<uint64_t>(ones) << 16) / total);
    return p < 1 ? 1 : p > 65535 ? 65535 : p;
  }
};

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
  using At = InputsAt<P>;

  /** By context: slots of one byte. */
  struct Slots {
    uint8_t* first[P::contexts];  // of the first nibble, which holds the run
    bool seen[P::contexts];       // whether the context has been met before
    uint8_t* now[P::contexts];    // of the current nibble
    uint8_t scratch[P::contexts][SLOT_BYTES] = {};
    uint32_t run_byte[P::full ? P::contexts : 1];   // the byte that a run expects | 256, 0 without a run
    uint32_t run_entry[P::full ? P::contexts : 1];  // first entry of its class in the run map
  };

  /** One byte that is being coded: what its eight bits have in common, and how far they have come. */
  struct Byte {
    Stream& stream;
    const NetworkView& network;
    uint32_t c1, c2;            // the last byte and the one before it
    uint32_t last_class;        // of the last byte; with the full profile
    uint32_t top, uncertainty;  // the network's likeliest byte and its uncertainty; 0 without a network
    int32_t rate;               // learning rate of the first layer, Q12
    uint32_t expected[P::matches] = {};     // by match: the byte that follows it | 256, 0 without a match
    uint32_t match_class[P::matches] = {};  // by match
    uint32_t c0 = 1;                        // a one, then the bits so far
    uint32_t bit_index = 0;

    ALWAYS_INLINE Byte(Stream& s, const NetworkView& n)
        : stream(s),
          network(n),
          c1(s.c4 & 255),
          c2(s.c4 >> 8 & 255),
          last_class(P::full ? byte_class(s.c4 & 255) : 0),
          top(n.top),
          uncertainty(n.uncertainty) {}
  };

  /** What the inputs of one bit were made of: contexts for the mixer's rows, and what learns from the bit. */
  struct Inputs {
    uint32_t hits = 0;      // of orders 1 to 6, how many have seen this bit's context
    uint32_t run_hits = 0;  // of orders 2 to 6, how many have a run that agrees with the bits so far
    // by context: where its bit history lies, the history and what its map has for that, in the run map the
    // index of the entry of its run, 0 without a run, and the entry
    uint8_t* history[P::contexts];
    uint8_t state[P::contexts];
    uint32_t entry[P::contexts];
    uint32_t run_index[P::full ? P::contexts : 1];
    uint32_t run_entry[P::full ? P::contexts : 1];
    uint32_t match_index[P::matches] = {};  // by match: entry of its map, 0 without a match
    uint32_t match_state = 0;               // class and next bit of the longest match; 0 without one
    uint32_t agree = 0;          // 1 for each match that expects a zero, 5 for each that expects a one
    uint32_t expected_byte = 0;  // the byte that the longest match expects, | 256; 0 without one
    // the network's logit in steps of half a nat, and its likeliest byte's bit; 0 without a network
    uint32_t network_class = 0;
    FinalMap certainty_map;
    FinalMap maps[MAPS];
    int32_t correction = 0;  // of the last prediction's logit, Q8, before it is trusted
    int32_t corrected = 0;   // that prediction, Q16
  };

  Mix* m;
  Model<P>& model;
  explicit Coder(Mix* mix) : m(mix), model(*static_cast<Model<P>*>(mix->model)) {}

  // ---- history --------------------------------------------------------------------------------------------

  void update_match(Stream& s, int k, uint32_t c) {
    Match& match = s.match[k];
    if (match.length > 0 || match.misses > 0) {
      if (m->block[match.position] == c) {
        if (match.length < 65535) match.length++;
        if (match.length > 15 && match.misses > 0) match.misses = 0;
      } else {
        match.misses = match.length > 15 && match.misses < 8 ? match.misses + 1
                       : match.misses                        ? match.misses + 2
                                                             : 0;
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
               m->block[candidate - 1 - length] == end[-1 - static_cast<int>(length)] &&
               known(m, candidate - 1 - length))
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
        if (c == '/')
          s.tag = 3;
        else if (cls == 1 || cls == 2)
          s.tag = 2, s.tag_name = hash2(0, c);
        else
          s.tag = 0;
      } else if (c == '>') {
        if (s.tag == 3)
          pop(s, s.tag_name);
        else if (c1 != '/')
          push(s, s.tag_name);
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

  /** What followed the last byte, and the last two, the last times. */
  void update_followers(const Stream& s, uint32_t c) {
    uint32_t& f1 = model.followers1[s.c4 & 255];
    f1 = f1 << 8 | c;
    uint32_t& f2 = model.followers2[s.c4 & 0xFFFF];
    f2 = f2 << 8 | c;
  }

  /** Letters are ASCII's and all bytes from 0x80 on. Behind a mark the word is what it was before it. */
  static void update_words(Stream& s, uint32_t c, uint32_t cls) {
    if (cls == 15) s.word_before = s.word, s.length_before = s.word_length;
    const bool mark = ends_mark(s.c4);
    if (mark) s.word = s.word_before, s.word_length = s.length_before;
    const bool letter = cls == 1 || cls == 2 || (cls >= 14 && !mark);
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
  }

  /** Numbers, and text whose digits or lower-case letters are all alike. */
  static void update_formats(Stream& s, uint32_t c, uint32_t c1, uint32_t cls) {
    if (cls == 3)
      s.number = s.number < 9 ? s.number + 1 : 9;
    else if (c != '.' && c != ',' && c != ':' && c != '-')
      s.number = 0;
    const uint32_t folded = cls <= 3 ? cls : c;
    if (c == ' ' || c == '\n' || c == '"' || c == '<' || c == '>') s.format = 0;
    s.format = hash2(s.format, cls == 1 && c1 >= 'a' && c1 <= 'z' ? 0 : folded);
    s.masked8 = s.masked8 << 8 | s.masked4 >> 24;
    s.masked4 = s.masked4 << 8 | (cls == 3 ? '0' : c);
  }

  /** The first words of a line without their digits, and of the lines before. */
  static void update_templates(Stream& s, uint32_t c, uint32_t cls) {
    if (c == '\n') {
      s.templates[1] = s.templates[0];
      s.templates[0] = s.template_;
      s.template_ = 0;
    } else if (cls != 3 && s.line_words < 6) {
      s.template_ = hash2(s.template_, c);
    }
  }

  /** Fields of the line: a pointer goes along with the field of the same number in the line above. */
  static void update_fields(Stream& s, uint32_t c) {
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

  static void update_line(Stream& s, uint32_t c) {
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
  }

  /** Records of fixed length: the same byte at the same distance four times in a row. */
  static void update_stride(Stream& s, uint32_t c) {
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

  void update_history(Stream& s, uint32_t c) {
    const uint32_t c1 = s.c4 & 255;
    if constexpr (P::full) update_followers(s, c);
    m->block[s.position++] = static_cast<uint8_t>(c);
    s.c8 = s.c8 << 8 | s.c4 >> 24;
    s.c4 = s.c4 << 8 | c;
    const uint32_t cls = byte_class(c);
    s.shape = s.shape << 4 | cls;
    update_words(s, c, cls);
    if constexpr (P::full) {
      update_formats(s, c, c1, cls);
      const uint32_t key_before = s.key, depth_before = s.depth;
      update_structure(s, c, c1, cls);
      update_values(s, c, key_before, depth_before);
      update_templates(s, c, cls);
      update_fields(s, c);
    }
    update_line(s, c);
    if constexpr (P::full) {
      update_stride(s, c);
      update_strange(s, c, cls);
      update_alike(m->block, s, c);
      model.more.calls.update(m->block, s);
    }
    hash_past(s);
    for (int k = 0; k < P::matches; k++) update_match(s, k, c);
  }

  /** Sets the hashes of the contexts, one after the other, and fetches what they lead to. */
  struct Contexts {
    const Coder& coder;
    Stream& s;
    int i = 0;
    void add(uint32_t a, uint32_t b) {
      s.hash[i] = hash2(hash2(a, b), static_cast<uint32_t>(i));
      __builtin_prefetch(coder.line(s.hash[i++]));
    }
  };

  void set_contexts(Stream& s) {
    const uint32_t column = s.position - s.line;
    const uint32_t up = s.above_length > column ? m->block[s.above + column] : 0;
    Contexts contexts{*this, s};
    add_orders(contexts);
    if constexpr (P::full) {
      add_near(contexts, up);
      add_text(contexts, column, up);
      add_predicted(contexts);
      contexts.i += 2;  // the network's contexts: set by begin_byte
      add_far(contexts);
      if (is_binary(s)) add_binary(contexts);
    } else {
      add_few(contexts, up);
    }
  }

  /** Orders 1 to 4: what both profiles begin with. */
  void add_orders(Contexts& to) {
    const uint32_t c4 = to.s.c4;
    to.add(c4 & 0xFF, 0);
    to.add(c4 & 0xFFFF, 0);
    to.add(c4 & 0xFFFFFF, 0);
    to.add(c4, 0);
  }

  /** All else that the fast profile has. The last one has no context: the history of the bits alone. */
  void add_few(Contexts& to, uint32_t up) {
    const Stream& s = to.s;
    const uint32_t c4 = s.c4, c1 = c4 & 255;
    to.add(c4, s.c8 & 0xFFFF);
    to.add(s.word, c1);
    to.add(s.word, s.words[0]);
    to.add(up << 8 | c1, 1);
    to.add(s.shape, c1);
    to.add(s.shape, 0);
    to.add(s.line_hash, s.word);
    to.add(0, 0);
  }

  /** Orders 5 and 6, words, a skipped byte, and the byte above. */
  void add_near(Contexts& to, uint32_t up) {
    const Stream& s = to.s;
    const uint32_t c4 = s.c4, c8 = s.c8, c1 = c4 & 255;
    to.add(c4, c8 & 0xFF);
    to.add(c4, c8 & 0xFFFF);
    to.add(s.word, c1);
    to.add(s.word, s.words[0]);
    to.add(c4 & 0xFFFF00, 0);
    to.add(up << 8 | c1, 1);
  }

  /** More of the past, sparse and by words; place in line, field, and nesting; shapes of text. */
  void add_text(Contexts& to, uint32_t column, uint32_t up) {
    const Stream& s = to.s;
    const uint32_t c4 = s.c4, c8 = s.c8, c1 = c4 & 255;
    const uint32_t up_next = s.above_length > column + 1 ? m->block[s.above + column + 1] : 0;
    const Level& level = s.nesting[s.depth & 31];
    to.add(c4, hash2(c8, 8));
    to.add(s.word, hash2(s.words[0], s.words[1]));
    to.add(s.word, s.words[1] + 77);
    to.add(c4 & 0xFFFF0000, 0);
    to.add(c4 & 0xFF00FF, 0);
    to.add(c4 & 0xFF0000FF, 1);
    to.add(up << 8 | up_next, c1);
    to.add(column < 255 ? column : 255, s.line_hash);
    to.add(s.field, s.field_hash);
    to.add(s.indent, hash2(s.line_hash, c1));
    to.add(s.key, s.token);
    to.add(level.path, c4 & 0xFFFF);
    to.add(level.path, hash2(s.key, s.token));
    to.add(s.format, c1);
    to.add(s.format, s.word);
    to.add(s.shape, c1);
    to.add(s.shape, 0);
    to.add(s.number, hash2(s.words[0], c1));
    to.add(s.text, s.words[1]);
    to.add(s.line_words, s.word);
    to.add(s.text, s.word);
    to.add(c4 & 0xF0F0F0F0, c8 & 0xF0F0);
    to.add(up, hash2(s.word, c1));
    to.add(s.line_hash, s.word);
  }

  /** What stood in the field above, followed before, matches, or lies a record back. */
  void add_predicted(Contexts& to) {
    const Stream& s = to.s;
    const uint32_t c4 = s.c4, c1 = c4 & 255;
    uint32_t above = 0;
    if (s.field_above && s.field_above + 1 < s.line)
      above = m->block[s.field_above] | m->block[s.field_above + 1] << 8;
    to.add(above, c1);
    to.add(above & 255, hash2(s.field, s.field_hash));
    to.add(s.masked4, s.masked8);
    to.add(s.masked4, c1);
    to.add(model.followers1[c1] & 0xFFFFFF, c1);
    to.add(model.followers2[c4 & 0xFFFF] & 0xFFFF, c4 & 0xFFFF);
    const Match& longest = s.match[2].length ? s.match[2] : s.match[1].length ? s.match[1] : s.match[0];
    const uint32_t expected = longest.length ? m->block[longest.position] | 256u : 0;
    to.add(expected | (longest.length < 31 ? longest.length : 31) << 9, c1);
    to.add(s.last_key, hash2(s.nesting[s.depth & 31].path, s.token));
    to.add(s.word, hash2(s.words[0], hash2(s.words[1], s.words[2])));
    to.add(behind(m->block, s, s.stride), c1);
    to.add(behind(m->block, s, s.stride), behind(m->block, s, 2 * s.stride) << 8 | s.stride << 16);
    to.add(expected, hash2(s.word, c4 & 0xFF00));
  }

  /** Long pasts, the last value of the key, and the lines of the same template. */
  void add_far(Contexts& to) {
    const Stream& s = to.s;
    const uint32_t c1 = s.c4 & 255;
    to.add(s.past[11], 1);
    to.add(s.past[16], 2);
    to.add(s.past[24], 3);
    const bool value = s.value_above != 0 && s.value_above + 1 < s.position;
    const uint32_t before = value ? m->block[s.value_above] | m->block[s.value_above + 1] << 8 : 0;
    to.add(before, c1);
    to.add(before & 255, hash2(s.key, s.token));
    to.add(s.templates[0], s.text);
    to.add(s.template_, s.word);
    to.add(s.templates[0], hash2(s.templates[1], s.template_));
    to.add(s.field, hash2(s.word, c1));
  }

  /** Those of binary data, in the places of others. */
  __attribute__((noinline)) void add_binary(Contexts& to) {
    binary_contexts(m->block, to.s, model.more.calls, [&](int i, uint32_t a, uint32_t b) {
      to.i = i;
      to.add(a, b);
    });
  }

  /** The line of a context's hash, or one of 16 near it. Lines come in groups of 64. */
  uint8_t* line(uint32_t hash, uint32_t near = 0) const {
    const uint32_t i = static_cast<uint32_t>((static_cast<uint64_t>(hash >> 8) * m->slot_lines) >> 24);
    return m->slots + static_cast<size_t>(i ^ near) * 64;
  }

  uint32_t* map(uint32_t i) const { return m->maps + (static_cast<size_t>(i) * MAP_STEPS << m->map_bits); }
  uint32_t map_context(uint32_t c0, uint32_t context) const {
    return ((context << 8 | c0) * 0x9E3779B1u) >> (32 - m->map_bits);
  }

  // ---- one byte -------------------------------------------------------------------------------------------

  /**
   * Codes one byte of a stream; its steps have the names of those in src/engines/reference/mixer.ts.
   * @param frequencies the network's, null without one
   * @param code given the probability Q16 of a one, codes or decodes the bit and returns it
   * @param symbols, chances where not null, receive what `foresee` finds before the first bit
   */
  template <class Code>
  uint32_t code_byte(Stream& s, const uint32_t* frequencies, Code&& code, uint8_t* symbols = nullptr,
                     uint16_t* chances = nullptr) {
    NetworkView network(frequencies);
    Byte byte(s, network);
    Slots slots;
    begin_byte(byte);
    for (byte.bit_index = 0; byte.bit_index < 8; byte.bit_index++) {
      find_slots(byte, slots);
      if (byte.bit_index == 0 && symbols) foresee(byte, slots, symbols, chances);
      Inputs inputs;
      gather_inputs(byte, slots, inputs);
      const int32_t logit = mix<true>(byte, inputs);
      const uint32_t bit = code(refine(byte, inputs, logit));
      update(byte, inputs, bit);
      byte.c0 = byte.c0 << 1 | bit;
    }
    const uint32_t c = byte.c0 & 255;
    for (int i = 0; i < P::contexts; i++) update_run(slots.first[i], c);
    update_history(s, c);
    set_contexts(s);
    return c;
  }

  /** The likeliest values of a byte. */
  struct Likeliest {
    uint32_t chance[MIX_LIKELIEST] = {};  // Q31, falling
    uint8_t symbol[MIX_LIKELIEST] = {};

    uint32_t least() const { return chance[MIX_LIKELIEST - 1]; }

    /** Takes in a value that is likelier than the least. Of equals the first stays ahead. */
    void add(uint8_t value, uint32_t p) {
      int place = MIX_LIKELIEST - 1;
      for (; place > 0 && p > chance[place - 1]; place--) {
        chance[place] = chance[place - 1];
        symbol[place] = symbol[place - 1];
      }
      chance[place] = p;
      symbol[place] = value;
    }
  };

  /**
   * Finds the likeliest values of a byte as predicted before its first bit: nothing is learned, and nothing
   * made room for, on the way. The byte is a copy, so that the one that is coded can stay in registers.
   */
  __attribute__((noinline)) void foresee(Byte byte, const Slots& slots, uint8_t* symbols, uint16_t* chances) {
    Likeliest found;
    look_ahead(byte, slots, uint32_t{1} << 31, found);
    for (int i = 0; i < MIX_LIKELIEST; i++) {
      symbols[i] = found.symbol[i];
      chances[i] = static_cast<uint16_t>(at_most(found.chance[i] >> 15, 65535));
    }
  }

  /** Goes on with the bits of a byte, the likelier one first, while what is left of its chance may count. */
  void look_ahead(const Byte& byte, const Slots& slots, uint32_t chance, Likeliest& found) {
    if (byte.bit_index == 8) return found.add(static_cast<uint8_t>(byte.c0), chance);
    Inputs inputs;
    gather_inputs(byte, slots, inputs);
    const uint32_t one = refine(byte, inputs, mix<false>(byte, inputs));
    const uint32_t first = one >= 32768;
    for (uint32_t k = 0; k < 2; k++) {
      const uint32_t bit = first ^ k;
      const uint64_t p = bit ? one : 65536 - one;
      const uint32_t rest = static_cast<uint32_t>(chance * p >> 16);
      if (rest <= found.least()) continue;
      Byte next = byte;
      next.c0 = byte.c0 << 1 | bit;
      next.bit_index++;
      if (next.bit_index == 4)
        look_ahead_in_second(next, slots, rest, found);
      else
        look_ahead(next, slots, rest, found);
    }
  }

  /** As `look_ahead`, of the second nibble: its slots as they are found, or would begin. */
  __attribute__((noinline)) void look_ahead_in_second(const Byte& byte, const Slots& slots, uint32_t chance,
                                                      Likeliest& found) {
    Slots second = slots;
    for (int i = 0; i < P::contexts; i++) {
      second.now[i] = second.scratch[i];
      for (uint8_t& state : second.scratch[i]) state = 0;
      if (!slots.seen[i]) continue;
      const uint32_t hash = byte.stream.hash[i];
      uint8_t* known = known_slot(line(hash, byte.c0 - 15), hash + byte.c0 * 0x3A35);
      if (known)
        second.now[i] = known;
      else
        make_up(second.scratch[i], slots.first[i], byte.c0);
    }
    look_ahead(byte, second, chance, found);
  }

  ALWAYS_INLINE void begin_byte(Byte& byte) {
    Stream& s = byte.stream;
    if constexpr (P::full) {
      s.hash[46] = hash2(hash2(byte.top | byte.network.second() << 8 | byte.uncertainty << 16, 0), 46);
      s.hash[47] = hash2(hash2(byte.top, byte.c1 | byte.uncertainty << 8), 47);
      __builtin_prefetch(line(s.hash[46]));
      __builtin_prefetch(line(s.hash[47]));
    }
    // Learn fast at first, with a network less: it has learned before.
    const uint32_t boost = static_cast<uint32_t>(16384 / (64 + (m->coded >> 4)));
    byte.rate = P::rate + static_cast<int32_t>(at_most(boost, P::full && byte.network ? 20 : 60));
    for (int k = 0; k < P::matches; k++) {
      const Match& match = s.match[k];
      if (match.length == 0 && match.misses == 0) continue;
      byte.expected[k] = m->block[match.position] | 256u;
      byte.match_class[k] = match_class(match.length, match.misses);
    }
  }

  /** Looks the contexts' slots up, once for each nibble. */
  ALWAYS_INLINE void find_slots(const Byte& byte, Slots& slots) {
    const Stream& s = byte.stream;
    if (byte.bit_index == 0) {
      for (int i = 0; i < P::contexts; i++) {
        slots.now[i] = slots.first[i] = find_slot(line(s.hash[i]), s.hash[i]);
        slots.seen[i] = slots.first[i][SLOT_RUN_COUNT] != 0;
      }
      // Only now: finding a slot may have cleared one that was found before.
      if constexpr (P::full)
        for (int i = 0; i < P::contexts; i++) {
          const uint32_t count = slots.first[i][SLOT_RUN_COUNT];
          slots.run_byte[i] = count ? slots.first[i][SLOT_RUN_BYTE] | 256u : 0;
          slots.run_entry[i] = run_class(count) * 16;
        }
    } else if (byte.bit_index == 4) {
      const uint32_t near = byte.c0 - 15;  // near the first nibble's line
      for (int i = 0; i < P::contexts; i++)
        if (slots.seen[i]) __builtin_prefetch(line(s.hash[i], near));
      for (int i = 0; i < P::contexts; i++)
        slots.now[i] = slots.seen[i] ? second_slot(s.hash[i], slots.first[i], byte.c0) : slots.scratch[i];
    }
  }

  /**
   * The slot of the second nibble. A context met for the first time gets none: most never come back. When one
   * does, what its first byte would have left there is made up for.
   */
  ALWAYS_INLINE uint8_t* second_slot(uint32_t hash, const uint8_t* first, uint32_t c0) {
    uint8_t* slot = find_slot(line(hash, c0 - 15), hash + c0 * 0x3A35);
    if (slot[SLOT_NODE + 1] == 0) make_up(slot, first, c0);
    return slot;
  }

  /** Fills an empty slot of a second nibble with what the context's last byte would have left there. */
  ALWAYS_INLINE static void make_up(uint8_t* slot, const uint8_t* first, uint32_t c0) {
    const uint32_t last = first[SLOT_RUN_BYTE];
    if (first[SLOT_RUN_COUNT] == 0 || last >> 4 != (c0 & 15)) return;
    for (uint32_t k = 0, node = 1; k < 4; k++) {
      const uint32_t bit = last >> (3 - k) & 1;
      slot[SLOT_NODE + node] = STATES.next[0][bit];
      node = node << 1 | bit;
    }
  }

  /** Fills the mixer's inputs: what each model predicts of the next bit. */
  ALWAYS_INLINE void gather_inputs(const Byte& byte, const Slots& slots, Inputs& inputs) {
    find_histories(byte, slots, inputs.history);
    gather_histories(byte, slots, inputs, model.mixer.x);
    gather_matches(byte, inputs, model.mixer.x + At::matches);
    model.mixer.x[At::order0] = stretch(model.order0[byte.c0] >> 16);
    model.mixer.x[At::bias] = 256;
    gather_network(byte, inputs, model.mixer.x + At::network);
    for (int i = At::end; i < INPUTS<P>; i++) model.mixer.x[i] = 0;
  }

  /** Where the bit histories lie: in the slots, in a picture of two colours some by the pixels around. */
  ALWAYS_INLINE void find_histories(const Byte& byte, const Slots& slots, uint8_t** history) {
    const uint32_t node = slot_node(byte.c0, byte.bit_index);
    for (int i = 0; i < P::contexts; i++) history[i] = slots.now[i] + node;
    if constexpr (P::full)
      if (is_bilevel(byte.stream)) find_pixels(byte, history);
  }
  __attribute__((noinline)) void find_pixels(const Byte& byte, uint8_t** history) {
    uint32_t number[PIXELS];
    pixels_of(byte).neighbourhoods(number);
    for (int k = 0; k < PIXELS; k++) history[PIXEL_CONTEXTS[k]] = model.more.pixels[k] + number[k];
  }
  Pixels pixels_of(const Byte& byte) const { return {m->block, byte.stream, byte.c0, byte.bit_index}; }

  /** Inputs of the bit histories and, with the full profile, of the runs. */
  ALWAYS_INLINE void gather_histories(const Byte& byte, const Slots& slots, Inputs& inputs, int32_t* x) {
    for (int i = 0; i < P::contexts; i++) {
      inputs.state[i] = *inputs.history[i];
      inputs.entry[i] = model.map[i].entry[inputs.state[i]];
    }
    stretch_entries(inputs.entry, x);
    if constexpr (P::full) {
      for (int i = 0; i < P::contexts; i++) {
        const HistoryKind kind = HISTORY_KINDS.of[inputs.state[i]];
        x[i] &= kind.seen;
        x[At::lean + i] = (static_cast<int32_t>(inputs.entry[i] >> 16) - 32768) >> 6 & kind.seen;
        x[At::one_sided + i] = x[i] & kind.one_sided;
      }
      for (int i = 0; i < 6; i++) inputs.hits += inputs.state[i] != 0;
      gather_runs(byte, slots, inputs, x + At::runs);
    }
  }

  /** Inputs of the runs whose byte agrees with the bits so far. */
  ALWAYS_INLINE void gather_runs(const Byte& byte, const Slots& slots, Inputs& inputs, int32_t* x) {
    for (int i = 0; i < P::contexts; i++) {
      const uint32_t agrees = slots.run_byte[i] >> (8 - byte.bit_index) == byte.c0;
      const uint32_t bit = slots.run_byte[i] >> (7 - byte.bit_index) & 1;
      inputs.run_index[i] = (slots.run_entry[i] + byte.bit_index * 2 + bit) & (0 - agrees);
    }
    for (int i = 0; i < P::contexts; i++) inputs.run_entry[i] = model.run_map[i][inputs.run_index[i]];
    stretch_entries(inputs.run_entry, x);
    for (int i = 0; i < P::contexts; i++) x[i] = inputs.run_index[i] ? x[i] : 0;
    for (int i = 1; i < 6; i++) inputs.run_hits += inputs.run_index[i] != 0;
  }

  /** Inputs of the matches. A match that has mispredicted a bit of the byte is left out. */
  ALWAYS_INLINE void gather_matches(const Byte& byte, Inputs& inputs, int32_t* x) {
    for (int k = 0; k < P::matches; k++, x += 2) {
      // what differs once differs at every later bit
      x[0] = x[1] = 0;
      if (!byte.expected[k] || byte.expected[k] >> (8 - byte.bit_index) != byte.c0) continue;
      const uint32_t bit = byte.expected[k] >> (7 - byte.bit_index) & 1;
      inputs.match_index[k] = 1 + (byte.match_class[k] * 8 + byte.bit_index) * 2 + bit;
      const uint32_t p = model.match_map[k][inputs.match_index[k]] >> 16;
      x[0] = stretch(p);
      x[1] = (static_cast<int32_t>(p) - 32768) >> 5;
      inputs.match_state = byte.match_class[k] * 2 + bit + 1;
      inputs.expected_byte = byte.expected[k];
      inputs.agree += 1 + bit * 4;
    }
  }

  /** Inputs of the network. */
  ALWAYS_INLINE void gather_network(const Byte& byte, Inputs& inputs, int32_t* x) {
    if (!byte.network) {
      x[0] = x[1] = x[2] = x[3] = 0;
      return;
    }
    const uint32_t c0 = byte.c0, matching = inputs.match_state != 0;
    const uint32_t p = byte.network.one(c0);
    const int32_t logit = stretch(p);
    const uint32_t certainty_context = c0 | 256 * matching | 512 * byte.uncertainty;
    const int32_t certainty = inputs.certainty_map.predict(model.certainty_map, certainty_context, logit);
    const int32_t after_byte = look_up(byte, inputs, 0, byte.c1, logit);
    x[0] = logit;
    x[1] = (static_cast<int32_t>(p) - 32768) >> 4;
    x[2] = logit_of(certainty);
    x[3] = logit_of(after_byte);
    const uint32_t top = byte.top | 256u;
    const uint32_t top_context =
        top >> (8 - byte.bit_index) == c0 ? 1 + (top >> (7 - byte.bit_index) & 1) : 0;
    inputs.network_class = 1 + static_cast<uint32_t>(logit + 3072) / 128 + 64 * top_context;
  }

  /** Mixes in two layers. Returns the logit Q8 of a one. */
  template <bool LEARNS>
  ALWAYS_INLINE int32_t mix(const Byte& byte, const Inputs& inputs) {
    const Stream& s = byte.stream;
    const uint32_t c0 = byte.c0, bit_index = byte.bit_index, matching = inputs.match_state != 0;
    const uint32_t match_row = P::full && matching ? inputs.match_state * 8 + bit_index : inputs.match_state;

    // First layer: weight sets chosen by these contexts.
    if constexpr (P::full) {
      const uint32_t column = s.position - s.line;
      uint32_t rows[P::sets] = {
          0,
          c0,
          match_row,
          byte.c1,
          inputs.hits * 8 + bit_index,
          s.shape & 0xFFF,
          byte.uncertainty * 8 + bit_index,
          (s.quote != 0) * 1024u + at_most(column, 31) * 32 + at_most(s.indent, 31),
          inputs.agree * 8 + bit_index,
          byte.c2,
          at_most(s.word_length, 15) * 64 + (s.shape >> 4 & 7) * 8 + bit_index,
          inputs.run_hits * 8 + bit_index + 64 * at_most(s.field, 7),
          inputs.network_class + 256 * agreement(inputs.agree),
          inputs.expected_byte,
          hash2(s.key, s.field) >> 20,
      };
      if (is_binary(s)) choose_binary_rows(byte, rows);
      model.mixer.template choose<LEARNS>(model.weights, model.used, P::rows, rows);
    } else {
      const uint32_t last = byte.network ? inputs.network_class : s.shape & 0xFFF;
      const uint32_t rows[P::sets] = {0, c0, match_row, last};
      model.mixer.template choose<LEARNS>(model.weights, model.used, P::rows, rows);
    }

    model.mixer.mix();

    // Second layer.
    for (int k = 0; k < P::sets; k++) model.last.x[k] = model.mixer.logit[k];
    model.last.x[15] = 256;
    const uint32_t last_rows[8] = {
        0,
        c0 | 256 * matching,
        byte.c1 | bit_index << 8,
        inputs.network_class | 256 * matching,
        byte.c2 | bit_index << 8,
        s.shape & 0xFFF,
        match_row,
        inputs.hits * 8 + bit_index,
    };
    model.last.template choose<LEARNS>(model.last_weights, model.last_used, FINAL_ROWS, last_rows);
    model.last.mix();
    int32_t sum = 0;
    for (int k = 0; k < P::final_sets; k++) sum += model.last.logit[k];
    return sum >> (P::final_sets == 8 ? 3 : 2);
  }

  /** What columns, words and keys are to text, records and pixels are to binary data. */
  __attribute__((noinline)) void choose_binary_rows(const Byte& byte, uint32_t (&rows)[P::sets]) const {
    rows[7] = (phase_of(byte.stream) & 255) * 8 + byte.bit_index;
    if (!is_bilevel(byte.stream)) return;
    const Pixels pixels = pixels_of(byte);
    rows[10] = pixels.nearest9();
    rows[14] = pixels.nearest12();
  }

  /**
   * Corrects the mixed prediction by the final maps. Returns the probability Q16 of a one, in the coder's
   * range.
   */
  ALWAYS_INLINE uint32_t refine(const Byte& byte, Inputs& inputs, int32_t logit) {
    const int32_t after1 = look_up(byte, inputs, 1, byte.c1, logit);
    const int32_t after2 = look_up(byte, inputs, 2, byte.c1 | byte.c2 << 8, logit);
    const int32_t after_match = look_up(byte, inputs, 3, inputs.expected_byte, logit);
    int32_t p = (2 * squash(logit) + after1 + 2 * after2 + 3 * after_match + 4) >> 3;
    int32_t after_top = 0;
    if (byte.network) {
      after_top = look_up(byte, inputs, 4, byte.top, logit);
      p = (3 * p + after_top + 2) >> 2;
    }
    if constexpr (P::full) {
      const int32_t of_map[] = {after1, after2, after_match, after_top};
      p = correct(byte, inputs, logit, p, of_map);
    }
    return static_cast<uint32_t>(clamp_probability(p));
  }

  /** The final prediction, corrected: probability Q16. `of_map`: the final maps' own. */
  ALWAYS_INLINE int32_t correct(const Byte& byte, Inputs& inputs, int32_t logit, int32_t p,
                                const int32_t (&of_map)[4]) {
    int32_t x[Corrector::padded];
    int n = 0;
    const int32_t own = logit_of(p);
    x[n++] = own;
    x[n++] = logit;
    for (int i = 0; i < 3; i++) x[n++] = logit_of(of_map[i]);
    x[n++] = byte.network ? logit_of(of_map[3]) : 0;
    for (int k = 0; k < P::sets; k++) x[n++] = model.mixer.logit[k];
    for (int k = 0; k < P::final_sets; k++) x[n++] = model.last.logit[k];
    const int32_t* const of_network = model.mixer.x + At::network;
    x[n++] = of_network[0], x[n++] = of_network[2], x[n++] = of_network[3];
    for (int i = 0; i < P::contexts; i++) x[n++] = model.mixer.x[At::lean + i];
    if constexpr (Corrector::inputs % 2) x[n++] = 0;
    const Stream& s = byte.stream;
    const Categories categories = {byte.last_class,
                                   byte.bit_index * 8 + inputs.hits,
                                   inputs.run_hits,
                                   inputs.match_state,
                                   static_cast<uint32_t>(std::bit_width(s.position - s.start)),
                                   byte.uncertainty};
    inputs.correction = model.more.corrector.correction(x, categories);
    inputs.corrected = squash(own + model.more.trust.share_of(inputs.correction));
    return inputs.corrected;
  }

  /** What final map i makes of a logit in a context of the byte so far: probability Q16. */
  ALWAYS_INLINE int32_t look_up(const Byte& byte, Inputs& inputs, uint32_t i, uint32_t context,
                                int32_t logit) {
    return inputs.maps[i].predict(map(i), map_context(byte.c0, context), logit);
  }

  /** Everything that has predicted the bit learns from it. */
  ALWAYS_INLINE void update(const Byte& byte, Inputs& inputs, uint32_t bit) {
    if constexpr (P::full)
      model.more.trust.update(static_cast<int32_t>(bit << 16) - inputs.corrected, inputs.correction);
    for (int i = 1; i <= 3; i++) inputs.maps[i].update(bit);
    model.last.update(bit, 512);
    // Normalized LMS: divide the step by the energy of the inputs, or many certain inputs overshoot together.
    const uint32_t energy = P::full ? model.mixer.energy() : 0;
    model.mixer.update(bit, static_cast<int32_t>(static_cast<uint32_t>(byte.rate) * 16000 / (1000 + energy)));
    adapt_entries(inputs.entry, bit);
    for (int i = 0; i < P::contexts; i++) {
      model.map[i].entry[inputs.state[i]] = inputs.entry[i];
      *inputs.history[i] = STATES.next[inputs.state[i]][bit];
    }
    if constexpr (P::full) {
      adapt_entries(inputs.run_entry, bit);
      // entry 0, of those without a run, is not read
      for (int i = 0; i < P::contexts; i++) model.run_map[i][inputs.run_index[i]] = inputs.run_entry[i];
    }
    for (int k = 0; k < P::matches; k++)
      if (inputs.match_index[k]) adapt(model.match_map[k][inputs.match_index[k]], bit, 1023);
    adapt(model.order0[byte.c0], bit, 255);
    if (byte.network) {
      inputs.certainty_map.update(bit);
      inputs.maps[0].update(bit);
      inputs.maps[4].update(bit);
    }
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
    constexpr int32_t one = 1 << 26;
    for (int i = 0; i < INPUTS<P>; i++) {
      int32_t w = 0;
      if (i < At::matches) {
        if (P::full)
          w = i < At::lean ? one / 64 : i >= At::runs ? one / 128 : 0;
        else
          w = one / 4;
      } else if (i < At::order0) {
        w = (i - At::matches) % 2 == 0 ? one / 6 : 0;
      } else if (P::full && i >= At::network && i < At::end && i != At::network + 1) {
        w = one * 3 / 10;  // three versions of one logit
      } else if (i == At::network) {
        w = one / 4;
      }
      model.weights[i] = w;
    }
    for (int i = 0; i < P::sets; i++) model.last_weights[i] = one / P::sets;
    if constexpr (P::full) {
      model.more.corrector.init();
      model.more.trust = {};
    }
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
void encode_profile(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds,
                    uint8_t* likeliest, uint16_t* chances) {
  Coder<P> coder(m);
  for (size_t i = 0; i < count; i++, advance(m)) {
    uint32_t byte = symbols[i];
    const auto code = [&](uint32_t p) {
      const uint32_t bit = byte >> 7 & 1;
      byte <<= 1;
      m->encoder.encode(bit, p);
      if (odds) *odds++ = static_cast<uint16_t>(bit ? p : 65536 - p);
      return bit;
    };
    coder.code_byte(m->stream[m->cursor], frequencies ? frequencies + i * 256 : nullptr, code,
                    likeliest ? likeliest + i * MIX_LIKELIEST : nullptr,
                    chances ? chances + i * MIX_LIKELIEST : nullptr);
  }
}

template <class P>
void decode_profile(Mix* m, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  Coder<P> coder(m);
  for (size_t i = 0; i < count; i++, advance(m))
    symbols[i] = static_cast<uint8_t>(coder.code_byte(m->stream[m->cursor],
                                                      frequencies ? frequencies + i * 256 : nullptr,
                                                      [&](uint32_t p) { return m->decoder.decode(p); }));
}

void encode(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds,
            uint8_t* likeliest, uint16_t* chances) {
  m->profile == MIX_FAST ? encode_profile<Fast>(m, symbols, count, frequencies, odds, likeliest, chances)
                         : encode_profile<Full>(m, symbols, count, frequencies, odds, likeliest, chances);
}

void decode(Mix* m, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  m->profile == MIX_FAST ? decode_profile<Fast>(m, symbols, count, frequencies)
                         : decode_profile<Full>(m, symbols, count, frequencies);
}

}  // namespace

extern const mix_detail::Kernels MIX_KERNELS;
const mix_detail::Kernels MIX_KERNELS = {SHACOMP_ISA_NAME, model_bytes, init_model, encode, decode};

}  // namespace shacomp::SHACOMP_ISA
