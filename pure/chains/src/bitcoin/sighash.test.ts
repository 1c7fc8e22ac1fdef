import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { schnorrSign, taprootTweakPrivate } from '@keystead/crypto/secp256k1';
import { SIGHASH_ALL, SIGHASH_DEFAULT, sighash } from './sighash.ts';
import { decodeTransaction, encodeTransaction } from './transaction.ts';

interface Bip341 {
  readonly keyPathSpending: readonly {
    readonly given: {
      readonly rawUnsignedTx: string;
      readonly utxosSpent: readonly { scriptPubKey: string; amountSats: number }[];
    };
    readonly inputSpending: readonly {
      readonly given: {
        txinIndex: number;
        internalPrivkey: string;
        merkleRoot: string | null;
        hashType: number;
      };
      readonly intermediary: { readonly sigHash: string };
      readonly expected: { readonly witness: readonly string[] };
    }[];
    readonly auxiliary: { readonly fullySignedTx: string };
  }[];
}

const bip341 = JSON.parse(
  readFileSync(new URL('../../../../vectors/bip341_taproot.json', import.meta.url), 'utf8'),
) as Bip341;

test('gives the digests and signatures of BIP-341 for the hash types that are signed', () => {
  let checked = 0;
  for (const { given, inputSpending } of bip341.keyPathSpending) {
    const transaction = decodeTransaction(hexDecode(given.rawUnsignedTx), 'unsigned');
    const spent = given.utxosSpent.map((output) => ({
      amount: BigInt(output.amountSats),
      script: hexDecode(output.scriptPubKey),
    }));
    const digests = sighash(transaction, spent);
    for (const { given: input, intermediary, expected } of inputSpending) {
      if (input.hashType !== SIGHASH_DEFAULT && input.hashType !== SIGHASH_ALL) continue;
      const digest = digests.taproot(input.txinIndex, input.hashType);
      assert.equal(hexEncode(digest), intermediary.sigHash);
      const key = taprootTweakPrivate(hexDecode(input.internalPrivkey), hexDecode(input.merkleRoot ?? ''));
      assert.equal(hexEncode(schnorrSign(key, digest)), expected.witness[0]!.slice(0, 128));
      checked += 1;
    }
  }
  assert.equal(checked, 2);
});

test('decodes the signed transaction of BIP-341 and encodes it again', () => {
  for (const { auxiliary } of bip341.keyPathSpending) {
    const bytes = hexDecode(auxiliary.fullySignedTx);
    const transaction = decodeTransaction(bytes);
    assert.ok(transaction.inputs.some((input) => input.witness.length > 0));
    assert.equal(hexEncode(encodeTransaction(transaction)), auxiliary.fullySignedTx);
  }
});

test('gives the P2WPKH digest of the BIP-143 example', () => {
  const unsigned =
    '0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000';
  const other = { amount: 0n, script: new Uint8Array(0) };
  const own = { amount: 600_000_000n, script: hexDecode('00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1') };
  const digest = sighash(decodeTransaction(hexDecode(unsigned), 'unsigned'), [other, own]).segwit(1);
  assert.equal(hexEncode(digest), 'c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670');
});
