import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import fc from 'fast-check';
import { hashMessage, type Hex, serializeTransaction, type TransactionSerializable } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { looksLikeTransaction, messageRefusal, personalMessageDigest } from './message.ts';
import { decodeRlp, encodeRlp, type RlpItem } from './rlp.ts';

const signer = privateKeyToAccount(`0x${'07'.repeat(32)}`);
const bytesOf = (hex: string): Uint8Array => hexDecode(hex.slice(2));
const common = { chainId: 1, nonce: 1, gas: 21_000n, to: `0x${'11'.repeat(20)}`, value: 1n } as const;
const transactions: readonly TransactionSerializable[] = [
  { ...common, type: 'legacy', gasPrice: 1n },
  { ...common, type: 'legacy', gasPrice: 1n, chainId: undefined },
  { ...common, type: 'eip2930', gasPrice: 1n },
  { ...common, type: 'eip1559', maxFeePerGas: 1n },
  {
    ...common,
    type: 'eip4844',
    maxFeePerGas: 1n,
    maxFeePerBlobGas: 1n,
    blobVersionedHashes: [`0x01${'00'.repeat(31)}`],
  } as TransactionSerializable,
  { ...common, type: 'eip7702', maxFeePerGas: 1n, authorizationList: [] } as TransactionSerializable,
];

test('hashes messages as viem does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
      assert.equal(
        `0x${hexEncode(personalMessageDigest(message))}`,
        hashMessage({ raw: `0x${hexEncode(message)}` }),
      );
    }),
  );
});

test('E2: recognises transactions of every type, unsigned and signed', async () => {
  for (const transaction of transactions) {
    assert.ok(looksLikeTransaction(bytesOf(serializeTransaction(transaction))), transaction.type ?? '');
    assert.ok(
      looksLikeTransaction(bytesOf(await signer.signTransaction(transaction))),
      transaction.type ?? '',
    );
  }
});

test('recognises authorisations, typed-data preimages, blob sidecars and digests', async () => {
  const tuple = encodeRlp([Uint8Array.of(1), new Uint8Array(20), Uint8Array.of(9)]);
  assert.equal(messageRefusal(new Uint8Array([5, ...tuple])), 'authorisation');
  assert.equal(messageRefusal(new Uint8Array([0x19, 0x01, ...new Uint8Array(64)])), 'typed-data-preimage');
  assert.equal(messageRefusal(new Uint8Array(32).fill(65)), 'digest');
  const blob = bytesOf(await signer.signTransaction(transactions[4]!));
  const fields = decodeRlp(blob.subarray(1)) as readonly RlpItem[];
  assert.equal(messageRefusal(new Uint8Array([3, ...encodeRlp([fields, [], [], []])])), 'typed-transaction');
});

test('lets ordinary messages pass', () => {
  const messages: readonly (string | Hex)[] = [
    '',
    'Sign in to example.com',
    'ünïcode',
    '0x02f8',
    'é'.repeat(40),
    `0x${'00'.repeat(32)}`,
    'example.com wants you to sign in with your Ethereum account:\n0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  ];
  for (const text of messages) assert.equal(messageRefusal(utf8Encode(text)), null, text);
  // Trailing bytes make it no transaction for any node.
  assert.equal(messageRefusal(new Uint8Array([...bytesOf(serializeTransaction(transactions[3]!)), 0])), null);
});

test('never throws', () => {
  const first = fc.constantFrom(0x01, 0x02, 0x03, 0x04, 0x05, 0x19, 0xc0, 0xc9, 0xf8, 0xf9, 0xff);
  fc.assert(
    fc.property(first, fc.uint8Array({ maxLength: 100 }), (byte, rest) => {
      assert.equal(typeof looksLikeTransaction(new Uint8Array([byte, ...rest])), 'boolean');
    }),
    { numRuns: 2_000 },
  );
});
