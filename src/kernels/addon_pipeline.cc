/** @file Node-API face of network and mixing coder working at the same time. */
#include <node_api.h>

#include <algorithm>

#include "addon.h"
#include "addon_mix.h"
#include "addon_network.h"
#include "pipeline.h"

namespace shacomp {

namespace {

/** Rows that an encoder's network predicts at a time: more are not faster, and what is coded meanwhile gets stale. */
constexpr int kRows = 32;

/** Rounds that it may be ahead: enough to bridge a thread's awakening, few enough for the caches. */
constexpr int kRoundsAhead = 4;

/** How a call is cut into what threads do at a time. */
struct Cut {
  StreamGroups groups;
  int round;   // steps
  int ahead;   // steps
  int threads; // that can have something to do at the same time
};

/**
 * @param room steps whose frequencies can be kept
 *
 * A group for each thread, whatever the profile: where the network takes longest, all predict; where the coder does, it never
 * waits, because a group is predicted faster than the others are coded.
 */
Cut cut(int streams, int threads, bool decodes, int room) {
  const StreamGroups groups{streams, std::min(streams, threads)};
  // a decoder's group is either predicted or coded
  if (decodes) return {groups, 1, 1, groups.groups};
  const int round = std::max(1, std::min(kRows / groups.largest(), room / 2));
  const int rounds = std::min(kRoundsAhead, room / round);
  return {groups, round, rounds * round, std::min(threads, groups.groups + 1)};
}

/**
 * mixSteps(coder, network, rows: Uint8Array, count, frequencies: Uint32Array): predicts and codes `count` symbols, whole
 * steps but for the block's end. rows is one row of S bytes and then the symbols: row t is the network's input of step t, row
 * t + 1 what is coded in it, read by an encoder and written by a decoder. frequencies is room for at least one step.
 * Returns what mixEncode or mixDecode would. Throws ERR_OPTIONS.
 */
napi_value mix_steps_js(napi_env env, napi_callback_info info) {
  const Arguments<5> a(env, info);
  MixHandle* const coder = mix_handle(env, a.value[0]);
  Network* const network = network_handle(env, a.value[1]);
  if (!coder || !network || coder->streams != static_cast<size_t>(network->streams))
    return fail(env, "ERR_OPTIONS", "mixSteps: needs an open coder and an open network of as many streams");
  const size_t streams = coder->streams;
  const size_t row = streams * kSymbols;  // frequencies of a step
  size_t bytes = 0, room = 0;
  auto* const rows = static_cast<uint8_t*>(a.array(2, napi_uint8_array, &bytes));
  const size_t count = a.size(3);
  auto* const frequencies = static_cast<uint32_t*>(a.array(4, napi_uint32_array, &room));
  if (!rows || !frequencies || count > INT32_MAX || bytes < streams + count || room < row)
    return fail(env, "ERR_OPTIONS", "mixSteps: needs a row more than it codes and room for the frequencies of a step");

  const bool decodes = coder->payload != nullptr;
  const int steps = static_cast<int>((count + streams - 1) / streams);
  const Cut c = cut(network->streams, static_cast<int>(network->scratch.size()), decodes,
                    static_cast<int>(std::min<size_t>(room / row, INT32_MAX)));
  const StreamGroups& groups = c.groups;
  const auto opinions = [&](int step) { return frequencies + step % c.ahead * row; };
  const auto code = [&](int group, int step) {
    const size_t first = static_cast<size_t>(groups.first(group));
    const size_t at = step * streams + first;
    if (at >= count) return;  // the block's last step has bytes for the first streams only
    const size_t n = std::min(static_cast<size_t>(groups.size(group)), count - at);
    uint8_t* const symbols = rows + streams + at;
    if (decodes)
      mix_decode(coder->mix, symbols, n, opinions(step) + first * kSymbols);
    else
      mix_encode(coder->mix, symbols, n, opinions(step) + first * kSymbols);
  };

  Pipeline pipeline(groups.groups, steps, c.ahead, c.round);
  network->pool->parallel_for(static_cast<size_t>(c.threads), [&](size_t thread) {
    const auto predict = [&](int group, int step, int n) {
      network->run(groups.first(group), groups.size(group), step, n, rows + step * streams, opinions(step), thread);
    };
    pipeline.work(predict, code);
  });
  network->position.advance(steps, network->model->shape.window);

  if (decodes) return number(env, static_cast<double>(mix_position(coder->mix)));
  return encoded_size(env, *coder);
}

}  // namespace

void register_pipeline(napi_env env, napi_value exports) {
  napi_value function = nullptr;
  if (napi_create_function(env, "mixSteps", NAPI_AUTO_LENGTH, mix_steps_js, nullptr, &function) == napi_ok)
    napi_set_named_property(env, exports, "mixSteps", function);
}

}  // namespace shacomp
