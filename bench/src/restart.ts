import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ProcessName, Stack } from '@keystead/stack/start-stack';
import { HttpConnection } from './http-connection.ts';
import { median } from './load.ts';
import { BenchStamper, prepareWallet } from './product.ts';
import { solanaRequest } from './requests.ts';
import { sendEach } from './send-each.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

const victims: readonly (ProcessName | 'all')[] = [
  'gateway',
  'heads',
  'policy',
  'signer',
  'certifier',
  'launcher',
  'all',
];
const boundSeconds = 3;

/**
 * Seconds from the kill of one process, or of all, until `/readyz` says 200 again, and until something is signed again.
 * With `--entries` so many signatures are made before, through the product, and stand in the ledger.
 */
export async function restart(directory: string, words: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({
    args: [...words],
    options: { rounds: { type: 'string', default: '5' }, entries: { type: 'string', default: '0' } },
  });
  const [rounds, entries] = [Number(values.rounds), Number(values.entries)];
  const stack = await startProduct(directory);
  try {
    const stamper = new BenchStamper(stack.deploymentId);
    const wallet = await prepareWallet(stack.api, stamper);
    const port = Number(new URL(stack.api).port);
    let amount = 1;
    const signs = async () => {
      for (;;) {
        const connection = new HttpConnection(port);
        const { status } = await connection.send(solanaRequest(stamper, wallet, amount++));
        connection.close();
        if (status === 200) return;
        await wait(10);
      }
    };
    await signs();
    await sendEach(
      port,
      entries,
      () => solanaRequest(stamper, wallet, amount++),
      () => undefined,
    );
    const figures: Record<string, { ready: number[]; signed: number[] }> = {};
    for (let round = 0; round < rounds; round += 1)
      for (const victim of victims) {
        const begun = performance.now();
        const names = victim === 'all' ? [...stack.processes.keys()] : [victim];
        for (const name of names) stack.kill(name);
        await untilReady(stack);
        const ready = (performance.now() - begun) / 1000;
        await signs();
        const signed = (performance.now() - begun) / 1000;
        const of = (figures[victim] ??= { ready: [], signed: [] });
        of.ready.push(ready);
        of.signed.push(signed);
        await stack.settled();
        // What ends again at once is started again later: not what is measured here.
        await wait(5500);
      }
    say(
      `Seconds after SIGKILL, ${rounds} rounds, ${entries} entries. Bound: ready within ${boundSeconds} s.`,
    );
    table(
      ['killed', 'ready, median', 'ready, most', 'signs, median', 'signs, most'],
      victims.map((victim) => {
        const { ready, signed } = figures[victim];
        const of = (values: readonly number[]) => [median(values).toFixed(2), Math.max(...values).toFixed(2)];
        return [victim, ...of(ready), ...of(signed)];
      }),
    );
    return { rounds, entries, boundSeconds, figures };
  } finally {
    await stack.stop();
  }
}

/** `/readyz` goes on saying 200 until the gateway sees what was killed; the stack knows what it killed. */
async function untilReady(stack: Stack): Promise<void> {
  await stack.settled();
  for (;;) {
    const response = await fetch(`${stack.api}/readyz`, { headers: { connection: 'close' } }).catch(
      () => undefined,
    );
    await response?.arrayBuffer();
    if (response?.status === 200) return;
    await wait(5);
  }
}
