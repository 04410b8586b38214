/** @file Node-API face of network and mixing coder working at the same time. */
#include <node_api.h>

#include <algorithm>
#include <chrono>

#include "bindings/node/addon.h"
#include "bindings/node/mix.h"
#include "bindings/node/network.h"
#include "parallel/pipeline.h"

namespace shacomp {

namespace {

/**
 * Rows that an encoder's network predicts at a time: more are not faster, and what is coded meanwhile gets
 * stale.
 */
constexpr int kRows = 32;

/** Rounds that it may be ahead: enough to bridge a thread's awakening, few enough for the caches. */
constexpr int kRoundsAhead = 4;

/** Symbols of a piece on which the speed of one thread is measured. */
constexpr size_t kPaceSymbols = 64;

/** How a call is cut into what threads do at a time. */
struct Cut {
  StreamGroups groups;
  int round;    // steps
  int ahead;    // steps
  int threads;  // that can have something to do at the same time
};

/**
 * @param room steps whose frequencies can be kept
 *
 * A group for each thread, whatever the profile: where the network takes longest, all predict; where the
 * coder does, it hardly waits, because a group is predicted faster than the others are coded.
 */
Cut cut(int streams, int threads, bool decodes, int room) {
  const StreamGroups groups{streams, std::min(streams, threads)};
  // a decoder's group is either predicted or coded
  if (decodes) return {groups, 1, 1, groups.groups};
  const int round = std::max(1, std::min(kRows / groups.largest(), room / 2));
  const int rounds = std::min(kRoundsAhead, room / round);
  return {groups, round, rounds * round, std::min(threads, groups.groups + 1)};
}

/** A coder and a network that agree in their streams, and memory. Arrays as mixSteps has them. */
struct Steps {
  MixHandle& coder;
  Network& network;
  uint32_t* frequencies;
  int room;  // steps

  bool decodes() const { return coder.payload != nullptr; }

  /** Predicts and codes `count` symbols by that many threads. */
  void code(uint8_t* rows, size_t count, int threads) {
    const size_t streams = coder.streams;
    const Cut c = cut(network.streams, threads, decodes(), room);
    const int steps = static_cast<int>((count + streams - 1) / streams);
    const auto predictions = [&](int step) { return frequencies + step % c.ahead * streams * kSymbols; };
    const auto code_group = [&](int group, int step) {
      const size_t first = static_cast<size_t>(c.groups.first(group));
      const size_t at = step * streams + first;
      if (at >= count) return;  // the block's last step has bytes for the first streams only
      const size_t n = std::min(static_cast<size_t>(c.groups.size(group)), count - at);
      uint8_t* const symbols = rows + streams + at;
      if (decodes())
        mix_decode(coder.mix, symbols, n, predictions(step) + first * kSymbols);
      else
        mix_encode(coder.mix, symbols, n, predictions(step) + first * kSymbols);
    };
    Pipeline pipeline(c.groups.groups, steps, c.ahead, c.round);
    network.pool->parallel_for(static_cast<size_t>(c.threads), [&](size_t thread) {
      const auto predict = [&](int group, int step, int n) {
        network.run(c.groups.first(group), c.groups.size(group), step, n, rows + step * streams,
                    predictions(step), thread);
      };
      pipeline.work(predict, code_group);
    });
    network.position.advance(steps, network.model->shape.window);
  }

  /** The same by as many threads as get on best. */
  void code_at_best(uint8_t* rows, size_t count) {
    using Clock = std::chrono::steady_clock;
    const int threads =
        cut(network.streams, static_cast<int>(network.scratch.size()), decodes(), room).threads;
    for (size_t done = 0, n; done < count; done += n) {
      n = count - done;
      if (threads > 1 && network.governor.measuring())
        n = std::min(n, std::max<size_t>(1, kPaceSymbols / coder.streams) * coder.streams);
      const auto start = Clock::now();
      code(rows + done, n, network.governor.together() ? threads : 1);
      if (threads > 1)
        network.governor.took(std::chrono::duration<double>(Clock::now() - start).count() /
                              static_cast<double>(n));
    }
  }
};

/**
 * mixSteps(coder, network, rows: Uint8Array, count, frequencies: Uint32Array, threads?): predicts and codes
 * `count` symbols, whole steps but for the block's end. rows is one row of S bytes and then the symbols: row
 * t is the network's input of step t, row t + 1 what is coded in it, read by an encoder and written by a
 * decoder. frequencies is room for at least one step. `threads` of the network's work, whatever their speed;
 * for tests and benchmarks. Returns what mixEncode or mixDecode would. Throws ERR_OPTIONS.
 */
napi_value mix_steps_js(napi_env env, napi_callback_info info) {
  const Arguments<6> a(env, info);
  MixHandle* const coder = mix_handle(env, a.value[0]);
  Network* const network = network_handle(env, a.value[1]);
  if (!coder || !network || coder->streams != static_cast<size_t>(network->streams))
    return fail(env, "ERR_OPTIONS", "mixSteps: needs an open coder and an open network of as many streams");
  const size_t streams = coder->streams;
  size_t bytes = 0, values = 0;
  uint8_t* const rows = a.array<uint8_t>(2, &bytes);
  const size_t count = a.size(3);
  uint32_t* const frequencies = a.array<uint32_t>(4, &values);
  const size_t room = values / (streams * kSymbols);
  if (!rows || !frequencies || count > INT32_MAX || bytes < streams + count || room == 0)
    return fail(env, "ERR_OPTIONS",
                "mixSteps: needs a row more than it codes and room for the frequencies of a step");

  Steps steps{*coder, *network, frequencies, static_cast<int>(std::min<size_t>(room, INT32_MAX))};
  if (a.given(5))
    steps.code(rows, count, static_cast<int>(std::clamp<size_t>(a.size(5), 1, network->scratch.size())));
  else
    steps.code_at_best(rows, count);
  return steps.decodes() ? decoded_position(env, *coder) : encoded_size(env, *coder);
}

}  // namespace

void register_pipeline(napi_env env, napi_value exports) {
  add_export<mix_steps_js>(env, exports, "mixSteps");
}

}  // namespace shacomp
