import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { publicKey } from '@keystead/crypto/secp256k1';
import fc from 'fast-check';
import { serializeTransaction, type TransactionSerializable } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { SigningAccount } from '../chain.ts';
import { ChainError } from '../error.ts';
import { address } from './address.ts';
import { parseTransaction } from './parse.ts';
import { decodeRlp, encodeRlp } from './rlp.ts';
import { decodeUnsignedTransaction, encodeUnsignedTransaction } from './transaction.ts';

const key = publicKey(new Uint8Array(32).fill(0x42));
const account: SigningAccount = {
  publicKey: key,
  addressFormat: 'Ethereum',
  address: address(key, 'Ethereum'),
  derivationPath: null,
};
const common = {
  chainId: 1,
  nonce: 300,
  gas: 100_000n,
  to: `0x${'11'.repeat(20)}`,
  value: 10n ** 18n,
  data: `0xa9059cbb${'00'.repeat(12)}${'22'.repeat(20)}${'00'.repeat(31)}05`,
} as const;
const accessList = [{ address: common.to, storageKeys: [`0x${'33'.repeat(32)}`] }];
const authorization = await privateKeyToAccount(`0x${'07'.repeat(32)}`).signAuthorization({
  chainId: 1,
  nonce: 0,
  address: common.to,
});
const samples = (
  [
    { ...common, type: 'legacy', gasPrice: 10n ** 10n },
    { ...common, type: 'eip2930', gasPrice: 10n ** 10n, accessList },
    { ...common, type: 'eip1559', maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n, accessList },
    { ...common, type: 'eip7702', maxFeePerGas: 10n ** 10n, authorizationList: [authorization] },
  ] as readonly TransactionSerializable[]
).map((fields) => hexDecode(serializeTransaction(fields).slice(2)));

/** One to three edits: overwrite, insert, delete, repeat a run of bytes, cut, append. */
const mutated = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 }),
  )
  .map(([sample, edits]) => {
    let bytes = [...sample];
    for (const [kind, position, value] of edits) {
      const at = position % (bytes.length + 1);
      if (kind === 0 && at < bytes.length) bytes[at] = value;
      if (kind === 1) bytes.splice(at, 0, value);
      if (kind === 2) bytes.splice(at, 1 + (value % 3));
      if (kind === 3) bytes.splice(at, 0, ...bytes.slice(at, at + (value % 40)));
      if (kind === 4) bytes = bytes.slice(0, at);
      if (kind === 5) bytes.push(value);
    }
    return Uint8Array.from(bytes);
  });

test('refuses a mutated transaction with a ChainError or round-trips it byte for byte', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(mutated, (bytes) => {
      try {
        parseTransaction(bytes, account);
      } catch (error) {
        assert.ok(error instanceof ChainError, String(error));
        refused += 1;
        return;
      }
      assert.equal(hexEncode(encodeUnsignedTransaction(decodeUnsignedTransaction(bytes))), hexEncode(bytes));
      accepted += 1;
    }),
    { numRuns: 2_000 },
  );
  // Both branches are reached, or the property shows nothing.
  assert.ok(accepted > 50 && refused > 50, `${accepted} accepted, ${refused} refused`);
});

test('decodes no RLP item from bytes that encode it differently', () => {
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 80 })), (bytes) => {
      try {
        assert.equal(hexEncode(encodeRlp(decodeRlp(bytes))), hexEncode(bytes));
      } catch (error) {
        if (!(error instanceof ChainError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});
