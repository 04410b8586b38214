/**
 * @file The integer network in memory of exactly the size that it asks for, on every instruction set: all
 * alike, also in parts on several threads. Argument: the image of a model.
 */
#include "network/network.h"

#include <algorithm>
#include <vector>

#include "parallel/thread_pool.h"
#include "test/check.h"

using namespace shacomp;
using test::zeroed;

namespace {

struct Packed {
  const NetworkKernels* kernels;
  Shape shape;
  Memory model;
};

Packed pack(const NetworkKernels* kernels, const std::vector<uint8_t>& file) {
  const Shape shape = read_shape(file.data());
  Packed packed{kernels, shape, zeroed(kernels->model_size(shape))};
  kernels->pack_model(file.data(), packed.model.get());
  return packed;
}

/** Frequencies of some steps, in calls of `call` steps, by a pool of `threads` that share the streams. */
std::vector<uint32_t> run(const Packed& packed, int streams, int steps, int call, unsigned threads,
                          const std::vector<uint8_t>& bytes) {
  const NetworkKernels& k = *packed.kernels;
  ThreadPool pool(threads);
  const Memory state = zeroed(k.state_size(packed.shape, streams));
  std::vector<Memory> scratch;
  for (unsigned i = 0; i < threads; i++) scratch.push_back(zeroed(k.scratch_size(packed.shape)));
  k.reset_state(packed.model.get(), state.get(), streams);
  std::vector<uint32_t> frequencies(static_cast<size_t>(steps) * streams * kSymbols, 0xdeadbeef);
  Position position;
  for (int step = 0; step < steps; step += call) {
    const int n = std::min(call, steps - step);
    // exactly as long as promised: no kernel reads or writes past the end
    const std::vector<uint8_t> input(bytes.begin() + step * streams, bytes.begin() + (step + n) * streams);
    std::vector<uint32_t> output(static_cast<size_t>(n) * streams * kSymbols);
    const int parts = std::min(static_cast<int>(threads), streams);
    pool.parallel_for(static_cast<size_t>(parts), [&](size_t part) {
      const int first = static_cast<int>(part) * streams / parts;
      const int end = (static_cast<int>(part) + 1) * streams / parts;
      k.run(packed.model.get(), state.get(), streams, position, first, end - first, n, input.data(),
            output.data(), scratch[part].get());
    });
    position.advance(n, packed.shape.window);
    std::copy(output.begin(), output.end(),
              frequencies.begin() + static_cast<ptrdiff_t>(step) * streams * kSymbols);
  }
  return frequencies;
}

}  // namespace

int main(int count, char** arguments) {
  CHECK(count == 2);
  const std::vector<uint8_t> file = test::read_file(arguments[1]);
  std::vector<const NetworkKernels*> all;
#define X(isa) \
  if (runs_here(#isa)) all.push_back(&isa::network_kernels);
  SHACOMP_NETWORK_ISAS
#undef X
  CHECK(!all.empty());
  constexpr int kSteps = 140;  // past the window of a small model
  for (const int streams : {1, 5}) {
    const std::vector<uint8_t> bytes = test::sample_bytes(static_cast<size_t>(kSteps) * streams, 7);
    std::vector<uint32_t> expected;
    for (const NetworkKernels* kernels : all) {
      const Packed packed = pack(kernels, file);
      const std::vector<uint32_t> result = run(packed, streams, kSteps, kSteps, 1, bytes);
      if (expected.empty()) expected = result;
      CHECK(result == expected);
      for (const uint32_t f : result) CHECK(f >= 1 && f <= (1u << 22));
      CHECK(run(packed, streams, kSteps, 7, 3, bytes) == expected);
      CHECK(run(packed, streams, kSteps, 1, 2, bytes) == expected);
    }
  }
}
