/**
 * @file A software adapter for the tests of WebGPU: SwiftShader, as browsers of the Chromium family bring it
 * along.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const FOLDERS = ['/usr/lib/chromium', '/opt/google/chrome', '/usr/lib/chromium-browser'];

/**
 * Environment of processes that are to find it; empty where it is not there or a driver is named already. The
 * loader of libraries reads it when a process begins, so it cannot be set later.
 */
export function softwareGpuEnvironment(): Record<string, string> {
  if (process.env.VK_DRIVER_FILES !== undefined) return {};
  const folder = FOLDERS.find((path) => existsSync(join(path, 'vk_swiftshader_icd.json')));
  if (process.platform !== 'linux' || folder === undefined) return {};
  const driver = join(folder, 'vk_swiftshader_icd.json');
  return {
    VK_DRIVER_FILES: driver,
    VK_ICD_FILENAMES: driver,
    LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
  };
}
