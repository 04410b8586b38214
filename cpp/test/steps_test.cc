/**
 * @file Network and mixing coder at the same time on several threads, as the addon's mixSteps has them: the
 * payload is that of one after the other. Argument: the image of a model.
 */
#include <algorithm>
#include <vector>

#include "mix/mix.h"
#include "network/network.h"
#include "parallel/pipeline.h"
#include "test/check.h"

using namespace shacomp;
using test::zeroed;

namespace {

/** A network and a coder of as many streams, in their cold states. */
struct Coding {
  const NetworkKernels& kernels = baseline::network_kernels;
  Shape shape;
  int streams;
  size_t length;
  Memory model, state, memory;
  std::vector<Memory> scratch;
  Mix* mix;

  Coding(const std::vector<uint8_t>& file, int s, size_t n, unsigned threads)
      : shape(read_shape(file.data())),
        streams(s),
        length(n),
        model(zeroed(kernels.model_size(shape))),
        state(zeroed(kernels.state_size(shape, s))),
        memory(zeroed(mix_bytes(MIX_FAST, n, s))),
        mix(mix_create(memory.get(), MIX_FAST, n, static_cast<size_t>(s), nullptr)) {
    kernels.pack_model(file.data(), model.get());
    kernels.reset_state(model.get(), state.get(), s);
    for (unsigned i = 0; i < threads; i++) scratch.push_back(zeroed(kernels.scratch_size(shape)));
  }

  /** Predicts and codes the symbols behind the first row of `rows`, which a decoder fills. */
  void run(std::vector<uint8_t>& rows, unsigned threads, int ahead, int round, bool decodes) {
    const int steps = static_cast<int>((length + streams - 1) / streams);
    const StreamGroups groups{streams, std::min(streams, static_cast<int>(threads))};
    std::vector<uint32_t> frequencies(static_cast<size_t>(ahead) * streams * kSymbols);
    const auto row = [&](int step) {
      return frequencies.data() + static_cast<size_t>(step % ahead) * streams * kSymbols;
    };
    Pipeline pipeline(groups.groups, steps, ahead, round);
    ThreadPool pool(threads);
    pool.parallel_for(threads, [&](size_t thread) {
      pipeline.work(
          [&](int group, int step, int count) {
            Position position;
            position.advance(step, shape.window);
            // a round does not wrap around the rows of frequencies
            kernels.run(model.get(), state.get(), streams, position, groups.first(group), groups.size(group),
                        count, rows.data() + static_cast<size_t>(step) * streams, row(step),
                        scratch[thread].get());
          },
          [&](int group, int step) {
            const size_t first = static_cast<size_t>(groups.first(group));
            const size_t at = static_cast<size_t>(step) * streams + first;
            if (at >= length) return;
            const size_t n = std::min(static_cast<size_t>(groups.size(group)), length - at);
            uint8_t* const symbols = rows.data() + streams + at;
            if (decodes)
              mix_decode(mix, symbols, n, row(step) + first * kSymbols);
            else
              mix_encode(mix, symbols, n, row(step) + first * kSymbols);
          });
    });
  }
};

}  // namespace

int main(int count, char** arguments) {
  CHECK(count == 2);
  const std::vector<uint8_t> file = test::read_file(arguments[1]);
  for (const int streams : {1, 2, 5}) {
    const size_t length = 241;
    const size_t steps = (length + streams - 1) / streams;
    std::vector<uint8_t> rows((steps + 1) * streams, '\n');
    const std::vector<uint8_t> symbols = test::sample_bytes(length, 11);
    std::copy(symbols.begin(), symbols.end(), rows.begin() + streams);
    std::vector<uint8_t> expected;
    for (const unsigned threads : {1u, 2u, 3u}) {
      Coding encoder(file, streams, length, threads);
      encoder.run(rows, threads, 8, 4, false);
      const size_t size = mix_finish(encoder.mix);
      CHECK(size < length);
      const std::vector<uint8_t> payload(mix_output(encoder.mix), mix_output(encoder.mix) + size);
      if (expected.empty()) expected = payload;
      CHECK(payload == expected);

      Coding decoder(file, streams, length, threads);
      mix_begin_decode(decoder.mix, payload.data(), payload.size());
      std::vector<uint8_t> back(rows.size(), '\n');
      decoder.run(back, threads, 1, 1, true);
      CHECK(std::equal(symbols.begin(), symbols.end(), back.begin() + streams));
    }
  }
}
