import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { approvalSubject, otherApprovers, rootApprovers, subjectText } from './approval.ts';

const organization = new Uint8Array(16).fill(1);
const bodyOf = (value: unknown) => utf8Encode(JSON.stringify(value));
const ann = { username: 'ann', authenticatorId: '00000000-0000-8000-8000-000000000001' };
const subject = (value: unknown, of = organization, by = ann) =>
  hexEncode(approvalSubject(of, by, bodyOf(value)));

test('a subject is the hash of the organization, the canonical request and who asks', () => {
  const request = { method: 'unfreeze', params: { walletId: 'w', organizationId: 'o' } };
  assert.equal(
    subjectText(ann, request.method, request.params),
    '{"method":"unfreeze","params":{"organizationId":"o","walletId":"w"},' +
      '"requester":{"authenticator":"00000000-0000-8000-8000-000000000001","user":"ann"}}',
  );
  assert.equal(subject(request), 'c7ff3c91218e3c731dae3dddb5a51479095ad3783377b12104d662209e764f75');
});

test('a subject does not depend on approvals, white space or the order of members, and on everything else', () => {
  const request = { method: 'm', params: { a: 1, b: [2] } };
  const same = subject(request);
  assert.equal(subject({ params: { b: [2], a: 1 }, method: 'm', approvals: ['AA'] }), same);
  assert.notEqual(subject({ method: 'n', params: request.params }), same);
  assert.notEqual(subject({ method: 'm', params: { a: 1, b: [3] } }), same);
  assert.notEqual(subject(request, new Uint8Array(16).fill(2)), same);
  assert.notEqual(subject(request, organization, { ...ann, username: 'ben' }), same);
  const otherKey = { ...ann, authenticatorId: '00000000-0000-8000-8000-000000000002' };
  assert.notEqual(subject(request, organization, otherKey), same);
});

test('nonce and prices of an EVM transaction are open where the request names the highest fee, and only there', () => {
  const asked = (changes: object, more: object = {}) => {
    const transaction = encodeUnsignedTransaction({
      version: 'eip1559',
      chainId: 1n,
      nonce: 7n,
      maxPriorityFeePerGas: 1n,
      maxFeePerGas: 10n,
      gasLimit: 21_000n,
      to: new Uint8Array(20).fill(1),
      value: 5n,
      data: new Uint8Array(0),
      accessList: [],
      authorizationList: [],
      ...changes,
    });
    const params = { chain: 'ethereum', transaction: base64urlEncode(transaction), ...more };
    return subject({ method: 'signTransaction', params });
  };
  const later = { nonce: 8n, maxFeePerGas: 11n };
  const capped = { maximumFee: '500000' };
  assert.equal(asked(later, capped), asked({}, capped));
  assert.notEqual(asked(later), asked({}));
  assert.notEqual(asked({}, { maximumFee: '500001' }), asked({}, capped));
  assert.notEqual(asked({ value: 6n }, capped), asked({}, capped));
  // Of another chain the member means nothing.
  const elsewhere = { ...capped, chain: 'sui' };
  assert.notEqual(asked(later, elsewhere), asked({}, elsewhere));
});

test('each user counts once, the requester never, and for a ceiling root users only', () => {
  const by = (username: string, key: number, root = true) => ({
    identity: new Uint8Array(32),
    keyHash: new Uint8Array(32).fill(key),
    username,
    root,
  });
  const approvals = [by('a', 1), by('a', 2), by('b', 3, false), by('me', 4)];
  assert.equal(rootApprovers(approvals, 'me'), 1);
  assert.equal(otherApprovers(approvals, 'me'), 2);
});
