/**
 * @file The arithmetic of docs/model.md, section 2, in WGSL: 32-bit integers, whose overflow wraps and whose
 * `>>` is arithmetic.
 */
import { EXP2 } from './constants.js';

/** How four signed bytes are multiplied with four others and summed. */
export type DotKernel = 'dot4I8Packed' | 'plain';

const dot4: Record<DotKernel, string> = {
  dot4I8Packed: `
fn dot4(a: u32, b: u32) -> i32 { return dot4I8Packed(a, b); }`,
  plain: `
fn dot4(a: u32, b: u32) -> i32 {
  let x = bytes4(a) * bytes4(b);
  return x.x + x.y + x.z + x.w;
}`,
};

/** Functions of numbers and of vectors alike. */
const typed = (suffix: string, T: string) => `
fn sat16${suffix}(x: ${T}) -> ${T} { return clamp(x, ${T}(${-32767}), ${T}(32767)); }
fn sat8${suffix}(x: ${T}) -> ${T} { return clamp(x, ${T}(${-127}), ${T}(127)); }
fn mul15${suffix}(a: ${T}, b: ${T}) -> ${T} { return (a * b + 16384) >> ${T === 'i32' ? '15u' : 'vec4u(15u)'}; }
`;

/** What every shader begins with. */
export const arithmetic = (dot: DotKernel): string => `
${typed('', 'i32')}
${typed('v', 'vec4i')}
fn bytes4(x: u32) -> vec4i { return (bitcast<vec4i>(vec4u(x)) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u); }
fn pack4(x: vec4i) -> u32 {
  let b = bitcast<vec4u>(x) & vec4u(255u);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}
${dot4[dot]}
fn dot16(a: vec4u, b: vec4u) -> i32 { return dot4(a.x, b.x) + dot4(a.y, b.y) + dot4(a.z, b.z) + dot4(a.w, b.w); }

// |a| <= 2^24, 0 <= m < 2^15, 9 <= s <= 31: no intermediate leaves 32 bits
fn scale(a: i32, m: i32, s: u32) -> i32 {
  let hi = (a >> 16u) * m;
  let lo = u32(a & 65535) * u32(m);
  if (s >= 17u) { return (hi + i32(lo >> 16u) + (1i << (s - 17u))) >> (s - 16u); }
  return (hi << (16u - s)) + i32((lo + (1u << (s - 1u))) >> s);
}
fn narrow(x: i32, s: u32) -> i32 { return sat16((x + (1i << (s - 1u))) >> s); }
fn affine(n: i32, gain: i32, bias: i32, s: u32) -> i32 { return ((n * gain + (1i << (s - 1u))) >> s) + bias; }

fn tanh16(x: i32) -> i32 {
  let a = abs(x);
  let k = a >> 11u;
  let u = (a & 2047) << 4u;
  let c = tanh_cubics[k];
  let t = c.x + mul15(u, c.y + mul15(u, c.z + mul15(u, c.w)));
  return select(t, 0 - t, x < 0);
}
fn sigmoid16(x: i32) -> i32 { return 16384 + (tanh16(x) >> 1u); }
fn gelu(x: i32) -> i32 { return mul15(x, sigmoid16(sat16(2 * mul15(sat16(8 * x), 27886)))); }

fn exp2neg(t: i32) -> i32 {
  let u = (t & 4095) << 3u;
  return ${EXP2[0]} + mul15(u, ${EXP2[1]} + mul15(u, ${EXP2[2]} + mul15(u, ${EXP2[3]})));
}
fn attention_weight(t: i32) -> i32 {
  let k = u32(t) >> 12u;
  if (k >= 9u) { return 0; }
  return (255 * exp2neg(t) + (1i << (14u + k))) >> (15u + k);
}
fn frequency(t: i32) -> u32 {
  let k = u32(t) >> 12u;
  if (k >= 23u) { return 1u; }
  return max(1u, (u32(exp2neg(t)) << 7u) >> k);
}
fn bit_length(x: u32) -> u32 { return 32u - countLeadingZeros(x); }

// floor of the square root; float32 gives it to within one, whatever the rounding of the device
fn root(v: u32) -> u32 {
  var r = min(65535u, u32(sqrt(f32(v))));
  for (var i = 0u; i < 64u && r * r > v; i++) { r--; }
  for (var i = 0u; i < 64u && r < 65535u && (r + 1u) * (r + 1u) <= v; i++) { r++; }
  return r;
}
`;
