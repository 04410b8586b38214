#!/usr/bin/env node
/**
 * @file Writes cpp/mix/corrector_weights.h from src/engines/reference/corrector.json, which
 * training/torch/corrector.py makes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const JSON_FILE = new URL('../src/engines/reference/corrector.json', import.meta.url);
export const HEADER = new URL('../cpp/mix/corrector_weights.h', import.meta.url);
const PER_LINE = 16;

/** The header's text. */
export function header() {
  const { inputs, categories, units, weights } = JSON.parse(readFileSync(JSON_FILE, 'utf8'));
  const bytes = Buffer.from(weights, 'base64');
  const numbers = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const lines = Array.from({ length: Math.ceil(numbers.length / PER_LINE) }, (_, i) =>
    numbers.subarray(i * PER_LINE, (i + 1) * PER_LINE).join(','),
  );
  return `/** @file Weights of the corrector, Q11; written by scripts/corrector-weights.mjs. */
#pragma once
#include <cstdint>

// clang-format off
namespace shacomp::mix {

inline constexpr int CORRECTOR_INPUTS = ${inputs}, CORRECTOR_UNITS[] = {${units.join(', ')}};
/** How many values each category has. */
inline constexpr uint32_t CORRECTOR_CATEGORIES[] = {${categories.join(', ')}};

/**
 * Of the inputs [inputs][units 0], of all categories' values [values][units 0], of the second layer
 * [units 0][units 1], its bias [units 1], of the last unit [units 1], its bias.
 */
inline constexpr int16_t CORRECTOR_WEIGHTS[] = {
${lines.join(',\n')}};

}  // namespace shacomp::mix
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(HEADER, header());
