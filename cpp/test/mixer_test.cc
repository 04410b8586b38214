/**
 * @file The mixing coder in memory of exactly the size that it asks for, on every instruction set: all give
 * the same payload and the block back; any other payload decodes to something.
 */
#include "mix/mix.h"

#include <vector>

#include "test/check.h"

using namespace shacomp;
using test::zeroed;

namespace {

#define X(isa) #isa,
const char* const kIsas[] = {SHACOMP_MIX_ISAS};
#undef X

/** 256 frequencies for each symbol, of any size that a network may give. */
std::vector<uint32_t> frequencies_of(size_t symbols, uint32_t seed) {
  test::Random random(seed);
  std::vector<uint32_t> frequencies(symbols * 256);
  for (uint32_t& f : frequencies) f = random.below(40) == 0 ? 1u << random.below(22) : 1 + random.below(100);
  return frequencies;
}

struct Block {
  int profile;
  std::vector<uint8_t> symbols;
  size_t streams;
  std::vector<uint32_t> frequencies;  // empty: without a network

  const uint32_t* at(size_t symbol) const {
    return frequencies.empty() ? nullptr : frequencies.data() + symbol * 256;
  }
};

/** The payload; empty where it would be longer than the block. */
std::vector<uint8_t> encode(const Block& block, const char* isa, size_t piece) {
  const size_t n = block.symbols.size();
  const Memory memory = zeroed(mix_bytes(block.profile, n, block.streams));
  Mix* const mix = mix_create(memory.get(), block.profile, n, block.streams, isa);
  CHECK(mix != nullptr);
  for (size_t i = 0; i < n; i += piece)
    mix_encode(mix, block.symbols.data() + i, std::min(piece, n - i), block.at(i));
  const size_t size = mix_finish(mix);
  if (size == SIZE_MAX) return {};
  return {mix_output(mix), mix_output(mix) + size};
}

std::vector<uint8_t> decode(const Block& block, const char* isa, const std::vector<uint8_t>& payload,
                            size_t piece) {
  const size_t n = block.symbols.size();
  const Memory memory = zeroed(mix_bytes(block.profile, n, block.streams));
  Mix* const mix = mix_create(memory.get(), block.profile, n, block.streams, isa);
  CHECK(mix != nullptr);
  mix_begin_decode(mix, payload.data(), payload.size());
  std::vector<uint8_t> symbols(n);
  for (size_t i = 0; i < n; i += piece)
    mix_decode(mix, symbols.data() + i, std::min(piece, n - i), block.at(i));
  return symbols;
}

void round_trips(const Block& block) {
  std::vector<uint8_t> expected;
  bool first = true;
  for (const char* isa : kIsas) {
    if (!runs_here(isa)) continue;
    const std::vector<uint8_t> payload = encode(block, isa, first ? block.symbols.size() + 1 : 13);
    if (first) expected = payload;
    first = false;
    CHECK(payload == expected);
    if (!payload.empty()) CHECK(decode(block, isa, payload, 29) == block.symbols);
    // whatever is in a damaged file
    std::vector<uint8_t> damaged = payload;
    for (size_t i = 0; i < damaged.size(); i += 5) damaged[i] ^= static_cast<uint8_t>(i * 37 + 1);
    decode(block, isa, damaged, 64);
    damaged.resize(damaged.size() / 2);
    decode(block, isa, damaged, 64);
    decode(block, isa, {}, 1000);
  }
}

/** More symbols than the block has are not coded. */
void does_not_pass_the_end() {
  const std::vector<uint8_t> symbols = test::sample_bytes(100, 3);
  const Memory memory = zeroed(mix_bytes(MIX_FAST, 60, 1));
  Mix* const mix = mix_create(memory.get(), MIX_FAST, 60, 1, nullptr);
  mix_encode(mix, symbols.data(), symbols.size(), nullptr);
  mix_encode(mix, symbols.data(), symbols.size(), nullptr);
  mix_finish(mix);
  for (size_t i = 0; i < 60; i++) CHECK(mix_block(mix)[i] == symbols[i]);
}

void refuses_shapes_out_of_range() {
  CHECK(mix_bytes(-1, 10, 1) == 0);
  CHECK(mix_bytes(MIX_PROFILES, 10, 1) == 0);
  CHECK(mix_bytes(MIX_FAST, MIX_MAX_BLOCK + 1, 1) == 0);
  CHECK(mix_bytes(MIX_FAST, 10, 0) == 0);
  CHECK(mix_bytes(MIX_FAST, 10, MIX_MAX_STREAMS + 1) == 0);
  CHECK(mix_bytes(MIX_FULL, MIX_MAX_BLOCK, MIX_MAX_STREAMS) > MIX_MAX_BLOCK);
}

void blocks_in_natural_order() {
  const std::vector<uint8_t> block = test::sample_bytes(3001, 5);
  const Memory memory = zeroed(mix_bytes(MIX_FULL, block.size(), 7));
  Mix* mix = mix_create(memory.get(), MIX_FULL, block.size(), 7, nullptr);
  mix_encode_block(mix, block.data());
  const size_t size = mix_finish(mix);
  CHECK(size < block.size());
  const std::vector<uint8_t> payload(mix_output(mix), mix_output(mix) + size);
  const Memory other = zeroed(mix_bytes(MIX_FULL, block.size(), 7));
  mix = mix_create(other.get(), MIX_FULL, block.size(), 7, nullptr);
  mix_begin_decode(mix, payload.data(), payload.size());
  std::vector<uint8_t> back(block.size());
  mix_decode_block(mix, back.data());
  CHECK(back == block);
}

}  // namespace

int main() {
  uint32_t seed = 1;
  for (const int profile : {MIX_FAST, MIX_FULL}) {
    for (const size_t length : {0, 1, 60, 1500}) {
      for (const size_t streams : {1, 5}) {
        for (const bool network : {false, true}) {
          const std::vector<uint8_t> symbols = test::sample_bytes(length, seed++);
          round_trips(
              {profile, symbols, streams, network ? frequencies_of(length, seed) : std::vector<uint32_t>()});
        }
      }
    }
  }
  does_not_pass_the_end();
  refuses_shapes_out_of_range();
  blocks_in_natural_order();
}
