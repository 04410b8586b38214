/** @file Which instruction set a part of the program uses. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { chooseIsa } from '../../../src/engines/native/isa.js';

const addon = {
  networkIsas: () => ['avx512', 'avx2', 'baseline'],
  trainKernels: () => ['avx512bf16', 'avx512', 'avx2', 'baseline'],
};
const choose = (part: keyof typeof addon, asked?: string) => chooseIsa(addon, addon[part](), asked);

afterEach(() => vi.unstubAllEnvs());

describe('the instruction set', () => {
  it('is the best one, where nobody asks for another', () => {
    vi.stubEnv('SHACOMP_ISA', '');
    expect(choose('networkIsas')).toBe('avx512');
    expect(choose('trainKernels')).toBe('avx512bf16');
  });

  it('is what SHACOMP_ISA says, for every part that has it', () => {
    vi.stubEnv('SHACOMP_ISA', 'avx2');
    expect(choose('networkIsas')).toBe('avx2');
    expect(choose('trainKernels')).toBe('avx2');
  });

  it('is the best of a part that lacks what SHACOMP_ISA says, while another part has it', () => {
    vi.stubEnv('SHACOMP_ISA', 'avx512bf16');
    expect(choose('trainKernels')).toBe('avx512bf16');
    expect(choose('networkIsas')).toBe('avx512');
  });

  it("is the caller's wish, whatever SHACOMP_ISA says", () => {
    vi.stubEnv('SHACOMP_ISA', 'avx512');
    expect(choose('networkIsas', 'baseline')).toBe('baseline');
  });

  it('that no part has, or the part that the caller asks, is refused with what is possible', () => {
    const refused = (message: string) =>
      expect.objectContaining({ code: 'ERR_OPTIONS', message: expect.stringContaining(message) });
    vi.stubEnv('SHACOMP_ISA', 'sse9');
    expect(() => choose('networkIsas')).toThrow(
      refused('SHACOMP_ISA must be one of avx512bf16, avx512, avx2, baseline'),
    );
    expect(() => choose('networkIsas', 'avx512bf16')).toThrow(
      refused('isa must be one of avx512, avx2, baseline'),
    );
  });
});
