/** @file The mixing coder's interface: memory layout, choice of instruction set, steps and blocks. */
#include "mix/mix.h"

#include <bit>

#include "mix/state.h"

#ifndef SHACOMP_ISAS
#define SHACOMP_ISAS X(baseline)
#endif

namespace shacomp {

#define X(isa) \
  namespace isa { \
  extern const mix_detail::Kernels MIX_KERNELS; \
  }
SHACOMP_ISAS
#undef X

namespace {

using mix_detail::Kernels;

bool supported(const char* name) {
  const auto is = [name](const char* other) {
    const char* a = name;
    while (*a && *a == *other) a++, other++;
    return *a == *other;
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (is("avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (is("avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
  return is("baseline");
#else
  return is("baseline") || is("wasm");
#endif
}

bool same(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/** The kernels named, or the best that run here; null where the named ones do not. */
const Kernels* choose(const char* name) {
  const Kernels* best = nullptr;
#define X(isa) \
  if (supported(#isa) && (!name || same(name, #isa))) best = &isa::MIX_KERNELS;
  SHACOMP_ISAS
#undef X
  return best;
}

constexpr size_t round_up(size_t n) { return (n + 63) & ~size_t{63}; }

/** Sizes of the parts of the arena. */
struct Layout {
  size_t streams_at, block_at, output_at, output_capacity, slots_at, slot_lines, match_at, match_count, maps_at, model_at, total;
  uint32_t map_bits;
};

Layout layout(int profile, size_t n, size_t streams, size_t model_bytes) {
  Layout l{};
  size_t at = round_up(sizeof(Mix));
  const auto take = [&at](size_t bytes) {
    const size_t start = at;
    at = round_up(at + bytes);
    return start;
  };
  l.streams_at = take(sizeof(mix::Stream) * streams);
  l.block_at = take(n + 64);
  l.output_capacity = n;
  l.output_at = take(n);
  // Histories: what does not fit replaces the least used.
  const size_t limit = size_t{1} << (profile == MIX_FAST ? 26 : 28);
  // in 64 bits: the product passes 2^32 where size_t has 32
  const uint64_t wanted = (uint64_t{n} * (profile == MIX_FAST ? 128 : 640) + 65535) & ~uint64_t{4095};
  const size_t bytes = wanted > limit ? limit : static_cast<size_t>(wanted);
  l.slot_lines = bytes / 64;
  l.slots_at = take(bytes);
  l.map_bits = static_cast<uint32_t>(std::bit_width(n));
  if (l.map_bits < 10) l.map_bits = 10;
  if (l.map_bits > 16) l.map_bits = 16;
  l.maps_at = take((size_t{4} * mix::MAPS * mix::MAP_STEPS) << l.map_bits);
  size_t entries = std::bit_ceil(n < 1024 ? size_t{1024} : n);
  if (entries > (size_t{1} << 22)) entries = size_t{1} << 22;
  l.match_count = entries;
  l.match_at = take(entries * 4 * (profile == MIX_FAST ? 1 : mix::MATCH_MODELS));
  l.model_at = take(model_bytes);
  l.total = at;
  return l;
}

bool valid(int profile, size_t n, size_t streams) {
  return profile >= 0 && profile < MIX_PROFILES && n <= MIX_MAX_BLOCK && streams >= 1 && streams <= MIX_MAX_STREAMS;
}

}  // namespace

size_t mix_slice_start(size_t n, size_t streams, size_t s) {
  const size_t base = n / streams, extra = n % streams;
  return s * base + (s < extra ? s : extra);
}

size_t mix_bytes(int profile, size_t n, size_t streams) {
  return valid(profile, n, streams) ? layout(profile, n, streams, choose(nullptr)->model_bytes(profile)).total : 0;
}

Mix* mix_create(void* memory, int profile, size_t n, size_t streams, const char* isa) {
  const Kernels* kernels = choose(isa);
  if (!kernels || !valid(profile, n, streams)) return nullptr;
  const Layout l = layout(profile, n, streams, kernels->model_bytes(profile));
  auto* base = static_cast<uint8_t*>(memory);
  auto* m = static_cast<Mix*>(memory);
  m->kernels = kernels;
  m->block_length = n;
  m->streams = streams;
  m->coded = m->cursor = 0;
  m->profile = profile;
  m->output = base + l.output_at;
  m->encoder.begin(m->output, l.output_capacity);
  m->block = base + l.block_at;
  m->stream = reinterpret_cast<mix::Stream*>(base + l.streams_at);
  for (size_t s = 0; s < streams; s++) {
    auto& stream = m->stream[s];
    stream.start = stream.position = stream.line = stream.above = static_cast<uint32_t>(mix_slice_start(n, streams, s));
  }
  m->slots = base + l.slots_at;
  m->slot_lines = static_cast<uint32_t>(l.slot_lines);
  for (int k = 0; k < mix::MATCH_MODELS; k++)
    m->match_table[k] = reinterpret_cast<uint32_t*>(base + l.match_at) + (profile == MIX_FAST ? 0 : k * l.match_count);
  m->match_mask = static_cast<uint32_t>(l.match_count - 1);
  m->maps = reinterpret_cast<uint32_t*>(base + l.maps_at);
  m->map_bits = l.map_bits;
  m->model = base + l.model_at;
  kernels->init_model(m);
  return m;
}

void mix_encode(Mix* m, const uint8_t* symbols, size_t count, const uint32_t* frequencies, uint16_t* odds) {
  const size_t left = m->block_length - m->coded;
  m->kernels->encode(m, symbols, count < left ? count : left, frequencies, odds);
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
