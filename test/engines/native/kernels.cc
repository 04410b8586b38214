/**
 * @file One instruction set's network as a program of its own, for instruction sets that this processor lacks
 * or that no engine would choose here (test/engines/native/kernels.test.ts). Compiled with SHACOMP_ISA; for
 * WebAssembly a module that exports check_products.
 *
 *   kernels products                              checks every product kernel against plain loops
 *   kernels run MODEL BYTES STREAMS STEPS OUTPUT  writes the frequencies of a run
 */
#include "network/network.isa.cc"

namespace {

using namespace shacomp;
using namespace shacomp::SHACOMP_ISA;

constexpr int kMaxDepth = 1024;
constexpr int kRows = 2 * kBlockRows;

uint32_t random_state = 1;
uint32_t random_number() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

enum Pattern { kRandom, kSigns, kMost, kLeast, kOpposite, kPatterns };

/** A number of magnitude at most `limit`. */
int number(int pattern, int limit, int k) {
  switch (pattern) {
    case kSigns: return random_number() & 1 ? limit : -limit;
    case kMost: return limit;
    case kLeast: return -limit;
    case kOpposite: return k & 1 ? limit : -limit;
    default: return static_cast<int>(random_number() % (2 * limit + 1)) - limit;
  }
}

int8_t weights[kRows * kMaxDepth];
int8_t values[kMaxRows * kMaxDepth];
alignas(64) int8_t packed[kRows * kMaxDepth];
alignas(64) Operand operands[kMaxRows * kMaxDepth];
int32_t starts[kRows];

/** Number of sums of one product that are not what plain loops give. */
int check_product(const ProductKernel& kernel, int depth, int columns, int weight_pattern,
                  int operand_pattern) {
  const Matrix matrix = {packed, starts, &kernel};
  for (int i = 0; i < kRows * depth; i++)
    weights[i] = static_cast<int8_t>(number(weight_pattern, kernel.limit, i));
  for (int row = 0; row < kRows; row++) kernel.pack_row(matrix, row, weights + row * depth, depth);
  for (int i = 0; i < columns * depth; i++) {
    // every other random column has few large operands among small ones: risky in places
    const bool small = operand_pattern == kRandom && i / depth % 2 == 1 && i % depth % 48 >= 8;
    values[i] = static_cast<int8_t>(number(operand_pattern, small ? 20 : 127, i));
    operands[i] = static_cast<Operand>(values[i] + kOperandOffset);
  }
  int wrong = 0;
  product<kMaxRows>(matrix, kRows, depth, operands, depth, columns,
                    [&](int row, int column, const int32_t* sums) {
                      for (int i = 0; i < kBlockRows; i++) {
                        int32_t expected = 0;
                        for (int k = 0; k < depth; k++)
                          expected += weights[(row + i) * depth + k] * values[column * depth + k];
                        wrong += sums[i] != expected;
                      }
                    });
  return wrong;
}

/** Every depth and number of columns that networks have. */
int check_kernel(const ProductKernel& kernel) {
  constexpr int kColumns[] = {1, 2, 3, 4, 5, 6, 7, 11, kMaxRows};
  int wrong = 0;
  for (int depth = 64; depth <= kMaxDepth; depth += 64) {
    for (const int columns : kColumns) {
      if (columns > 7 && depth != 64 && depth != 320) continue;
      for (int pair = 0; pair < kPatterns * kPatterns; pair++)
        wrong += check_product(kernel, depth, columns, pair / kPatterns, pair % kPatterns);
    }
  }
  return wrong;
}

/** Whether kernel `i` would ever be chosen on this host. */
template <class... K>
bool suits(int i, KernelList<K...>) {
  const bool all[] = {suits_host<K>()..., true};
  return all[i];
}

/** Checks kernel `i`, in the order of Kernels and then MemoryKernel; -1 if there is none. */
template <class... K>
int check_kernel_number(int i, const char*& name, KernelList<K...>) {
  const ProductKernel* const kernels[] = {&kKernel<K>..., &kKernel<MemoryKernel>};
  if (i > static_cast<int>(sizeof...(K))) return -1;
  name = kernels[i]->name;
  return check_kernel(*kernels[i]);
}

}  // namespace

#if defined(__wasm__)

extern "C" [[gnu::used]] __attribute__((export_name("check_products"))) int check_products(int i) {
  const char* name;
  return check_kernel_number(i, name, Kernels());
}
extern "C" [[gnu::used]] __attribute__((export_name("suits_host"))) bool suits_host(int i) {
  return suits(i, Kernels());
}

#else

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

struct Aligned {
  explicit Aligned(size_t size) : memory(std::aligned_alloc(64, (size + 63) / 64 * 64)) {}
  ~Aligned() { std::free(memory); }
  Aligned(const Aligned&) = delete;
  void* memory;
};

std::vector<uint8_t> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run_network(const char* model_path, const char* bytes_path, int streams, int steps, const char* output) {
  const NetworkKernels& kernels = network_kernels;
  const std::vector<uint8_t> file = read_file(model_path);
  const std::vector<uint8_t> bytes = read_file(bytes_path);
  const Shape shape = read_shape(file.data());
  Aligned model(kernels.model_size(shape));
  Aligned state(kernels.state_size(shape, streams));
  Aligned scratch(kernels.scratch_size(shape));
  kernels.pack_model(file.data(), model.memory);
  kernels.reset_state(model.memory, state.memory, streams);
  std::vector<uint32_t> frequencies(static_cast<size_t>(streams) * steps * kSymbols);
  kernels.run(model.memory, state.memory, streams, {}, 0, streams, steps, bytes.data(), frequencies.data(),
              scratch.memory);
  std::ofstream(output, std::ios::binary)
      .write(reinterpret_cast<const char*>(frequencies.data()), frequencies.size() * sizeof(uint32_t));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "products") == 0) {
    const char* name;
    int failed = 0;
    for (int i = 0, wrong; (wrong = check_kernel_number(i, name, Kernels())) >= 0; i++) {
      std::printf("%s: %d sums wrong\n", name, wrong);
      failed |= wrong;
    }
    return failed ? 1 : 0;
  }
  if (argc != 7 || std::strcmp(argv[1], "run") != 0) return 2;
  run_network(argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]), argv[6]);
  return 0;
}

#endif
