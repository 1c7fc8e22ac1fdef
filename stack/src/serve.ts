import { KmsError } from '@keystead/protocol/errors';
import { firstRun } from './first-run.ts';
import { sayLocked } from './say-locked.ts';
import { StackError } from './stack-error.ts';
import { type DevelopmentRealms, startDevelopmentRealms } from './development-realms.ts';
import { type StartOptions, startStack } from './start-stack.ts';

/**
 * `npm start`: starts the stack, proves that it signs, prints the ready line, and stays until SIGTERM, SIGINT or
 * SIGHUP, after which it drains and ends with 0. It ends with another code, after one line that says why, when it
 * cannot start or go on.
 */
export async function serve(readOptions: () => StartOptions): Promise<void> {
  process.title = 'keystead';
  // Whoever read them may leave; the stack stays.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  process.umask(0o077);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => {
        stopping.abort();
        resolve();
      });
  });
  const ending = new AbortController();
  let starting: Promise<DevelopmentRealms> | undefined;
  try {
    const options = readOptions();
    // A root key on the server's disk, an organization that nobody asked for, and realms of one operator are for
    // trying things out.
    const proves = (options.profile ?? 'development') === 'development' && options.substitutes === undefined;
    const spawned: StartOptions['spawned'] = (stack) => {
      if (!proves || options.realms === 0) return;
      const signal = AbortSignal.any([stopping.signal, ending.signal]);
      starting = startDevelopmentRealms(options, stack, signal);
      starting.catch(() => {});
    };
    const stack = await startStack({ locked: sayLocked, spawned, ...options }, stopping.signal);
    const failed = stack.failed.then((error) => Promise.reject(error));
    failed.catch(() => {});
    try {
      const first = await Promise.race([proves ? firstRun(stack) : {}, stopped, failed]);
      const realms = await Promise.race([starting, failed]);
      const backup = stopping.signal.aborted ? undefined : await Promise.race([realms?.join(), failed]);
      if (!stopping.signal.aborted) {
        const { api, deploymentId } = stack;
        const line = {
          ready: true,
          api,
          rpc: `${api}/v1/wallets/kms/rpc`,
          deploymentId,
          ...first,
          ...(realms === undefined ? {} : { juicebox: realms.juicebox, backup }),
        };
        process.stdout.write(`${JSON.stringify(line)}\n`);
        await Promise.race([
          stopped,
          failed,
          ...(realms === undefined ? [] : [realms.failed.then((error) => Promise.reject(error))]),
        ]);
      }
    } finally {
      await Promise.all([stack.stop(), endRealms()]);
    }
  } catch (error) {
    await endRealms();
    if (!stopping.signal.aborted) leave(error);
  }
  process.exit(0);

  async function endRealms(): Promise<void> {
    ending.abort();
    const realms = await starting?.catch(() => undefined);
    await realms?.stop();
  }
}

function leave(error: unknown): never {
  const known = error instanceof StackError;
  const detail = error instanceof Error ? error.message : String(error);
  const hint = known || error instanceof KmsError ? `; hint: ${error.hint}` : '';
  // One line, since it ends what the processes have reported one line each.
  process.stderr.write(`error: ${detail}${hint}\n`);
  process.exit(known ? error.exitCode : 1);
}
