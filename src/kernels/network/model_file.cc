/** @file The header of a .sharnn file (docs/format.md). */
#include "network/memory.h"
#include "network/network.h"

namespace shacomp {

Shape read_shape(const uint8_t* file) {
  Reader header(file + 10);
  Shape shape;
  shape.width = header.number<uint16_t>();
  shape.layers = header.number<uint8_t>();
  shape.boom = header.number<uint8_t>();
  shape.window = header.number<uint16_t>();
  shape.attention = header.number<uint32_t>();
  return shape;
}

}  // namespace shacomp
