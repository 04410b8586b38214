/**
 * @file Adaptive context mixing: codes the bytes of one block with S lockstep streams.
 *
 * Freestanding (native and WebAssembly), integers only; every instruction set gives the same bits. The block
 * of n bytes is cut into S contiguous slices: the first n mod S have one byte more than the others. A step
 * codes one byte of every slice that still has one; those are always streams 0 .. active-1. Contexts belong
 * to each stream, tables and weights are shared and updated in coding order.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace shacomp {

struct Mix;

enum MixProfile : int { MIX_FAST = 0, MIX_FULL = 1, MIX_PROFILES = 2 };

/** Limits of one block: 2^28 bytes, 4096 streams. */
inline constexpr size_t MIX_MAX_BLOCK = size_t{1} << 28;
inline constexpr size_t MIX_MAX_STREAMS = 4096;

/** How many of a symbol's likeliest values are told. */
inline constexpr int MIX_LIKELIEST = 5;

/** First index in the block of stream s; s = streams gives the block's length. */
size_t mix_slice_start(size_t block_length, size_t streams, size_t s);

/**
 * Bytes of memory that mix_create needs; 0 where an argument is out of range. Grows with the block, bounded.
 */
size_t mix_bytes(int profile, size_t block_length, size_t streams);

/**
 * Makes a coder inside `memory` (64-byte aligned, mix_bytes() long, ZERO-FILLED: the tables rely on it).
 * `isa` names the instruction set to use, or is null for the best one.
 */
Mix* mix_create(void* memory, int profile, size_t block_length, size_t streams, const char* isa);

/**
 * Codes the next `count` bytes in coding order: symbol i of the block belongs to stream i mod S. frequencies:
 * count x 256 of the network, each in [1, 2^22] with a sum below 2^30, or null. odds: where not null,
 * receives for each symbol the probabilities Q16 that its 8 bits had, the highest bit first. likeliest and
 * chances: where not null, receive for each symbol the MIX_LIKELIEST values that were likeliest in its place,
 * and their probabilities Q16, as they are before any of its bits is learned from; that takes some times as
 * long as coding.
 */
void mix_encode(Mix*, const uint8_t* symbols, size_t count, const uint32_t* frequencies,
                uint16_t* odds = nullptr, uint8_t* likeliest = nullptr, uint16_t* chances = nullptr);

/** Codes a whole block without a network; `block` in natural order. */
void mix_encode_block(Mix*, const uint8_t* block);

/** Bytes of output so far; SIZE_MAX once it is longer than the block. */
size_t mix_size(const Mix*);

/**
 * Ends encoding. Returns the output's size in bytes, or SIZE_MAX where it would exceed the block's own
 * length.
 */
size_t mix_finish(Mix*);

/** The output of mix_finish, inside the coder's memory. */
const uint8_t* mix_output(Mix*);

/** Starts decoding `size` bytes at `data`, which must stay where they are. */
void mix_begin_decode(Mix*, const uint8_t* data, size_t size);

/** Decodes the next `count` bytes in coding order; the inverse of mix_encode. */
void mix_decode(Mix*, uint8_t* symbols, size_t count, const uint32_t* frequencies);

/** Decodes the whole block; the inverse of mix_encode_block. */
void mix_decode_block(Mix*, uint8_t* block);

/** Bytes of input used so far; SIZE_MAX once the input is known to be damaged. */
size_t mix_position(const Mix*);

/** Whether the input is exactly what an encoder makes of the bytes decoded so far. */
bool mix_ends(const Mix*);

/** The block as far as it is known, in natural order. */
const uint8_t* mix_block(Mix*);

}  // namespace shacomp
