import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors } from '../testing/vectors.ts';
import { base64Decode, base64Encode } from './base64.ts';
import { publicKey } from './ed25519.ts';
import { hexDecode, hexEncode } from './hex.ts';
import { verifyConsistency } from './merkle-tree.ts';
import {
  type Checkpoint,
  formatCheckpoint,
  formatVerifierKey,
  noteKeyId,
  noteSignatureLine,
  openNote,
  parseCheckpoint,
  parseVerifierKey,
  signNote,
} from './signed-note.ts';

interface Suite {
  valid: { name: string; vkeys: string[]; note: string; consistencyFrom5Hex?: string[] }[];
  vkeysValid: string[];
  vkeysInvalid: string[];
}

const suite = vectors<Suite>('tlog-notes.json');

const SEED = new Uint8Array(32).fill(3);
const VERIFIER = { name: 'example.org/log', publicKey: publicKey(SEED) };
const TEXT = 'example.org/log\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n';

for (const { backend, module } of await eachBackend<typeof import('./signed-note.ts')>('signed-note')) {
  test(`opens the 5 published notes with Ed25519 keys, and knows no key for the ECDSA one (${backend})`, () => {
    let opened = 0;
    for (const { name, vkeys, note } of suite.valid) {
      const [vkey] = vkeys as [string];
      if (name.startsWith('rekor v1')) {
        assert.throws(() => module.parseVerifierKey(vkey), { code: 'note-malformed' });
        continue;
      }
      const verifier = module.parseVerifierKey(vkey);
      assert.equal(module.formatVerifierKey(verifier), vkey);
      const result = module.openNote(note, [verifier]);
      assert.deepEqual(result.signers, [verifier]);
      assert.equal(note.startsWith(`${result.text}\n\u2014 `), true);
      assert.throws(() => module.openNote(note.replace(/[a-z]/, 'Z'), [verifier]), {
        code: 'note-unverified',
      });
      opened++;
    }
    assert.equal(opened, 5);
    assert.equal(suite.valid.length, 6);
  });

  test(`makes the same note in every run (${backend})`, () => {
    const note = module.signNote(VERIFIER.name, SEED, TEXT);
    assert.equal(note, signNote(VERIFIER.name, SEED, TEXT));
    assert.deepEqual(module.openNote(note, [VERIFIER]), { text: TEXT, signers: [VERIFIER] });
  });
}

test('decides the 10 verifier keys of the suite: Ed25519 with the right key id only', () => {
  const read: string[] = [];
  for (const vkey of [...suite.vkeysValid, ...suite.vkeysInvalid]) {
    try {
      read.push(parseVerifierKey(vkey).name);
    } catch (error) {
      assert.equal((error as { code: string }).code, 'note-malformed');
    }
  }
  assert.deepEqual(read, ['PeterNeumann', 'log2025-1.rekor.sigstore.dev', 'localhost.localdev/sumdb']);
  assert.equal(suite.vkeysValid.length + suite.vkeysInvalid.length, 10);
});

test('the published checkpoints of one log are consistent', () => {
  const at = (name: string): Checkpoint => {
    const { vkeys, note } = suite.valid.find((v) => v.name === name)!;
    return parseCheckpoint(openNote(note, [parseVerifierKey(vkeys[0]!)]).text);
  };
  const five = at('monkeys 5');
  const eight = at('monkeys 8');
  const proof = suite.valid.find((v) => v.name === 'monkeys 8')!.consistencyFrom5Hex!.map(hexDecode);
  assert.deepEqual([five.size, eight.size], [5, 8]);
  assert.ok(verifyConsistency(5, 8, five.root, eight.root, proof));
  assert.ok(!verifyConsistency(5, 8, eight.root, five.root, proof));
});

test('ignores unknown signers, and refuses a note that a known signer did not sign correctly', () => {
  const otherSeed = new Uint8Array(32).fill(4);
  const other = { name: 'witness.example', publicKey: publicKey(otherSeed) };
  const lines = noteSignatureLine(VERIFIER.name, SEED, TEXT) + noteSignatureLine(other.name, otherSeed, TEXT);
  const note = `${TEXT}\n${lines}`;
  assert.deepEqual(openNote(note, [VERIFIER]).signers, [VERIFIER]);
  assert.deepEqual(openNote(note, [other]).signers, [other]);
  assert.deepEqual(openNote(note, [other, VERIFIER]).signers, [VERIFIER, other]);
  const unverified = { code: 'note-unverified' };
  assert.throws(() => openNote(note, []), unverified);
  assert.throws(() => openNote(note, [{ name: 'other', publicKey: VERIFIER.publicKey }]), unverified);
  // The witness's line over another text: fails for those who know it, ignored by the others.
  const mixed = `${TEXT}\n${noteSignatureLine(VERIFIER.name, SEED, TEXT)}${noteSignatureLine(other.name, otherSeed, 'x\n')}`;
  assert.deepEqual(openNote(mixed, [VERIFIER]).signers, [VERIFIER]);
  assert.throws(() => openNote(mixed, [VERIFIER, other]), unverified);
  const twice = `${note}${noteSignatureLine(VERIFIER.name, SEED, TEXT)}`;
  assert.deepEqual(openNote(twice, [VERIFIER]).signers, [VERIFIER]);
});

test('splits at the last empty line', () => {
  const text = 'first\n\nsecond\n\n\u2014 not a signature\n';
  assert.equal(openNote(signNote(VERIFIER.name, SEED, text), [VERIFIER]).text, text);
});

test('refuses malformed notes', () => {
  const note = signNote(VERIFIER.name, SEED, TEXT);
  const line = noteSignatureLine(VERIFIER.name, SEED, TEXT);
  const blob = base64Decode(line.slice(0, -1).split(' ')[2]!);
  for (const bad of [
    '',
    '\n',
    TEXT,
    `${TEXT}\n`,
    note.slice(0, -1),
    `${note}\n`,
    `${note}x`,
    note.replace('\u2014', '-'),
    note.replace('\u2014 ', '\u2014'),
    note.replace(`${VERIFIER.name} `, `${VERIFIER.name}  `),
    note.replace('example', 'exa\tmple'),
    `${note}\ud800`,
    `${note.slice(0, -1)}\r\n`,
    `${TEXT}\n\u2014 ${VERIFIER.name} ${base64Encode(blob.slice(0, 4))}\n`,
    `${TEXT}\n\u2014 a+b ${base64Encode(blob)}\n`,
    `${TEXT}\n\u2014 a\u00a0b ${base64Encode(blob)}\n`,
    `${TEXT}\n\u2014 ${VERIFIER.name} ${base64Encode(blob).replace(/=*$/, '')}\n`,
    `${TEXT}\n${line.repeat(101)}`,
  ]) {
    assert.throws(() => openNote(bad, [VERIFIER]), { code: 'note-malformed' }, JSON.stringify(bad));
  }
  const short = `${TEXT}\n\u2014 ${VERIFIER.name} ${base64Encode(blob.slice(0, 67))}\n`;
  assert.throws(() => openNote(short, [VERIFIER]), { code: 'note-unverified' });
  for (const text of ['', 'no newline', 'tab\t\n', 'lone \ud800\n']) {
    assert.throws(() => signNote(VERIFIER.name, SEED, text), RangeError);
  }
  for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u2003b', 'a\u0085b'])
    assert.throws(() => noteKeyId(name, SEED), RangeError);
});

test('reads and writes checkpoints in one spelling', () => {
  const checkpoint = { origin: 'example.org/log', size: 7, root: new Uint8Array(32) };
  assert.equal(formatCheckpoint(checkpoint), TEXT);
  assert.deepEqual(parseCheckpoint(TEXT), checkpoint);
  assert.equal(hexEncode(parseCheckpoint(TEXT.replace('\n7\n', '\n0\n')).root), '00'.repeat(32));
  const root = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';
  for (const bad of [
    '',
    'o\n1\n',
    `o\n01\n${root}\n`,
    `o\n-1\n${root}\n`,
    `o\n+1\n${root}\n`,
    `o\n\n${root}\n`,
    `o\n1\n${root}`,
    `\n1\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n1\nAAAA\n`,
    `o\n1\n${root}\nextension\n`,
    `o\n1\n${root.replace('=', '')}\n`,
    `o\n1 \n${root}\n`,
  ]) {
    assert.throws(() => parseCheckpoint(bad), { code: 'note-malformed' }, JSON.stringify(bad));
  }
  assert.throws(() => formatCheckpoint({ ...checkpoint, origin: 'a\nb' }), RangeError);
  assert.throws(() => formatCheckpoint({ ...checkpoint, size: 2 ** 53 }), RangeError);
});

test('formats verifier keys', () => {
  assert.deepEqual(parseVerifierKey(formatVerifierKey(VERIFIER)), VERIFIER);
});
