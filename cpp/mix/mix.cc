/** @file The mixing coder's interface: memory layout, choice of instruction set, steps and blocks. */
#include "mix/mix.h"

#include <bit>

#include "core/arena.h"
#include "core/cpu.h"
#include "mix/state.h"

namespace shacomp {

#define X(isa)                                  \
  namespace isa {                               \
  extern const mix_detail::Kernels MIX_KERNELS; \
  }
SHACOMP_MIX_ISAS
#undef X

namespace {

using mix_detail::Kernels;

/** The kernels named, or the best that run here; null where the named ones do not. */
const Kernels* choose(const char* name) {
  const Kernels* best = nullptr;
#define X(isa) \
  if (runs_here(#isa) && (!name || same_text(name, #isa))) best = &isa::MIX_KERNELS;
  SHACOMP_MIX_ISAS
#undef X
  return best;
}

/** Sizes of the tables of a block. */
struct Sizes {
  size_t slot_lines, match_entries;
  uint32_t map_bits;
};

Sizes sizes_of(int profile, size_t n) {
  // Histories: what does not fit replaces the least used.
  const auto for_each_byte = [n](uint64_t bytes) { return (uint64_t{n} * bytes + 65535) & ~uint64_t{4095}; };
  const uint64_t wanted = for_each_byte(profile == MIX_FAST ? 128 : 640);
  const uint64_t least = uint64_t{1} << 26, share = for_each_byte(16);
  uint64_t limit = uint64_t{1} << 28;
  if (profile == MIX_FAST && share < limit) limit = share > least ? share : least;
  const size_t entries = std::bit_ceil(n < 1024 ? size_t{1024} : n), most = size_t{1} << 22;
  uint32_t map_bits = static_cast<uint32_t>(std::bit_width(n));
  if (map_bits < 10) map_bits = 10;
  if (map_bits > 16) map_bits = 16;
  return {static_cast<size_t>((wanted > limit ? limit : wanted) / 64), entries < most ? entries : most,
          map_bits};
}

/** Lays a coder out in memory; with a measuring arena only the size counts. */
Mix* place_mix(Arena& arena, const Kernels* kernels, int profile, size_t n, size_t streams) {
  const Sizes sizes = sizes_of(profile, n);
  const int matches = profile == MIX_FAST ? 1 : mix::MATCH_MODELS;
  Mix placed{};
  Mix* const m = arena.take<Mix>(1);
  placed.stream = arena.take<mix::Stream>(streams);
  placed.block = arena.take<uint8_t>(n + 64);
  placed.output = arena.take<uint8_t>(n);
  placed.slots = arena.take<uint8_t>(uint64_t{64} * sizes.slot_lines);
  placed.maps = arena.take<uint32_t>(uint64_t{mix::MAPS * mix::MAP_STEPS} << sizes.map_bits);
  uint32_t* const match_tables = arena.take<uint32_t>(uint64_t{sizes.match_entries} * matches);
  placed.model = arena.take<uint8_t>(kernels->model_bytes(profile));
  if (!m) return nullptr;
  for (int k = 0; k < matches; k++) placed.match_table[k] = match_tables + k * sizes.match_entries;
  placed.kernels = kernels;
  placed.block_length = n;
  placed.streams = streams;
  placed.profile = profile;
  placed.slot_lines = static_cast<uint32_t>(sizes.slot_lines);
  placed.match_mask = static_cast<uint32_t>(sizes.match_entries - 1);
  placed.map_bits = sizes.map_bits;
  *m = placed;
  return m;
}

bool valid(int profile, size_t n, size_t streams) {
  return profile >= 0 && profile < MIX_PROFILES && n <= MIX_MAX_BLOCK && streams >= 1 &&
         streams <= MIX_MAX_STREAMS;
}

}  // namespace

size_t mix_slice_start(size_t n, size_t streams, size_t s) {
  const size_t base = n / streams, extra = n % streams;
  return s * base + (s < extra ? s : extra);
}

size_t mix_bytes(int profile, size_t n, size_t streams) {
  if (!valid(profile, n, streams)) return 0;
  Arena arena(nullptr);
  place_mix(arena, choose(nullptr), profile, n, streams);
  return static_cast<size_t>(arena.used());
}

Mix* mix_create(void* memory, int profile, size_t n, size_t streams, const char* isa) {
  const Kernels* kernels = choose(isa);
  if (!kernels || !valid(profile, n, streams)) return nullptr;
  Arena arena(memory);
  Mix* const m = place_mix(arena, kernels, profile, n, streams);
  m->encoder.begin(m->output, n);
  for (size_t s = 0; s < streams; s++) {
    auto& stream = m->stream[s];
    stream.start = stream.position = stream.line = stream.above =
        static_cast<uint32_t>(mix_slice_start(n, streams, s));
  }
  kernels->init_model(m);
  return m;
}

void mix_encode(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds,
                uint8_t* likeliest, uint16_t* chances) {
  const size_t left = m->block_length - m->coded;
  m->kernels->encode(m, symbols, count < left ? count : left, frequencies, odds, likeliest, chances);
}

void mix_decode(Mix* m, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  const size_t left = m->block_length - m->coded;
  m->kernels->decode(m, symbols, count < left ? count : left, frequencies);
}

void mix_encode_block(Mix* m, const uint8_t* block) {
  while (m->coded < m->block_length) mix_encode(m, block + m->stream[m->cursor].position, 1, nullptr);
}

void mix_decode_block(Mix* m, uint8_t* block) {
  uint8_t symbol;
  while (m->coded < m->block_length) mix_decode(m, &symbol, 1, nullptr);
  for (size_t i = 0; i < m->block_length; i++) block[i] = m->block[i];
}

size_t mix_size(const Mix* m) { return m->encoder.overflow ? SIZE_MAX : m->encoder.size; }

size_t mix_position(const Mix* m) {
  const mix::Decoder& d = m->decoder;
  return d.damaged ? SIZE_MAX : d.position < d.size ? d.position : d.size;
}

bool mix_ends(const Mix* m) { return m->decoder.ends(); }

size_t mix_finish(Mix* m) {
  m->encoder.finish();
  return m->encoder.overflow ? SIZE_MAX : m->encoder.size;
}

const uint8_t* mix_output(Mix* m) { return m->output; }

void mix_begin_decode(Mix* m, const uint8_t* data, size_t size) { m->decoder.begin(data, size); }

const uint8_t* mix_block(Mix* m) { return m->block; }

}  // namespace shacomp
