/**
 * The process that the conformance suite kills: `node conformance-committer.ts <module> <location> <from>`
 * commits one numbered batch after the other and prints a position when its commit resolved.
 */
import { numberedBatch } from './conformance.ts';
import type { Store } from './store.ts';

const [module, location, from] = process.argv.slice(2);
const { openStore } = (await import(module)) as { openStore(location: string): Store | Promise<Store> };
const store = await openStore(location);
for (let position = Number(from); ; position += 1) {
  await store.commit([numberedBatch(position)]);
  await new Promise((resolve) => process.stdout.write(`${position}\n`, resolve));
}
