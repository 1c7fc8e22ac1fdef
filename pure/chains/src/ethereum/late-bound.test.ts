import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutLateBound } from './late-bound.ts';
import {
  encodeAuthorizationPreimage,
  encodeUnsignedTransaction,
  type EthereumTransaction,
  type EthereumVersion,
} from './transaction.ts';

const address = (byte: number) => new Uint8Array(20).fill(byte);

const transaction = (changes: Partial<EthereumTransaction> = {}): EthereumTransaction => ({
  version: 'eip1559',
  chainId: 1n,
  nonce: 7n,
  maxPriorityFeePerGas: 2n,
  maxFeePerGas: 30n,
  gasLimit: 21_000n,
  to: address(1),
  value: 5n,
  data: new Uint8Array(0),
  accessList: [],
  authorizationList: [],
  ...changes,
});

const one = (version: EthereumVersion): Partial<EthereumTransaction> => ({
  version,
  ...(version === 'legacy' || version === 'eip2930' ? { maxPriorityFeePerGas: 30n } : {}),
  ...(version === 'eip4844'
    ? { blobs: { maxFeePerBlobGas: 9n, versionedHashes: [new Uint8Array(32).fill(1)] } }
    : {}),
  ...(version === 'eip7702'
    ? { authorizationList: [{ chainId: 1n, address: address(9), nonce: 3n, yParity: 0n, r: 1n, s: 1n }] }
    : {}),
});

const open = (changes: Partial<EthereumTransaction>) =>
  withoutLateBound(encodeUnsignedTransaction(transaction(changes)));

for (const version of ['legacy', 'eip2930', 'eip1559', 'eip4844', 'eip7702'] as const)
  test(`${version}: the same whatever its nonce and prices, and another when anything else differs`, () => {
    const base = one(version);
    const same = open(base);
    const dearer = { maxFeePerGas: 31n, maxPriorityFeePerGas: base.maxPriorityFeePerGas === 30n ? 31n : 3n };
    assert.deepEqual(open({ ...base, nonce: 8n }), same);
    assert.deepEqual(open({ ...base, ...dearer }), same);
    if (base.blobs !== undefined)
      assert.deepEqual(open({ ...base, blobs: { ...base.blobs, maxFeePerBlobGas: 10n } }), same);
    // What is open can be read and is open no further.
    assert.deepEqual(withoutLateBound(same), same);
    const others: Partial<EthereumTransaction>[] = [
      {
        chainId: 2n,
        ...(version === 'eip7702'
          ? { authorizationList: [{ ...base.authorizationList![0]!, chainId: 2n }] }
          : {}),
      },
      { gasLimit: 21_001n },
      { to: address(2) },
      { value: 6n },
      { data: Uint8Array.of(1) },
    ];
    if (version !== 'legacy') others.push({ accessList: [{ address: address(3), storageKeys: [] }] });
    if (base.blobs !== undefined)
      others.push({ blobs: { ...base.blobs, versionedHashes: [new Uint8Array(32).fill(1, 0, 31)] } });
    if (version === 'eip7702')
      others.push({ authorizationList: [{ ...base.authorizationList![0]!, nonce: 4n }] });
    for (const other of others) assert.notDeepEqual(open({ ...base, ...other }), same);
  });

test('nothing of an authorisation is left open, and what does not decode is refused', () => {
  const preimage = (nonce: bigint) =>
    encodeAuthorizationPreimage({ chainId: 1n, address: address(1), nonce });
  assert.deepEqual(withoutLateBound(preimage(1n)), preimage(1n));
  assert.notDeepEqual(withoutLateBound(preimage(2n)), preimage(1n));
  assert.throws(() => withoutLateBound(Uint8Array.of(2, 0xc0)), { code: 'transaction-malformed' });
});
