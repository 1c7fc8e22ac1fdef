/**
 * Every write that makes something durable fails, under load: by the system call (strace), by a limit of the file's
 * size, and by a file system without space. Needs root, strace and util-linux.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { seedOfRun, underLoad, untilAnswered, untilWhole } from '../crash/kill-run.ts';
import type { Load } from '../crash/load.ts';
import { TestStack } from '../with-stack.ts';

/** How often each system call fails in a sweep: the first one after strace came, then the second, and so on. */
const SWEEP = 6;
/** How long a call may let itself be waited for, in milliseconds. */
const faultPatience = 20_000;
/** How long a process that is failing is watched, in milliseconds. */
const failingTime = 3000;
const mebibyte = 1024 * 1024;

type Writer = 'gateway' | 'heads';

/** The calls by which a process makes something durable, and what becomes of one of them. */
const FAULTS: readonly [what: string, writer: Writer, call: string, result: string][] = [
  ['the database’s write fails', 'gateway', 'pwrite64', 'error=EIO'],
  ['the database’s write finds no space', 'gateway', 'pwrite64', 'error=ENOSPC'],
  ['the database’s write takes no bytes', 'gateway', 'pwrite64', 'retval=0'],
  ['the database’s sync fails', 'gateway', 'fsync,fdatasync', 'error=EIO'],
  ['the heads log’s write fails', 'heads', 'pwrite64', 'error=EIO'],
  ['the heads log’s write takes no bytes', 'heads', 'pwrite64', 'retval=0'],
];

/** Runs a stack under load while `act` disturbs it, stops it, and gives what the oracle says. */
async function disturbed(
  running: TestStack,
  act: (load: Load) => Promise<void>,
  say: (text: string) => void,
): Promise<void> {
  const seed = seedOfRun();
  say(`KEYSTEAD_TEST_SEED=${seed}`);
  const { anomalies, ...figures } = await underLoad(running, seed, act);
  say(JSON.stringify(figures));
  assert.deepEqual(anomalies, [], `KEYSTEAD_TEST_SEED=${seed}\n${running.logged()}`);
  assert.ok(figures.retried > 0, 'no fault met a request');
}

/** Attaches strace to a process until the `number`th call of one name has been given another result. */
async function injectOnce(pid: number, call: string, result: string, number: number): Promise<boolean> {
  const strace = spawn(
    'strace',
    ['-f', '-p', String(pid), '-e', `trace=${call}`, '-e', `inject=${call}:${result}:when=${number}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(strace, 'close');
  let printed = '';
  let injected = false;
  // Detaches; whoever cannot is ended, which detaches too.
  const leave = () => {
    strace.kill('SIGINT');
    setTimeout(() => strace.kill('SIGKILL'), 2000).unref();
  };
  strace.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (!injected && printed.includes('(INJECTED)')) {
      injected = true;
      leave();
    }
    printed = printed.slice(-200);
  });
  const patience = setTimeout(leave, faultPatience);
  await ended;
  clearTimeout(patience);
  return injected;
}

/** Offset after the last byte of a log file that is not zero. */
function endOfLog(directory: string): number {
  const newest = readdirSync(directory)
    .filter((name) => name.startsWith('records-'))
    .sort()
    .at(-1)!;
  const file = readFileSync(join(directory, newest));
  let end = file.length;
  while (end > 0 && file[end - 1] === 0) end -= 1;
  return end;
}

describe('a write that fails once', () => {
  const running = new TestStack({});
  after(() => running.stop());

  it('loses nothing, signs nothing without an entry, and mends itself: each call in turn', async (t) => {
    await running.start();
    await disturbed(
      running,
      async (load) => {
        const counts: Record<string, number> = {};
        for (const [what, writer, call, result] of FAULTS)
          for (let number = 1; number <= SWEEP; number += 1) {
            await untilAnswered(load, 2, 10_000);
            const pid = running.stack.processes.get(writer);
            if (pid === undefined || !(await injectOnce(pid, call, result, number))) continue;
            counts[what] = (counts[what] ?? 0) + 1;
            await untilWhole(running, load, what);
            if (!(await untilAnswered(load, 1, 10_000))) load.oracle.report(`no answer after ${what}`);
          }
        t.diagnostic(JSON.stringify(counts));
        for (const [what] of FAULTS) assert.ok((counts[what] ?? 0) >= SWEEP / 2, `${what}: ${counts[what]}`);
      },
      (text) => t.diagnostic(text),
    );
  });

  it('and is cut short by a limit of the file’s size is no record, and no commit', async (t) => {
    await disturbed(
      running,
      async (load) => {
        for (let round = 0; round < 6; round += 1)
          for (const writer of ['heads', 'gateway'] as const) {
            await untilAnswered(load, 4, 10_000);
            const pid = running.stack.processes.get(writer);
            if (pid === undefined) continue;
            const before = load.retried;
            // Some bytes into what is written next; a new process has no limit.
            const limit =
              writer === 'heads' ? endOfLog(running.heads) + 1 + 37 * round : 100_000 + 4096 * round + 37;
            execFileSync('prlimit', [`--pid=${pid}`, `--fsize=${limit}:${limit}`]);
            for (let waited = 0; waited < 5000 && load.retried === before; waited += 50) await wait(50);
            if (running.stack.processes.get(writer) === pid) running.stack.kill(writer);
            await untilWhole(running, load, `a limit of the size for ${writer}`);
          }
      },
      (text) => t.diagnostic(text),
    );
  });
});

describe('a file system without space', () => {
  for (const [what, megabytes] of [
    ['home', 64],
    ['heads', 24],
  ] as const) {
    const running = new TestStack({});
    after(() => running.stop(() => execFileSync('umount', [running[what]])));

    it(`H14 filling the disk of ${what} signs nothing without an entry and loses nothing, and space alone mends it`, async (t) => {
      mkdirSync(running[what], { recursive: true, mode: 0o700 });
      execFileSync('mount', [
        '-t',
        'tmpfs',
        '-o',
        `size=${megabytes}m,mode=700`,
        'keystead-test',
        running[what],
      ]);
      await running.start();
      const ballast = join(running[what], 'ballast');
      await disturbed(
        running,
        async (load) => {
          for (let round = 0; round < (what === 'home' ? 3 : 1); round += 1) {
            if (!(await untilAnswered(load, 20, 20_000)))
              load.oracle.report(`no answers before round ${round}`);
            fill(ballast);
            assert.equal(statfsSync(running[what]).bavail, 0);
            const { acknowledged } = load.oracle;
            if (what === 'heads') {
              // Records go into space that is there; a snapshot, which is due every minute, needs more.
              for (let waited = 0; !running.logged().includes('"heads-write"'); waited += 100) {
                assert.ok(waited < 150_000, 'the keeper met no full disk');
                await wait(100);
              }
            } else {
              await wait(failingTime);
              const before = acknowledged.length;
              await wait(failingTime);
              t.diagnostic(`full: ${acknowledged.length - before} answers in ${failingTime} ms`);
            }
            rmSync(ballast);
            await untilWhole(running, load, `space for ${what}`);
            if (!(await untilAnswered(load, 5, 20_000)))
              load.oracle.report(`no answers after round ${round}`);
          }
        },
        (text) => t.diagnostic(text),
      );
    });
  }
});

/** Writes zeros until the file system takes none. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(mebibyte);
  try {
    for (let length = block.length; length >= 1; ) {
      try {
        if (writeSync(file, block, 0, length) === 0) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        length = length >> 1;
      }
    }
  } finally {
    closeSync(file);
  }
}
