import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { RawRequest } from '@keystead/protocol/frames';
import { SignerBench } from '../testing/signer-bench.ts';
import { heldMilliseconds, RequestTable } from './requests.ts';

const bench = new SignerBench();
const call = bench.call('getAccounts', { walletId: '00000000-0000-8000-8000-000000000000', accounts: [] });
const encoded = RawRequest.encode(call.raw);

test('of an answered request only its identity stays, until it is delivered again', () => {
  let now = bench.now;
  const table = new RequestTable(() => now, systemRandom);
  assert.equal(table.find(call.identity), undefined);
  table.hold([encoded]);
  assert.deepEqual(table.find(call.identity)?.request?.raw.body, call.body);
  table.answered(table.find(call.identity)!.request!);
  assert.notEqual(table.find(call.identity), undefined);
  assert.equal(table.find(call.identity)?.request, undefined);
  now += 1000;
  table.hold([encoded]);
  assert.deepEqual(table.find(call.identity)?.request?.raw.body, call.body);
  assert.equal(table.size, 1);
  now += heldMilliseconds + 1;
  assert.equal(table.find(call.identity), undefined);
  assert.equal(table.size, 0);
});

test('the stamp of a request is verified when it arrives, and a wrong one does not take the place of a good one', () => {
  const table = new RequestTable(() => bench.now, systemRandom);
  const other = bench.call('getAccounts', { walletId: '00000000-0000-8000-8000-000000000000', accounts: [] });
  const wrong = RawRequest.encode({ ...call.raw, signature: other.raw.signature });
  table.hold([wrong]);
  assert.equal(table.find(call.identity)?.request?.selfVerified, false);
  table.hold([encoded]);
  assert.equal(table.find(call.identity)?.request?.selfVerified, true);
  table.hold([wrong]);
  assert.equal(table.find(call.identity)?.request?.selfVerified, true);
});
