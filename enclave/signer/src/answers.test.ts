import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { Entry, entryHash } from '@keystead/protocol/entry';
import { SignerBench } from '../testing/signer-bench.ts';
import { Answers } from './answers.ts';

test('a remembered answer keeps nothing of the message that asked in memory', () => {
  const answers = new Answers({
    deploymentId: new Uint8Array(32),
    signSeed: new SecretBytes(new Uint8Array(32).fill(1)),
    clock: () => 1000,
    random: systemRandom,
  });
  const bench = new SignerBench();
  const message = new Uint8Array(1_000_000);
  const entry = Entry.encode(bench.entry(bench.call('getAccounts', {}), {}));
  message.set(entry);
  const encoded = message.subarray(0, entry.length);
  const hash = entryHash(encoded);
  const committedFrom = (bytes: Uint8Array) => ({
    entry: Entry.decodeViews(bytes),
    hash,
  });
  const committed = committedFrom(encoded);
  assert.equal(committed.entry.identity.buffer, message.buffer);
  answers.result(committed, { answered: true });
  const first = answers.close()[0]![0]!;
  assert.equal(answers.repeat(committedFrom(entry)), true);
  const again = answers.close()[0]![0]!;
  assert.deepEqual(again, first);
  for (const { buffer } of [again.identity, again.body, again.signature])
    assert.notEqual(buffer, message.buffer);
});
