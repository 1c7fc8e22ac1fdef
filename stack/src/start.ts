import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allocatorSettings } from './allocator-settings.ts';

/**
 * `npm start`: this process becomes the stack as one bundle (decision 0033). The compiler that strips the types of sources
 * stays in the memory of whoever used it, and the stack runs for months.
 */
const flags = ['--max-semi-space-size=1', '--v8-pool-size=1', '--disable-warning=ExperimentalWarning'];

/** Path of the bundle; undefined where nothing can be written for it. */
async function written(): Promise<string | undefined> {
  // Otherwise esbuild leaves a process behind, which nobody would wait for.
  process.env.ESBUILD_WORKER_THREADS = '0';
  const { bundleSupervisor } = await import('./bundle.ts');
  delete process.env.ESBUILD_WORKER_THREADS;
  let folder: string | undefined;
  try {
    // Of its own user alone; the bundle takes it away first of all.
    folder = mkdtempSync(join(tmpdir(), 'keystead-start-'));
    const path = join(folder, 'supervisor.mjs');
    writeFileSync(path, bundleSupervisor(), { mode: 0o600, flag: 'wx' });
    return path;
  } catch {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    return undefined;
  }
}

const path = process.execve === undefined ? undefined : await written();
if (path === undefined) await import('./main.ts');
else
  process.execve!(process.execPath, [process.execPath, ...flags, path, ...process.argv.slice(2)], {
    ...allocatorSettings,
    ...(process.env as Record<string, string>),
  });
