import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findSandboxTools } from '@keystead/enclave-launcher/sandbox-tools';
import { allocatorSettings } from './allocator-settings.ts';
import { hostCommand } from './host-users.ts';

/** Flags of a launcher's own process. */
const launcherFlags = [
  '--max-semi-space-size=2',
  '--v8-pool-size=1',
  '--disable-proto=throw',
  '--frozen-intrinsics',
  '--disallow-code-generation-from-strings',
  '--no-addons',
  '--disable-sigusr1',
  '--disable-warning=ExperimentalWarning',
];

/** Where the standard error of processes goes: this process's own, or an open file. */
export type ErrorOutput = 'inherit' | number;

export interface HostProcessOptions {
  /** Path of its bundle. */
  readonly program: string;
  /** Undefined for this process's own user. */
  readonly user: number | undefined;
  /** The folders that it works in. */
  readonly data: readonly string[];
  readonly stderr: ErrorOutput;
}

/** What starts a program of the host zone with an environment. */
export function hostProcess({
  program,
  user,
  data,
  stderr,
}: HostProcessOptions): (environment: Record<string, string>) => ChildProcess {
  const { NODE_EXTRA_CA_CERTS } = process.env;
  const words = [
    '--disable-warning=ExperimentalWarning',
    // V8 marks a small heap anew all the time when the young generation is larger than what is left below its limit.
    '--max-semi-space-size=4',
    // And lets the old generation of a new process grow to 100 MiB and more before it looks at it for the first time.
    '--initial-old-space-size=24',
    '--heap-growing-percent=100',
    '--v8-pool-size=1',
    program,
  ];
  const [file, ...rest] =
    user === undefined
      ? [process.execPath, ...words]
      : hostCommand(user, words, [program, ...data], findSandboxTools());
  // In its own session: a Ctrl-C at the terminal reaches the stack alone, which stops the others in order.
  return (environment) =>
    spawn(file, rest, {
      detached: true,
      env: {
        ...allocatorSettings,
        ...environment,
        ...(NODE_EXTRA_CA_CERTS === undefined ? {} : { NODE_EXTRA_CA_CERTS }),
      },
      stdio: ['pipe', stderr === 'inherit' ? 2 : stderr, stderr],
    });
}

/** Keeps the bundle of a host program where other users than this process's own can read it. Returns its path. */
export function keepProgram(
  folder: string,
  name: 'gateway' | 'heads' | 'realm' | 'backup',
  code: Uint8Array,
): string {
  const path = join(folder, `${name}.mjs`);
  rmSync(path, { force: true });
  writeFileSync(path, code, { flag: 'wx' });
  chmodSync(path, 0o644);
  return path;
}

/** A launcher, which takes `config` as its first line. Its events are on its standard output. */
export function launcherProcess(bundle: string, config: string, stderr: ErrorOutput): ChildProcess {
  const child = spawn(process.execPath, [...launcherFlags, bundle], {
    detached: true,
    env: allocatorSettings,
    stdio: ['pipe', 'pipe', stderr],
  });
  child.stdin!.on('error', () => {});
  child.stdin!.write(`${config}\n`);
  return child;
}

/** As `ChildProcess.kill`: a process that has ended meanwhile is not an error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
