import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '../src/environment.ts';
import { serve } from '../src/serve.ts';
import { trivialBundles } from './trivial-enclaves.ts';

/** `npm start` with programs that only answer pings. */
const bundles = await trivialBundles(mkdtempSync(join(tmpdir(), 'keystead-bundles-')));
const gateway = join(import.meta.dirname, 'trivial-gateway.ts');
await serve(() => ({ ...readEnvironment(process.env), substitutes: { gateway, bundles } }));
