/**
 * Writes `vectors/keystead/juicebox-registration.json` anew: `node tests/recovery/make-registration-vectors.ts`. Its
 * content changes only with the protocol, which it never does.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registrationCase, registrationInputs } from './registration-case.ts';

const cases = await Promise.all(registrationInputs.map(registrationCase));
const path = join(import.meta.dirname, '../../vectors/keystead/juicebox-registration.json');
writeFileSync(path, `${JSON.stringify({ spec: 'spec/realm.md §2.6', cases }, undefined, 1)}\n`);
