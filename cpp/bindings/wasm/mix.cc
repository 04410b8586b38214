/**
 * @file The mixing coder for src/engines/wasm/mixer.ts. Memory is handed in by JavaScript, which asks for
 * sizes first.
 */
#include "mix/mix.h"
#include "bindings/wasm/export.h"

namespace shacomp {
namespace {

/** A size as JavaScript wants it: infinite where the coder says "too long" or "damaged". */
double number(size_t size) { return size == SIZE_MAX ? __builtin_inf() : static_cast<double>(size); }

}  // namespace

extern "C" {

EXPORT(mixing_bytes) double mixing_bytes(int profile, size_t length, size_t streams) {
  return number(mix_bytes(profile, length, streams));
}

EXPORT(mixing_open) Mix* mixing_open(void* memory, int profile, size_t length, size_t streams) {
  return mix_create(memory, profile, length, streams, nullptr);
}

EXPORT(mixing_begin_decode) void mixing_begin_decode(Mix* mix, const uint8_t* payload, size_t size) {
  mix_begin_decode(mix, payload, size);
}

EXPORT(mixing_encode)
double mixing_encode(Mix* mix, const uint8_t* symbols, size_t count, const uint32_t* frequencies,
                     uint16_t* odds, uint8_t* likeliest, uint16_t* chances) {
  mix_encode(mix, symbols, count, frequencies, odds, likeliest, chances);
  return number(mix_size(mix));
}

EXPORT(mixing_finish) double mixing_finish(Mix* mix) { return number(mix_finish(mix)); }

EXPORT(mixing_output) const uint8_t* mixing_output(Mix* mix) { return mix_output(mix); }

EXPORT(mixing_decode)
double mixing_decode(Mix* mix, uint8_t* symbols, size_t count, const uint32_t* frequencies) {
  mix_decode(mix, symbols, count, frequencies);
  return number(mix_position(mix));
}

EXPORT(mixing_ends) int mixing_ends(const Mix* mix) { return mix_ends(mix); }

}  // extern "C"
}  // namespace shacomp
