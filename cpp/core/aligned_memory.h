/** @file Memory of the native addon's networks and trainers, freed with its owner. */
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "core/arena.h"

namespace shacomp {

struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, FreeMemory>;

/**
 * At least `size` bytes, aligned to kAlignment; the system hands them out page by page as they are touched.
 * @throws std::bad_alloc
 */
inline Memory allocate_aligned(size_t size) {
  Memory memory(std::aligned_alloc(kAlignment, align_up(size)));
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace shacomp
