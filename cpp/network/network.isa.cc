/**
 * @file The integer network (docs/model.md, section 3), one instruction set per compilation.
 *
 * Rows are (step, stream) pairs, step-major: everything but the recurrence h -> gates and the walk through
 * the attention memory works on all rows of a call at once.
 */
#include "network/network.h"

#include "core/arena.h"
#include "core/isa.h"
#include "network/fixed_point.h"
#include "network/product.h"
#include "network/reader.h"

namespace shacomp::SHACOMP_ISA {
namespace {

constexpr int32_t kCellLimit = (1 << 24) - 1;
constexpr int32_t kLogitLimit = (1 << 24) - 1;
constexpr int32_t kScoreLimit = (1 << 24) - 1;
constexpr int kMostAttentionWeight = 255;
constexpr int kFileHeader = 64;
constexpr int kFileRecord = 16;

/** An int8 matrix with its rescale and the bias added afterwards. */
struct Linear {
  Matrix matrix;
  int32_t* multiplier;
  int32_t* bias;
  int shift;
};

struct Attention {
  int16_t* memory_scale;
  Linear query;
  Affine fold;
  int score_multiplier, score_shift;
  Affine mid, value;
  int output_shift;
};

struct Layer {
  int16_t* start_scale;  // not in the first layer
  Linear input;          // gate bias included; in the first layer `table` stands for it
  Linear state;          // bias unused
  Attention attention;
  bool has_attention;
  Affine residual;
  int16_t* boom_scale;
  Linear boom;
  int output_shift;
};

struct Model {
  Shape shape;
  RootOfWidth root;
  int32_t* table;  // [256][4d]: the first layer's rescaled input product plus bias, for every byte
  Layer layers[kMaxLayers];
  int16_t* output_scale;
  Linear output;
};

int padded_window(const Shape& shape) { return (shape.window + kBlockRows - 1) / kBlockRows * kBlockRows; }

Linear place_linear(Arena& arena, int rows, int depth) {
  int8_t* const packed = arena.take<int8_t>(static_cast<size_t>(rows) * depth);
  const Matrix matrix = {packed, arena.take<int32_t>(start_length(rows)), nullptr};
  int32_t* const multiplier = arena.take<int32_t>(rows);
  return {matrix, multiplier, arena.take<int32_t>(rows), 0};
}

Affine place_affine(Arena& arena, int d) {
  int16_t* const gain = arena.take<int16_t>(d);
  return {gain, arena.take<int32_t>(d), 0};
}

/** Lays a model out in memory; with a measuring arena only the size counts. */
void place_model(Model& model, Arena& arena, const Shape& shape) {
  const int d = shape.width;
  model.shape = shape;
  model.table = arena.take<int32_t>(static_cast<size_t>(kSymbols) * 4 * d);
  for (int l = 0; l < shape.layers; l++) {
    Layer& layer = model.layers[l];
    layer.start_scale = arena.take<int16_t>(d);
    layer.input = place_linear(arena, 4 * d, d);
    layer.state = place_linear(arena, 4 * d, d);
    layer.has_attention = (shape.attention >> l) & 1;
    if (layer.has_attention) {
      layer.attention.memory_scale = arena.take<int16_t>(d);
      layer.attention.query = place_linear(arena, d, d);
      layer.attention.fold = place_affine(arena, d);
      layer.attention.mid = place_affine(arena, d);
      layer.attention.value = place_affine(arena, d);
    }
    layer.residual = place_affine(arena, d);
    layer.boom_scale = arena.take<int16_t>(d);
    layer.boom = place_linear(arena, shape.boom * d, d);
  }
  model.output_scale = arena.take<int16_t>(d);
  model.output = place_linear(arena, kSymbols, d);
}

void read_matrix(Reader& file, Linear& linear, int rows, int depth) {
  const size_t size = static_cast<size_t>(rows) * depth;
  const int8_t* const values = reinterpret_cast<const int8_t*>(file.bytes(size));
  int largest = 0;
  for (size_t i = 0; i < size; i++) {
    const int magnitude = values[i] < 0 ? -values[i] : values[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  Matrix& matrix = linear.matrix;
  matrix.kernel = kernel_for(largest);
  for (int row = 0; row < rows; row++)
    matrix.kernel->pack_row(matrix, row, values + static_cast<size_t>(row) * depth, depth);
  for (int row = 0; row < rows; row++) linear.multiplier[row] = file.number<uint16_t>();
}

void read_affine(Reader& file, Affine& affine, int d) {
  file.numbers(affine.gain, d);
  file.numbers(affine.bias, d);
}

/** Rescaled sums of the rows from `row` on. */
INLINE I32 rescaled(const Linear& linear, int row, const int32_t* sums) {
  return scale(load32(sums), load32(linear.multiplier + row), linear.shift);
}
INLINE I32 with_bias(const Linear& linear, int row, const int32_t* sums) {
  return rescaled(linear, row, sums) + load32(linear.bias + row);
}

/** int32 results [columns][rows]. */
INLINE void product_wide(const Linear& linear, int rows, int depth, const Operand* x, int columns,
                         int32_t* out) {
  product<kMaxRows>(linear.matrix, rows, depth, x, depth, columns,
                    [&](int row, int column, const int32_t* sums) {
                      int32_t* const to = out + static_cast<size_t>(column) * rows + row;
                      UNROLL
                      for (int i = 0; i < kBlockRows; i += kLanes32)
                        store32(to + i, with_bias(linear, row + i, sums + i));
                    });
}

/** int16 results [columns][rows], saturated. */
INLINE void product_narrow(const Linear& linear, int rows, int depth, const Operand* x, int columns,
                           int16_t* out) {
  product<kMaxRows>(
      linear.matrix, rows, depth, x, depth, columns, [&](int row, int column, const int32_t* sums) {
        int16_t* const to = out + static_cast<size_t>(column) * rows + row;
        UNROLL
        for (int i = 0; i < kBlockRows; i += kLanes16) {
          const I32 first = with_bias(linear, row + i, sums + i);
          store16(to + i, sat16(first, with_bias(linear, row + i + kLanes32, sums + i + kLanes32)));
        }
      });
}

INLINE void store_quantized(const int16_t* n, int d, const int16_t* scale, Operand* out) {
  for (int i = 0; i < d; i += kLanes16) store_operand(out + i, quant(load16(n + i), scale + i));
}

size_t model_size(const Shape& shape) {
  Arena arena(nullptr);
  arena.take<Model>(1);
  Model measured;
  place_model(measured, arena, shape);
  return static_cast<size_t>(arena.used());
}

void pack_model(const uint8_t* bytes, void* memory) {
  Arena arena(memory);
  Model& model = *arena.take<Model>(1);
  const Shape shape = read_shape(bytes);
  const int d = shape.width;
  place_model(model, arena, shape);
  model.root = root_of_width(d);

  Reader file(bytes + kFileHeader);
  const int8_t* const input = reinterpret_cast<const int8_t*>(file.bytes(static_cast<size_t>(kSymbols) * d));
  file.bytes(sizeof(int16_t) * d);  // the table's scale, for training
  for (int l = 0; l < shape.layers; l++) {
    Layer& layer = model.layers[l];
    Attention& attention = layer.attention;
    const uint8_t* const record = file.bytes(kFileRecord);
    layer.input.shift = record[0];
    layer.state.shift = record[1];
    layer.boom.shift = record[2];
    layer.residual.shift = record[3];
    layer.output_shift = record[4];
    attention.query.shift = record[5];
    attention.fold.shift = record[6];
    attention.mid.shift = record[7];
    attention.value.shift = record[8];
    attention.output_shift = record[9];
    attention.score_shift = record[10];
    attention.score_multiplier = record[11] | record[12] << 8;
    if (l > 0) file.numbers(layer.start_scale, d);
    read_matrix(file, layer.input, 4 * d, d);
    read_matrix(file, layer.state, 4 * d, d);
    file.numbers(layer.input.bias, 4 * d);
    if (layer.has_attention) {
      file.numbers(attention.memory_scale, d);
      read_matrix(file, attention.query, d, d);
      file.numbers(attention.query.bias, d);
      read_affine(file, attention.fold, d);
      read_affine(file, attention.mid, d);
      read_affine(file, attention.value, d);
    }
    read_affine(file, layer.residual, d);
    file.numbers(layer.boom_scale, d);
    read_matrix(file, layer.boom, shape.boom * d, d);
    file.numbers(layer.boom.bias, shape.boom * d);
  }
  const uint8_t* const record = file.bytes(kFileRecord);
  model.output.shift = record[0];
  file.numbers(model.output_scale, d);
  read_matrix(file, model.output, kSymbols, d);
  file.numbers(model.output.bias, kSymbols);

  alignas(kAlignment) Operand operand[1024];
  for (int s = 0; s < kSymbols; s++) {
    for (int k = 0; k < d; k++) operand[k] = static_cast<Operand>(input[s * d + k] + kOperandOffset);
    product_wide(model.layers[0].input, 4 * d, d, operand, 1, model.table + static_cast<size_t>(s) * 4 * d);
  }
}

/** State of one layer, all streams. */
struct LayerState {
  Operand* hidden;  // h8 [streams][d], Q0.7
  int32_t* cell;    // [streams][d], Q9.15
  int8_t* memory;   // [streams] packed matrices, one row per position
  int32_t* starts;  // [streams] their Matrix::start
};

struct State {
  LayerState layers[kMaxLayers];
};

void place_state(State& state, Arena& arena, const Shape& shape, int streams) {
  const size_t d = shape.width;
  const size_t window = padded_window(shape);
  for (int l = 0; l < shape.layers; l++) {
    LayerState& layer = state.layers[l];
    layer.hidden = arena.take<Operand>(streams * d);
    layer.cell = arena.take<int32_t>(streams * d);
    if (!((shape.attention >> l) & 1)) continue;
    layer.memory = arena.take<int8_t>(streams * window * d);
    layer.starts = arena.take<int32_t>(start_length(streams * window));
  }
}

size_t state_size(const Shape& shape, int streams) {
  Arena arena(nullptr);
  arena.take<State>(1);
  State measured;
  place_state(measured, arena, shape, streams);
  return static_cast<size_t>(arena.used());
}

// The attention memory is not cleared: positions beyond those filled are read, but their weights are 0.
void reset_state(const void* model_memory, void* memory, int streams) {
  const Shape& shape = static_cast<const Model*>(model_memory)->shape;
  Arena arena(memory);
  State& state = *arena.take<State>(1);
  place_state(state, arena, shape, streams);
  const size_t n = static_cast<size_t>(streams) * shape.width;
  for (int l = 0; l < shape.layers; l++) {
    for (size_t i = 0; i < n; i++) state.layers[l].hidden[i] = kOperandOffset;
    for (size_t i = 0; i < n; i++) state.layers[l].cell[i] = 0;
  }
}

/** The weights of kLanes32 positions from `position` on, as many as MemoryKernel takes at a time. */
struct Portion {
  int32_t position;
  Operand weights[kLanes32];
};
constexpr int kPortions =
    (kMostAttentionWeight + MemoryKernel::kMostRowWeight - 1) / MemoryKernel::kMostRowWeight;

/** Intermediate results of up to kMaxRows rows. */
struct Scratch {
  int32_t* input;     // [rows][4d] gate input, Q4.11 / Q3.12, not saturated
  int16_t* products;  // [rows][max(4, boom) d]: gates, queries, boom
  int16_t* y;         // [rows][d]: the residual stream
  int16_t* n;         // [rows][d]: y, normalized
  Operand* operand;   // [rows][d]
  int8_t* position;   // [rows][d]: what the attention memory will hold
  int32_t* scores;    // [padded window]
  int16_t* weights;   // [padded window]
  Portion* portions;  // [kPortions * padded window / kLanes32]
  int32_t* sums;      // [d]
};

void place_scratch(Scratch& scratch, Arena& arena, const Shape& shape) {
  const size_t d = shape.width;
  const size_t window = padded_window(shape);
  scratch.input = arena.take<int32_t>(kMaxRows * 4 * d);
  scratch.products = arena.take<int16_t>(kMaxRows * (shape.boom > 4 ? shape.boom : 4) * d);
  scratch.y = arena.take<int16_t>(kMaxRows * d);
  scratch.n = arena.take<int16_t>(kMaxRows * d);
  scratch.operand = arena.take<Operand>(kMaxRows * d);
  scratch.position = arena.take<int8_t>(kMaxRows * d);
  scratch.scores = arena.take<int32_t>(window);
  scratch.weights = arena.take<int16_t>(window);
  scratch.portions = arena.take<Portion>(kPortions * window / kLanes32);
  scratch.sums = arena.take<int32_t>(d);
}

size_t scratch_size(const Shape& shape) {
  Arena arena(nullptr);
  Scratch measured;
  place_scratch(measured, arena, shape);
  return static_cast<size_t>(arena.used());
}

/** The rows of one call: `steps` steps of streams [first, first + count). */
struct Batch {
  Position position;  // before its first step
  int first, count, steps;
  int rows() const { return count * steps; }
};

/** LSTM gates [4d] to cell and hidden state of one stream. */
void lstm_cell(const Sigmoid& sigmoid, const int16_t* gates, int d, int32_t* cell, Operand* hidden,
               int16_t* y) {
  const I32 limit = set32(kCellLimit);
  const I32 least = set32(-kCellLimit);
  for (int u = 0; u < d; u += kLanes16) {
    const I16 i = sigmoid(load16(gates + u));
    const I16 f = sigmoid(load16(gates + d + u));
    const I16 g = sigmoid.tanh(load16(gates + 2 * d + u));
    const I16 o = sigmoid(load16(gates + 3 * d + u));
    Wide c = {load32(cell + u), load32(cell + u + kLanes32)};
    const I16 in = mul15(i, g);
    c.low = scale(c.low, low(f), 15) + low(in);
    c.high = scale(c.high, high(f), 15) + high(in);
    c = {max(min(c.low, limit), least), max(min(c.high, limit), least)};
    store32(cell + u, c.low);
    store32(cell + u + kLanes32, c.high);
    const I16 h = mul15(o, sigmoid.tanh(narrowed(c, 3)));
    store16(y + u, h);
    store_operand(hidden + u, sat8(add_saturated(h, set16(128)) >> 8));
  }
}

/** The recurrent half: step by step, all streams at once. Leaves h in scratch.y. */
void lstm(const Model& model, int l, const LayerState& state, const Batch& batch, const int32_t* const* input,
          const Scratch& scratch) {
  const int d = model.shape.width;
  const Linear& recurrent = model.layers[l].state;
  const Sigmoid sigmoid = Sigmoid::make();
  const size_t from = static_cast<size_t>(batch.first) * d;
  for (int t = 0; t < batch.steps; t++) {
    const int32_t* const* const rows = input + t * batch.count;
    product<kMaxRows>(recurrent.matrix, 4 * d, d, state.hidden + from, d, batch.count,
                      [&](int row, int column, const int32_t* sums) {
                        int16_t* const to = scratch.products + static_cast<size_t>(column) * 4 * d + row;
                        const int32_t* const in = rows[column] + row;
                        UNROLL
                        for (int i = 0; i < kBlockRows; i += kLanes16) {
                          const int j = i + kLanes32;
                          store16(to + i, sat16(rescaled(recurrent, row + i, sums + i) + load32(in + i),
                                                rescaled(recurrent, row + j, sums + j) + load32(in + j)));
                        }
                      });
    for (int s = 0; s < batch.count; s++) {
      const size_t at = from + static_cast<size_t>(s) * d;
      lstm_cell(sigmoid, scratch.products + static_cast<size_t>(s) * 4 * d, d, state.cell + at,
                state.hidden + at, scratch.y + static_cast<size_t>(t * batch.count + s) * d);
    }
  }
}

/**
 * Scores to weights 0..255 in scratch.weights; returns their sum. `padded` positions are written, `filled`
 * count.
 */
int32_t softmax_weights(const Attention& attention, int filled, int padded, const Scratch& scratch) {
  for (int j = filled; j < padded; j++) scratch.scores[j] = -(1 << 30);
  I32 top = load32(scratch.scores);
  for (int j = 0; j < padded; j += kLanes32) top = max(top, load32(scratch.scores + j));
  const I32 best = set32(max_of(top));
  const I32 multiplier = set32(attention.score_multiplier);
  const I32 limit = set32(kScoreLimit);
  const auto weight = [&](int j) {
    const I32 below = min(best - load32(scratch.scores + j), limit);
    return attention_weight(scale(below, multiplier, attention.score_shift));
  };
  I32 total = set32(0);
  for (int j = 0; j < padded; j += kLanes16) {
    const I32 first = weight(j);
    const I32 second = weight(j + kLanes32);
    total = total + first + second;
    store16(scratch.weights + j, narrow(first, second));
  }
  int32_t Z = sum(total);
  for (int j = filled; j < padded; j++) {
    Z -= scratch.weights[j];
    scratch.weights[j] = 0;
  }
  return Z;
}

INLINE bool all_zero(const Operand (&values)[kLanes32]) {
  uint64_t any = 0;
  for (size_t i = 0; i < sizeof(values); i += sizeof(any)) {
    constexpr size_t kPart = sizeof(values) < sizeof(any) ? sizeof(values) : sizeof(any);
    uint64_t word = 0;
    __builtin_memcpy(&word, reinterpret_cast<const uint8_t*>(values) + i, kPart);
    any |= word;
  }
  return any == 0;
}

/** Lists the weights other than 0 in scratch.portions; returns how many portions there are. */
int list_portions(int padded, const Scratch& scratch) {
  int count = 0;
  for (int j = 0; j < padded; j += kLanes16) {
    I16 rest = load16(scratch.weights + j);
    for (int p = 0; p < kPortions; p++) {
      const I16 part = min(rest, set16(MemoryKernel::kMostRowWeight));
      rest = rest - part;
      Operand parts[kLanes16];
      store_bytes(parts, part);
      for (int half = 0; half < kLanes16; half += kLanes32) {
        Portion& portion = scratch.portions[count];
        portion.position = j + half;
        __builtin_memcpy(portion.weights, parts + half, sizeof(portion.weights));
        count += !all_zero(portion.weights);
      }
    }
  }
  return count;
}

/** scratch.sums = sum of weight * memory over the positions whose weight is not 0. */
void weighted_sum(Matrix memory, int d, int padded, const Scratch& scratch) {
  using K = MemoryKernel;
  constexpr int kGroupBytes = kLanes32 * K::kDepth;
  constexpr int kStride = kRowVectors * kGroupBytes;
  const int count = list_portions(padded, scratch);
  for (int group = 0; group < d / K::kDepth; group += K::kSumGroups) {
    I32 sums[K::kSumGroups];
    UNROLL
    for (int g = 0; g < K::kSumGroups; g++) sums[g] = set32(0);
    for (int p = 0; p < count; p++) {
      const Portion& portion = scratch.portions[p];
      const int j = portion.position;
      const auto weights = K::spread(portion.weights);
      const int8_t* const from = memory.packed + static_cast<size_t>(j / kBlockRows) * kBlockRows * d +
                                 j % kBlockRows / kLanes32 * kGroupBytes + group * kStride;
      UNROLL
      for (int g = 0; g < K::kSumGroups; g++) sums[g] = K::dot_rows(sums[g], from + g * kStride, weights);
    }
    UNROLL
    for (int g = 0; g < K::kSumGroups; g++)
      K::store_row_sums(scratch.sums + (group + g) * K::kDepth, sums[g]);
  }
}

/** One query against one stream's memory; y = mid(n) + value(mean memory). */
void attend(const Model& model, const Attention& attention, Matrix memory, int filled, const Operand* query,
            const int16_t* n, int16_t* y, const Scratch& scratch) {
  const int d = model.shape.width;
  const int padded = (filled + kBlockRows - 1) / kBlockRows * kBlockRows;
  product<1>(memory, padded, d, query, d, 1, [&](int row, int, const int32_t* sums) {
    UNROLL
    for (int i = 0; i < kBlockRows; i += kLanes32) store32(scratch.scores + row + i, load32(sums + i));
  });
  const int32_t Z = softmax_weights(attention, filled, padded, scratch);
  weighted_sum(memory, d, padded, scratch);

  const int window = model.shape.window;
  const int sv = window <= 512 ? 0 : bit_length((window + 511) / 512 - 1);
  const int k = 16 - bit_length(Z);
  const uint32_t z = k >= 0 ? static_cast<uint32_t>(Z) << k : static_cast<uint32_t>(Z) >> -k;
  const I32 R = set32(static_cast<int32_t>(((1u << 30) - 1) / z));
  const int s = 22 - k - sv;  // Q7.8, in steps of the memory's channels
  for (int i = 0; i < d; i += kLanes16) {
    const I16 mean = sat16(scale(load32(scratch.sums + i) >> sv, R, s),
                           scale(load32(scratch.sums + i + kLanes32) >> sv, R, s));
    const Wide own = affine(load16(n + i), attention.mid, i);
    const Wide read = affine(mean, attention.value, i);
    store16(y + i, narrowed({own.low + read.low, own.high + read.high}, attention.output_shift));
  }
}

/** Attention of all rows: queries together, then stream by stream, whose memory stays in the cache. */
void attention_block(const Model& model, const Attention& attention, const LayerState& state,
                     const Batch& batch, const Scratch& scratch) {
  const int d = model.shape.width;
  const size_t window = padded_window(model.shape);
  const int rows = batch.rows();
  for (int r = 0; r < rows; r++) {
    const size_t at = static_cast<size_t>(r) * d;
    normalize(scratch.y + at, scratch.n + at, d, model.root);
    for (int i = 0; i < d; i += kLanes16) {
      const I16 m8 = quant(load16(scratch.n + at + i), attention.memory_scale + i);
      store_bytes(scratch.position + at + i, m8);
      store_operand(scratch.operand + at + i, m8);
    }
  }
  product_narrow(attention.query, d, d, scratch.operand, rows, scratch.products);
  const int fold_shift = attention.fold.shift;
  const I32 half = set32(1 << (fold_shift - 1));
  for (int r = 0; r < rows; r++) {
    const size_t at = static_cast<size_t>(r) * d;
    int16_t* const v = scratch.products + at;
    normalize(v, v, d, model.root);
    for (int i = 0; i < d; i += kLanes16) {
      const I16 n = load16(v + i);
      const I16 gain = load16(attention.fold.gain + i);
      const I32 first = mul16(low(n), low(gain)) + load32(attention.fold.bias + i) + half;
      const I32 second = mul16(high(n), high(gain)) + load32(attention.fold.bias + i + kLanes32) + half;
      store_operand(scratch.operand + at + i, sat8(narrow(first >> fold_shift, second >> fold_shift)));
    }
  }
  for (int s = 0; s < batch.count; s++) {
    const size_t stream = batch.first + s;
    const Matrix memory = {state.memory + stream * window * d, state.starts + stream * window,
                           &kKernel<MemoryKernel>};
    Position position = batch.position;
    for (int t = 0; t < batch.steps; t++) {
      const size_t at = static_cast<size_t>(t * batch.count + s) * d;
      memory.kernel->pack_row(memory, position.slot, scratch.position + at, d);
      position.advance(1, model.shape.window);
      attend(model, attention, memory, position.filled, scratch.operand + at, scratch.n + at, scratch.y + at,
             scratch);
    }
  }
}

/** Boom layer and residual. */
void feed_forward(const Model& model, const Layer& layer, const Batch& batch, const Scratch& scratch) {
  const int d = model.shape.width;
  const int boom = model.shape.boom;
  const int rows = batch.rows();
  for (int r = 0; r < rows; r++) {
    const size_t at = static_cast<size_t>(r) * d;
    normalize(scratch.y + at, scratch.n + at, d, model.root);
    store_quantized(scratch.n + at, d, layer.boom_scale, scratch.operand + at);
  }
  product_narrow(layer.boom, boom * d, d, scratch.operand, rows, scratch.products);
  const Sigmoid sigmoid = Sigmoid::make();
  for (int r = 0; r < rows; r++) {
    const size_t at = static_cast<size_t>(r) * d;
    const int16_t* const products = scratch.products + at * boom;
    for (int i = 0; i < d; i += kLanes16) {
      Wide sum = {set32(0), set32(0)};
      for (int chunk = 0; chunk < boom; chunk++) {
        const I16 g = gelu(sigmoid, load16(products + chunk * d + i));
        sum = {sum.low + low(g), sum.high + high(g)};
      }
      const Wide residual = affine(load16(scratch.n + at + i), layer.residual, i);
      // Q7.8 to Q.10
      store16(scratch.y + at + i,
              narrowed({residual.low + (sum.low << 2), residual.high + (sum.high << 2)}, layer.output_shift));
    }
  }
}

/** Normalized and quantized rows of scratch.y, as the input of a product. */
void quantize_rows(const Model& model, const int16_t* scale, int rows, const Scratch& scratch) {
  const int d = model.shape.width;
  for (int r = 0; r < rows; r++) {
    const size_t at = static_cast<size_t>(r) * d;
    normalize(scratch.y + at, scratch.n + at, d, model.root);
    store_quantized(scratch.n + at, d, scale, scratch.operand + at);
  }
}

/** @param out where each row's 256 frequencies go */
void output_layer(const Model& model, const Batch& batch, uint32_t* const* out, const Scratch& scratch) {
  const int d = model.shape.width;
  quantize_rows(model, model.output_scale, batch.rows(), scratch);
  const I32 limit = set32(kLogitLimit);
  const I32 least = set32(-kLogitLimit);
  // The logits wait where their frequencies will be.
  product<kMaxRows>(model.output.matrix, kSymbols, d, scratch.operand, d, batch.rows(),
                    [&](int row, int column, const int32_t* sums) {
                      int32_t* const to = reinterpret_cast<int32_t*>(out[column]) + row;
                      UNROLL
                      for (int i = 0; i < kBlockRows; i += kLanes32)
                        store32(to + i, max(min(with_bias(model.output, row + i, sums + i), limit), least));
                    });
  for (int r = 0; r < batch.rows(); r++) {
    int32_t* const z = reinterpret_cast<int32_t*>(out[r]);
    I32 top = load32(z);
    for (int i = 0; i < kSymbols; i += kLanes32) top = max(top, load32(z + i));
    const I32 best = set32(max_of(top));
    for (int i = 0; i < kSymbols; i += kLanes32) store32(z + i, frequency(best - load32(z + i)));
  }
}

/** All layers of one batch of at most kMaxRows rows. */
void forward(const Model& model, const State& state, const Batch& batch, const uint8_t* const* bytes,
             uint32_t* const* out, const Scratch& scratch) {
  const int d = model.shape.width;
  const int rows = batch.rows();
  const int32_t* input[kMaxRows];
  for (int r = 0; r < rows; r++) input[r] = model.table + static_cast<size_t>(*bytes[r]) * 4 * d;
  for (int l = 0; l < model.shape.layers; l++) {
    const Layer& layer = model.layers[l];
    if (l > 0) {
      quantize_rows(model, layer.start_scale, rows, scratch);
      product_wide(layer.input, 4 * d, d, scratch.operand, rows, scratch.input);
      for (int r = 0; r < rows; r++) input[r] = scratch.input + static_cast<size_t>(r) * 4 * d;
    }
    lstm(model, l, state.layers[l], batch, input, scratch);
    if (layer.has_attention) attention_block(model, layer.attention, state.layers[l], batch, scratch);
    feed_forward(model, layer, batch, scratch);
  }
  output_layer(model, batch, out, scratch);
}

void run(const void* model_memory, void* state_memory, int streams, Position position, int first, int count,
         int steps, const uint8_t* bytes, uint32_t* frequencies, void* scratch_memory) {
  const Model& model = *static_cast<const Model*>(model_memory);
  const State& state = *static_cast<const State*>(state_memory);
  Arena arena(scratch_memory);
  Scratch scratch;
  place_scratch(scratch, arena, model.shape);

  // Few streams at a time where there are several steps: their attention memory then stays in the cache.
  const int together = steps > 1 ? kMaxRows / 4 : kMaxRows;
  const int groups = (count + together - 1) / together;
  for (int g = 0; g < groups; g++) {
    Batch batch;
    batch.position = position;
    batch.first = first + count * g / groups;
    batch.count = first + count * (g + 1) / groups - batch.first;
    const int most = kMaxRows / batch.count;
    for (int t = 0; t < steps; t += batch.steps) {
      batch.steps = steps - t < most ? steps - t : most;
      const uint8_t* in[kMaxRows];
      uint32_t* out[kMaxRows];
      for (int r = 0; r < batch.rows(); r++) {
        const size_t at = static_cast<size_t>(t + r / batch.count) * streams + batch.first + r % batch.count;
        in[r] = bytes + at;
        out[r] = frequencies + at * kSymbols;
      }
      forward(model, state, batch, in, out, scratch);
      batch.position.advance(batch.steps, model.shape.window);
    }
  }
}

void run_rows(const void* model_memory, void* state_memory, Position position, int first, int count,
              int steps, const uint8_t* const* bytes, uint32_t* const* frequencies, void* scratch_memory) {
  const Model& model = *static_cast<const Model*>(model_memory);
  Arena arena(scratch_memory);
  Scratch scratch;
  place_scratch(scratch, arena, model.shape);
  Batch batch;
  batch.position = position;
  batch.first = first;
  batch.count = count;
  batch.steps = steps;
  forward(model, *static_cast<const State*>(state_memory), batch, bytes, frequencies, scratch);
}

int32_t benchmark_product(const void* model_memory, int columns, int repeats, void* scratch_memory) {
  const Model& model = *static_cast<const Model*>(model_memory);
  const int d = model.shape.width;
  Arena arena(scratch_memory);
  Scratch scratch;
  place_scratch(scratch, arena, model.shape);
  for (int i = 0; i < columns * d; i++)
    scratch.operand[i] = static_cast<Operand>(kOperandOffset + i * 37 % 127 - 63);
  for (int i = 0; i < repeats; i++)
    product_narrow(model.layers[0].state, 4 * d, d, scratch.operand, columns, scratch.products);
  return scratch.products[0];
}

const ProductKernel& benchmarked(const void* model) {
  return *static_cast<const Model*>(model)->layers[0].state.matrix.kernel;
}
const char* product_name(const void* model) { return benchmarked(model).name; }
double bare_dot(const void* model, int repeats) { return benchmarked(model).bare_dot(repeats); }

}  // namespace

extern const NetworkKernels network_kernels;
const NetworkKernels network_kernels = {
    SHACOMP_ISA_NAME, model_size,        pack_model,   state_size, reset_state, scratch_size, run,
    run_rows,         benchmark_product, product_name, bare_dot,
};

}  // namespace shacomp::SHACOMP_ISA
