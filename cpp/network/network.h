/**
 * @file The integer network (docs/model.md, sections 2 and 3) as its callers see it: one table of functions
 * per instruction set. Nothing here allocates: the caller asks for sizes and hands in memory, aligned to 64
 * bytes.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace shacomp {

constexpr int kSymbols = 256;
constexpr int kMaxLayers = 16;

/** Rows (streams x steps) that one call works on at a time; bounds the scratch memory. */
constexpr int kMaxRows = 64;

/**
 * Shape of a network: the header of a model's image (src/model/sharnn.ts): a .sharnn file with its weights
 * unpacked.
 */
struct Shape {
  int width;
  int layers;
  int boom;
  int window;
  uint32_t attention;  // bit l: layer l has attention
};

/** Reads the shape from the header of an image of a model that parseModel has accepted. */
inline Shape read_shape(const uint8_t* file) {
  const auto uint16 = [file](int at) { return file[at] | file[at + 1] << 8; };
  return {uint16(10), file[12], file[13], uint16(14), static_cast<uint32_t>(uint16(16) | uint16(18) << 16)};
}

/** How far a network's streams have come; all are at the same step. */
struct Position {
  int slot = 0;    // where the attention memory's ring goes on
  int filled = 0;  // positions remembered, at most the window

  void advance(int steps, int window) {
    filled = filled + steps < window ? filled + steps : window;
    slot = static_cast<int>((static_cast<int64_t>(slot) + steps) % window);
  }
};

/** One instruction set's network. Sizes are in bytes. */
struct NetworkKernels {
  const char* name;
  size_t (*model_size)(const Shape& shape);
  /** Repacks an image for this instruction set. */
  void (*pack_model)(const uint8_t* file, void* model);
  size_t (*state_size)(const Shape& shape, int streams);
  /** Cold state of all streams. */
  void (*reset_state)(const void* model, void* state, int streams);
  size_t (*scratch_size)(const Shape& shape);
  /**
   * Runs streams [first, first + count) of `streams` for some steps from `position`. Calls for different
   * streams may run at the same time, each with its own scratch; afterwards the caller advances the position.
   * @param bytes [steps][streams]: the input of every step
   * @param frequencies [steps][streams][256]
   */
  void (*run)(const void* model, void* state, int streams, Position position, int first, int count, int steps,
              const uint8_t* bytes, uint32_t* frequencies, void* scratch);
  /**
   * The same for `count * steps` rows, at most kMaxRows, in the order of steps and then of streams, wherever
   * their bytes and frequencies lie.
   */
  void (*run_rows)(const void* model, void* state, Position position, int first, int count, int steps,
                   const uint8_t* const* bytes, uint32_t* const* frequencies, void* scratch);
  /**
   * For the benchmark: `repeats` times the products of an int8 matrix with `columns` vectors. Returns a
   * checksum.
   */
  int32_t (*product)(const void* model, int columns, int repeats, void* scratch);
  /** For the benchmark: which kernel those products take. */
  const char* (*product_name)(const void* model);
  /** For the benchmark: that kernel's inner loop on the first cache; returns multiply-adds done. */
  double (*bare_dot)(const void* model, int repeats);
};

#if defined(SHACOMP_NETWORK_ISAS)
#define X(isa)                                 \
  namespace isa {                              \
  extern const NetworkKernels network_kernels; \
  }
SHACOMP_NETWORK_ISAS
#undef X
#endif

}  // namespace shacomp
