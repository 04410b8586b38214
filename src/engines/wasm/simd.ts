/**
 * @file The two WebAssembly modules, with and without relaxed SIMD (scripts/build-wasm.mjs). Both give the
 * same bits.
 */

/** The modules' files, in this folder. */
export const WASM_FILES = { relaxed: 'shacomp.relaxed.wasm', plain: 'shacomp.wasm' } as const;
export type WasmModuleName = keyof typeof WASM_FILES;

/** The fastest module that the host takes. */
export const bestWasmModule = (): WasmModuleName => (hasRelaxedSimd() ? 'relaxed' : 'plain');

/**
 * Whether the host has relaxed SIMD: it takes a module with a function of
 * i32x4.relaxed_dot_i8x16_i7x16_add_s.
 */
export function hasRelaxedSimd(): boolean {
  const zero = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat
  const body = [0, ...zero, ...zero, ...zero, 0xfd, 0x93, 0x02, 0x0b];
  const code = [1, body.length, ...body];
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = [1, 5, 1, 0x60, 0, 1, 0x7b]; // () -> v128
  const functions = [3, 2, 1, 0];
  return WebAssembly.validate(Uint8Array.of(...header, ...types, ...functions, 10, code.length, ...code));
}

/** What a module runs on, for people: "relaxed SIMD". */
export function simdOf(module: WebAssembly.Module): string {
  const [name] = WebAssembly.Module.customSections(module, 'shacomp.simd');
  return name ? new TextDecoder().decode(name) : 'SIMD';
}
