/** A stack that operators unlock: started by a test, with the operators' part done by `keystead operator`. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, type StartOptions, startStack } from '@keystead/stack/start-stack';
import { keystead } from './operator-commands.ts';

export class LockedStacks {
  readonly directory = mkdtempSync(join(tmpdir(), 'keystead-unlock-'));
  readonly #log = openSync(join(this.directory, 'log'), 'a');
  readonly #stacks = new Set<Stack>();

  /** Starts, does `unlock` when the stack waits for operators, and resolves when it is ready. */
  async start(options: StartOptions, unlock: (state: string) => Promise<void>): Promise<Stack> {
    const locked = Promise.withResolvers<string>();
    const aborting = new AbortController();
    const starting = startStack({ stderr: this.#log, locked: locked.resolve, ...options }, aborting.signal);
    starting.catch(locked.reject);
    try {
      await unlock(await locked.promise);
    } catch (error) {
      // Nobody else would end a stack that waits.
      aborting.abort();
      await starting.catch(() => {});
      throw error;
    }
    const stack = await starting;
    this.#stacks.add(stack);
    return stack;
  }

  async stop(stack: Stack): Promise<void> {
    this.#stacks.delete(stack);
    await stack.stop();
  }

  logged(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  async end(): Promise<void> {
    await Promise.all([...this.#stacks].map((stack) => stack.stop()));
    closeSync(this.#log);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Runs a command of operators that has to succeed; the object of `--json`. */
export async function operator<T>(
  home: string,
  words: readonly string[],
  input: string | Uint8Array = '',
): Promise<T> {
  const { code, out, err } = await keystead(home, ['operator', ...words, '--json'], input);
  assert.equal(code, 0, err);
  return JSON.parse(out) as T;
}

/** The complaint of a command of operators that has to fail. */
export async function refusedOperator(
  home: string,
  words: readonly string[],
  input: string | Uint8Array = '',
): Promise<string> {
  const { code, out, err } = await keystead(home, ['operator', ...words], input);
  assert.deepEqual([code, out], [1, ''], err);
  return err;
}
