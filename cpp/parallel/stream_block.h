/**
 * @file A block of the network alone (docs/format.md, section 1.3): every stream has its own bytes and its
 * own range coder, so groups of streams are predicted and coded by threads that do not wait for each other.
 * Native only.
 */
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "mix/coder.h"
#include "network/network.h"
#include "parallel/thread_pool.h"

namespace shacomp {

/** What every stream is fed first: INITIAL_BYTE of src/model/architecture.ts. */
constexpr uint8_t kInitialByte = 10;

/** The sum of `count` frequencies: below 2^30. */
inline uint32_t frequency_sum(const uint32_t* frequencies, int count) {
  uint32_t total = 0;
  for (int i = 0; i < count; i++) total += frequencies[i];
  return total;
}

/**
 * Codes the eight decisions of a byte, the highest bit first: `code(p, half)` is given the probability Q16 of
 * a 1 and the bit's value, and returns the bit. Returns the byte.
 */
template <class Code>
uint32_t code_symbol(const uint32_t* frequencies, Code&& code) {
  uint32_t symbol = 0;
  uint32_t ones = frequency_sum(frequencies + 128, 128);
  uint32_t total = frequency_sum(frequencies, 128) + ones;
  for (uint32_t half = 128;;) {
    const uint64_t p = (uint64_t{ones} << 16) / total;
    const bool one = code(static_cast<uint32_t>(std::clamp<uint64_t>(p, 1, 65535)), half);
    if (one) symbol |= half;
    if (half == 1) return symbol;
    if (one) {
      frequencies += half;
      total = ones;
    } else {
      total -= ones;
    }
    half >>= 1;
    ones = frequency_sum(frequencies + half, static_cast<int>(half));
  }
}

/**
 * A block that is being encoded or decoded, all of its streams at the same step between two calls of
 * `advance`.
 */
class StreamBlock {
 public:
  /** To encode a copy of `block`. @throws std::bad_alloc */
  StreamBlock(int streams, const uint8_t* block, size_t length) : StreamBlock(streams, length) {
    std::memcpy(block_.get(), block, length);
  }

  /** To decode a copy of codes, one behind the other, each of its length. @throws std::bad_alloc */
  StreamBlock(int streams, const uint8_t* codes, const uint32_t* lengths, size_t length)
      : StreamBlock(streams, length) {
    size_t total = 0;
    for (int s = 0; s < streams; s++) total += lengths[s];
    decodes_ = true;
    codes_.assign(codes, codes + total);
    size_t at = 0;
    for (int s = 0; s < streams; s++) {
      streams_[static_cast<size_t>(s)].decoder.begin(codes_.data() + at, lengths[s]);
      at += lengths[s];
    }
  }

  /**
   * The most bytes that a block takes: itself, codes that grow by doubling or are copied, every thread's
   * frequencies.
   */
  static size_t most_bytes(size_t length, size_t streams, size_t threads) {
    const size_t rows = size_t{kMaxRows} * kSymbols * sizeof(uint32_t);
    return 3 * length + streams * (sizeof(Stream) + kMostPerSymbol * kMaxRows / kEncodedTogether) +
           threads * (rows + kMostPerSymbol * kMaxRows);
  }

  bool decodes() const { return decodes_; }
  int streams() const { return static_cast<int>(streams_.size()); }
  /** Steps that are left. */
  size_t left() const { return streams_[0].length - step_; }

  /**
   * Codes the next steps, at most those that are left. The network's streams must have come as far as the
   * block's.
   * @param scratch a thread's memory each
   * @returns false if there was no memory: the block is of no use any more
   */
  bool advance(const NetworkKernels& kernels, const void* model, void* state, int window, int steps,
               ThreadPool& pool, const std::vector<void*>& scratch) {
    const int threads = static_cast<int>(scratch.size());
    const int most = decodes_ ? kMaxRows : kEncodedTogether;
    const int count = streams();
    const int groups = std::max(std::min(threads, count), (count + most - 1) / most);
    std::atomic<int> next{0};
    std::atomic<bool> failed{false};
    const auto first = [=](int group) { return static_cast<int>(int64_t{count} * group / groups); };
    pool.parallel_for(static_cast<size_t>(std::min(threads, groups)), [&](size_t thread) {
      try {
        std::vector<uint32_t> frequencies(static_cast<size_t>(kMaxRows) * kSymbols);
        for (int group = next++; group < groups; group = next++) {
          const auto predict = [&, group](size_t step, int n, const uint8_t* const* in,
                                          uint32_t* const* out) {
            Position position;
            position.advance(static_cast<int>(step), window);
            kernels.run_rows(model, state, position, first(group), first(group + 1) - first(group), n, in,
                             out, scratch[thread]);
          };
          code_group(first(group), first(group + 1) - first(group), steps, frequencies.data(), predict);
        }
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    step_ += static_cast<size_t>(steps);
    return !failed;
  }

  /**
   * Encoding: bytes that no carry can change any more. Decoding: bytes used, SIZE_MAX once damage is known.
   */
  size_t coded() const {
    size_t total = 0;
    for (const Stream& stream : streams_) {
      if (decodes_ && stream.decoder.damaged) return SIZE_MAX;
      total += decodes_ ? std::min(stream.decoder.position, stream.decoder.size) : stream.encoder.size;
    }
    return total;
  }

  /** Ends all codes. @throws std::bad_alloc */
  void finish() {
    for (Stream& stream : streams_) {
      make_room(stream, 0);
      stream.encoder.finish();
    }
  }
  const uint8_t* code(int stream) const { return streams_[static_cast<size_t>(stream)].code.data(); }
  size_t code_length(int stream) const { return streams_[static_cast<size_t>(stream)].encoder.size; }

  /** Whether the codes are exactly those of what was decoded. */
  bool ends() const {
    return left() == 0 &&
           std::all_of(streams_.begin(), streams_.end(), [](const Stream& s) { return s.decoder.ends(); });
  }
  const uint8_t* block() const { return block_.get(); }
  size_t length() const { return length_; }

 private:
  struct Stream {
    uint8_t* bytes;
    size_t length;
    std::vector<uint8_t> code;  // what the encoder has written, and room
    mix::Encoder encoder;
    mix::Decoder decoder;
  };
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };

  /** Streams of a group that is encoded: fewer than kMaxRows, so that several steps are predicted at once. */
  static constexpr int kEncodedTogether = 16;
  /** Bytes that a symbol's code can have: eight decisions, each less than three. */
  static constexpr size_t kMostPerSymbol = 24;

  StreamBlock(int streams, size_t length) : length_(length), streams_(static_cast<size_t>(streams)) {
    // zero pages, which the system hands out as they are written: a decoder's length may be a lie
    block_.reset(static_cast<uint8_t*>(std::calloc(length, 1)));
    if (!block_) throw std::bad_alloc();
    const size_t n = static_cast<size_t>(streams);
    uint8_t* at = block_.get();
    for (size_t s = 0; s < n; s++) {
      Stream& stream = streams_[s];
      stream.bytes = at;
      stream.length = length / n + (s < length % n ? 1 : 0);
      stream.encoder.begin(nullptr, 0);
      at += stream.length;
    }
  }

  /** Room for the code of that many symbols, and for its end. @throws std::bad_alloc */
  static void make_room(Stream& stream, size_t symbols) {
    mix::Encoder& encoder = stream.encoder;
    const size_t needed = encoder.size + encoder.pending + kMostPerSymbol * symbols + 2 * mix::WINDOW;
    if (needed <= encoder.capacity) return;
    stream.code.resize(std::max(needed, 2 * encoder.size));
    encoder.out = stream.code.data();
    encoder.capacity = stream.code.size();
  }

  /** @param predict called as predict(step, steps, bytes, frequencies) for the rows of the group */
  template <class Predict>
  void code_group(int first, int count, int steps, uint32_t* frequencies, Predict&& predict) {
    const int most = decodes_ ? 1 : kMaxRows / count;
    for (int done = 0; done < steps; done += most) {
      const int n = std::min(most, steps - done);
      const size_t step = step_ + static_cast<size_t>(done);
      const uint8_t* in[kMaxRows];
      uint32_t* out[kMaxRows];
      for (int r = 0; r < n * count; r++) {
        const Stream& stream = streams_[static_cast<size_t>(first + r % count)];
        const size_t at = step + static_cast<size_t>(r / count);
        in[r] = at > 0 && at <= stream.length ? stream.bytes + at - 1 : &kInitialByte;
        out[r] = frequencies + static_cast<size_t>(r) * kSymbols;
      }
      predict(step, n, in, out);
      for (int s = 0; s < count; s++) {
        Stream& stream = streams_[static_cast<size_t>(first + s)];
        if (!decodes_) make_room(stream, static_cast<size_t>(n));
        for (int t = 0; t < n; t++) {
          const size_t at = step + static_cast<size_t>(t);
          if (at < stream.length) code_byte(stream, at, out[t * count + s]);
        }
      }
    }
  }

  void code_byte(Stream& stream, size_t at, const uint32_t* frequencies) const {
    uint8_t& byte = stream.bytes[at];
    if (decodes_) {
      byte = static_cast<uint8_t>(
          code_symbol(frequencies, [&](uint32_t p, uint32_t) { return stream.decoder.decode(p) != 0; }));
    } else {
      code_symbol(frequencies, [&, symbol = uint32_t{byte}](uint32_t p, uint32_t half) {
        const bool one = symbol & half;
        stream.encoder.encode(one, p);
        return one;
      });
    }
  }

  size_t length_;
  size_t step_ = 0;
  bool decodes_ = false;
  std::unique_ptr<uint8_t, Free> block_;
  std::vector<Stream> streams_;
  std::vector<uint8_t> codes_;  // of a decoder
};

}  // namespace shacomp
