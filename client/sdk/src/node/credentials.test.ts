import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { KmsError } from '../errors.ts';
import {
  fileMemory,
  newCredentials,
  readCredentials,
  seenFileOf,
  stamperOf,
  writeCredentials,
} from './credentials.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystead-credentials-'));
after(() => rmSync(folder, { recursive: true }));

const made = newCredentials({
  api: 'http://127.0.0.1:7400',
  deploymentId: 'A'.repeat(43),
  organizationId: '0f0e0d0c-0b0a-8908-8706-050403020100',
});
const refused = (error: unknown) => error instanceof KmsError && error.code === 'parameter-invalid';

describe('credentials', () => {
  it('come back as they were written, in a file for the owner alone', () => {
    const path = join(folder, 'a.json');
    writeCredentials(path, made);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const { privateKey, ...shown } = readCredentials(path);
    const { privateKey: kept, ...expected } = made;
    assert.deepEqual(shown, expected);
    assert.deepEqual(privateKey.expose(), kept.expose());
    assert.deepEqual(stamperOf(readCredentials(path)).publicKey, stamperOf(made).publicKey);
    assert.equal(readdirSync(folder).filter((name) => name.startsWith('.')).length, 0);
  });

  it('do not overwrite a key unless asked to', () => {
    const path = join(folder, 'b.json');
    writeCredentials(path, made);
    const other = newCredentials({ api: made.api, deploymentId: made.deploymentId, algorithm: 'Secp256r1' });
    assert.throws(() => writeCredentials(path, other), refused);
    assert.equal(readCredentials(path).algorithm, 'Ed25519');
    writeCredentials(path, other, { replace: true });
    assert.equal(readCredentials(path).algorithm, 'Secp256r1');
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('are refused when others may read them', () => {
    const path = join(folder, 'c.json');
    writeCredentials(path, made);
    chmodSync(path, 0o640);
    assert.throws(() => readCredentials(path), refused);
    chmodSync(path, 0o600);
    readCredentials(path);
  });

  it('are refused when they are missing or malformed, without showing their content', () => {
    assert.throws(() => readCredentials(join(folder, 'none.json')), refused);
    const path = join(folder, 'd.json');
    writeCredentials(path, made);
    const good = readFileSync(path, 'utf8');
    const secret = JSON.parse(good).privateKey as string;
    const other = newCredentials({ api: made.api, deploymentId: made.deploymentId }).publicKey;
    for (const bad of [
      '',
      '[]',
      good.slice(0, -3),
      good.replace(secret, `${secret}A`),
      good.replace(made.publicKey, other),
      good.replace('Ed25519', 'RSA'),
      good.replace('"api"', '"apis"'),
    ]) {
      writeFileSync(path, bad);
      assert.throws(
        () => readCredentials(path),
        (error) => refused(error) && !inspect(error, { depth: 9 }).includes(secret.slice(0, 8)),
        bad.slice(0, 20),
      );
    }
  });
});

describe('memory in a file', () => {
  const known = { position: 7, hash: new Uint8Array(32).fill(3), time: 1_800_000_000_000 };

  it('is kept for the next process and never taken back', async () => {
    const path = seenFileOf(join(folder, 'e.json'));
    await fileMemory(path).set('a', known);
    await fileMemory(path).set('b', { ...known, position: 1 });
    await fileMemory(path).set('a', { ...known, position: 6 });
    assert.deepEqual(await fileMemory(path).get('a'), known);
    assert.equal((await fileMemory(path).get('b'))?.position, 1);
    assert.equal(await fileMemory(path).get('c'), undefined);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('is refused when it is damaged', () => {
    const path = join(folder, 'damaged.seen');
    for (const bad of [
      '{',
      '{"a":{"position":1,"hash":"AA","time":1}}',
      '{"a":{"position":-0.5,"hash":"","time":1}}',
    ]) {
      writeFileSync(path, bad);
      assert.throws(() => fileMemory(path).get('a'), refused, bad);
    }
  });
});
