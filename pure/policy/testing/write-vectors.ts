/** Writes the vectors of spec/policy.md anew, after a change of the specification: the diff shows what changed. */
import { writeFileSync } from 'node:fs';
import { policyVectors, schemaVector } from './vectors.ts';

const write = (name: string, value: unknown): void =>
  writeFileSync(
    new URL(`../../../vectors/keystead/${name}.json`, import.meta.url),
    `${JSON.stringify(value, null, 1)}\n`,
  );

write('policy', policyVectors());
write('policy.schema', schemaVector());
