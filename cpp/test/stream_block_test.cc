/**
 * @file Blocks whose streams are independent, on several threads and instruction sets: the codes are those of
 * every stream alone, and come back as the block. Argument: the image of a model.
 */
#include "parallel/stream_block.h"

#include <algorithm>
#include <vector>

#include "test/check.h"

using namespace shacomp;
using test::zeroed;

namespace {

/** A network in its cold state, and threads. */
struct Coding {
  const NetworkKernels& kernels;
  Shape shape;
  Memory model, state;
  std::vector<Memory> scratch;
  ThreadPool pool;

  Coding(const NetworkKernels& k, const std::vector<uint8_t>& file, int streams, unsigned threads)
      : kernels(k),
        shape(read_shape(file.data())),
        model(zeroed(k.model_size(shape))),
        state(zeroed(k.state_size(shape, streams))),
        pool(threads) {
    kernels.pack_model(file.data(), model.get());
    kernels.reset_state(model.get(), state.get(), streams);
    for (unsigned i = 0; i < threads; i++) scratch.push_back(zeroed(kernels.scratch_size(shape)));
  }

  /** All steps, so many in a call. */
  void run(StreamBlock& block, size_t call) {
    std::vector<void*> memory;
    for (const Memory& m : scratch) memory.push_back(m.get());
    while (block.left() > 0)
      CHECK(block.advance(kernels, model.get(), state.get(), shape.window,
                          static_cast<int>(std::min(call, block.left())), pool, memory));
  }
};

struct Codes {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> lengths;
  bool operator==(const Codes&) const = default;
};

Codes encode(const NetworkKernels& kernels, const std::vector<uint8_t>& file,
             const std::vector<uint8_t>& bytes, int streams, unsigned threads, size_t call) {
  StreamBlock block(streams, bytes.data(), bytes.size());
  Coding(kernels, file, streams, threads).run(block, call);
  const size_t before = block.coded();
  block.finish();
  Codes codes;
  for (int s = 0; s < streams; s++) {
    const uint8_t* const code = block.code(s);
    codes.bytes.insert(codes.bytes.end(), code, code + block.code_length(s));
    codes.lengths.push_back(static_cast<uint32_t>(block.code_length(s)));
  }
  CHECK(before <= codes.bytes.size());
  return codes;
}

void check(const NetworkKernels& kernels, const std::vector<uint8_t>& file, int streams, size_t length) {
  const std::vector<uint8_t> bytes = test::sample_bytes(length, static_cast<uint32_t>(length));
  const Codes codes = encode(baseline::network_kernels, file, bytes, streams, 1, length);
  // what every stream gives alone
  Codes alone;
  for (size_t s = 0, at = 0, n = static_cast<size_t>(streams); s < n; s++) {
    const size_t end = at + length / n + (s < length % n ? 1 : 0);
    const Codes one = encode(
        kernels, file,
        {bytes.begin() + static_cast<ptrdiff_t>(at), bytes.begin() + static_cast<ptrdiff_t>(end)}, 1, 1, 5);
    alone.bytes.insert(alone.bytes.end(), one.bytes.begin(), one.bytes.end());
    alone.lengths.push_back(one.lengths[0]);
    at = end;
  }
  CHECK(alone == codes);
  for (const unsigned threads : {1u, 2u, 4u}) {
    CHECK(encode(kernels, file, bytes, streams, threads, 3) == codes);
    StreamBlock back(streams, codes.bytes.data(), codes.lengths.data(), length);
    Coding(kernels, file, streams, threads).run(back, 4);
    CHECK(back.ends());
    CHECK(back.coded() == codes.bytes.size());
    CHECK(std::equal(bytes.begin(), bytes.end(), back.block()));

    // bytes that no encoder wrote: other symbols and the end that tells
    Codes damaged = codes;
    test::Random random(threads);
    for (uint8_t& byte : damaged.bytes) byte = static_cast<uint8_t>(random.next());
    StreamBlock wrong(streams, damaged.bytes.data(), damaged.lengths.data(), length);
    Coding(kernels, file, streams, threads).run(wrong, 4);
    CHECK(!wrong.ends());
  }
}

}  // namespace

int main(int count, char** arguments) {
  CHECK(count == 2);
  const std::vector<uint8_t> file = test::read_file(arguments[1]);
#define X(isa)                                          \
  if (runs_here(#isa))                                  \
    for (const int streams : {1, 3, 16, 70})            \
      for (const size_t each : {size_t{1}, size_t{13}}) \
        check(isa::network_kernels, file, streams,      \
              each* static_cast<size_t>(streams) + static_cast<size_t>(streams) / 2);
  SHACOMP_NETWORK_ISAS
#undef X
}
