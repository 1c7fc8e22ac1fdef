/**
 * CPU of the certifier alone: `node enclave/certifier/testing/certifier-bench.ts [entries in an order] [orders]`, with
 * orders of one organization in the encoding in which they arrive, and a heads log that keeps nothing.
 */
import { FromCertifier, ToCertifier } from '@keystead/protocol/frames';
import { createCertifier } from '../src/program.ts';
import { TestEngine, testKey } from './engine.ts';

const entries = Number(process.argv[2] ?? 24);
const orders = Number(process.argv[3] ?? 1500);
const rounds = 5;

const engine = new TestEngine();
const certifier = createCertifier(engine.contexts.certifier, {
  load: async () => ({ snapshot: undefined, snapshotSequence: 0, records: [] }),
  append: async () => {},
  snapshot: async () => {},
});
let receipts = 0;
certifier.send = (message) => {
  FromCertifier.encode(message);
  if (message.type === 'receipt') receipts += 1;
};
const turn = () => new Promise(setImmediate);
await turn();

const key = testKey(1);
const founding = engine.founding(key);
const organization = engine.organizationOf(founding);
const give = async (frame: Uint8Array) => {
  certifier.receive(ToCertifier.decodeShared(frame));
  certifier.turn();
  await turn();
};
await give(ToCertifier.encode(engine.order([[engine.change(organization, founding)]])));
for (let round = 0; round < rounds; round += 1) {
  const frames = Array.from({ length: orders }, () =>
    ToCertifier.encode(engine.order([[engine.plain(organization, entries)]])),
  );
  const before = process.cpuUsage();
  for (const frame of frames) await give(frame);
  const { user, system } = process.cpuUsage(before);
  process.stderr.write(`${((user + system) / orders / entries).toFixed(1)} µs per entry\n`);
}
if (receipts !== rounds * orders + 1) throw new Error(`${receipts} receipts`);
