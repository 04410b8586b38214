/** @file Placing arrays in one block of memory. */
#pragma once
#include <cstddef>
#include <cstdint>

namespace shacomp {

constexpr size_t kAlignment = 64;

/** Hands out consecutive aligned arrays. From a null base it only measures: `used()` is the size to ask for. */
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<uint8_t*>(base)) {}

  template <class T>
  T* take(size_t count) {
    T* const array = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return array;
  }

  size_t used() const { return used_; }

 private:
  uint8_t* base_;
  size_t used_ = 0;
};

/** Reads little-endian numbers of any alignment, in file order. */
class Reader {
 public:
  explicit Reader(const uint8_t* at) : at_(at) {}

  const uint8_t* bytes(size_t n) {
    const uint8_t* const here = at_;
    at_ += n;
    return here;
  }
  template <class T>
  T number() {
    T value;
    __builtin_memcpy(&value, bytes(sizeof(T)), sizeof(T));
    return value;
  }
  template <class T>
  void numbers(T* out, size_t n) {
    __builtin_memcpy(out, bytes(n * sizeof(T)), n * sizeof(T));
  }

 private:
  const uint8_t* at_;
};

}  // namespace shacomp
