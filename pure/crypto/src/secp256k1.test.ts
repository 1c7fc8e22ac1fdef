import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secp256k1 as noble } from '@noble/curves/secp256k1.js';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors, type Wycheproof } from '../testing/vectors.ts';
import { ecdsaDerDecode, ecdsaDerEncode } from './ecdsa-der.ts';
import { hexDecode, hexEncode } from './hex.ts';
import { sha256 } from './sha256.ts';

const suite = vectors<Wycheproof<{ publicKey: { uncompressed: string } }, { msg: string; sig: string }>>(
  'wycheproof_ecdsa_secp256k1_sha256_bitcoin.json',
);

interface SchnorrCase {
  index: string;
  'secret key': string;
  'public key': string;
  aux_rand: string;
  message: string;
  signature: string;
  'verification result': 'TRUE' | 'FALSE';
}

const schnorrCases = vectors<SchnorrCase[]>('bip340_schnorr.json');

// Messages of 0, 1, 17 and 100 bytes: a digest has 32 here.
const OTHER_MESSAGE_LENGTHS = ['15', '16', '17', '18'];

interface Taproot {
  scriptPubKey: {
    given: { internalPubkey: string };
    intermediary: { merkleRoot: string | null; tweak: string; tweakedPubkey: string };
  }[];
  keyPathSpending: {
    inputSpending: {
      given: { internalPrivkey: string; merkleRoot: string | null };
      intermediary: { tweakedPrivkey: string; sigHash: string };
      expected: { witness: string[] };
    }[];
  }[];
}

const taproot = vectors<Taproot>('bip341_taproot.json');

for (const { backend, module } of await eachBackend<typeof import('./secp256k1.ts')>('secp256k1')) {
  test(`agrees with all 463 Wycheproof cases of Bitcoin's ECDSA (${backend})`, () => {
    let run = 0;
    for (const group of suite.testGroups) {
      const key = module.compress(hexDecode(group.publicKey.uncompressed));
      for (const c of group.tests) {
        let valid = false;
        try {
          valid = module.ecdsaVerify(key, sha256(hexDecode(c.msg)), ecdsaDerDecode(hexDecode(c.sig)));
        } catch (error) {
          assert.equal((error as { code: string }).code, 'signature-malformed');
        }
        assert.equal(valid, c.result === 'valid', `case ${c.tcId}: ${c.comment}`);
        if (valid) assert.equal(hexEncode(ecdsaDerEncode(ecdsaDerDecode(hexDecode(c.sig)))), c.sig);
        run++;
      }
    }
    assert.equal(run, 463);
  });

  test(`verifies 15 BIP-340 vectors and signs those with a secret key (${backend})`, () => {
    let verified = 0;
    let signed = 0;
    for (const c of schnorrCases) {
      if (OTHER_MESSAGE_LENGTHS.includes(String(c.index))) {
        assert.throws(
          () =>
            module.schnorrVerify(hexDecode(c['public key']), hexDecode(c.message), hexDecode(c.signature)),
          RangeError,
        );
        continue;
      }
      const valid = module.schnorrVerify(
        hexDecode(c['public key']),
        hexDecode(c.message),
        hexDecode(c.signature),
      );
      assert.equal(valid, c['verification result'] === 'TRUE', `vector ${c.index}`);
      verified++;
      if (c['secret key'] === '') continue;
      const secret = hexDecode(c['secret key']);
      assert.equal(hexEncode(module.schnorrPublicKey(secret)), c['public key'].toLowerCase());
      const signature = module.schnorrSign(secret, hexDecode(c.message), hexDecode(c.aux_rand));
      assert.equal(hexEncode(signature), c.signature.toLowerCase());
      signed++;
    }
    assert.equal(verified, 15);
    assert.equal(signed, 4);
  });

  test(`tweaks the 7 output keys and 7 private keys of BIP-341 (${backend})`, () => {
    let keys = 0;
    for (const c of taproot.scriptPubKey) {
      const root = hexDecode(c.intermediary.merkleRoot ?? '');
      const output = module.taprootOutputKey(hexDecode(c.given.internalPubkey), root);
      assert.equal(hexEncode(output.xOnly), c.intermediary.tweakedPubkey);
      const added = module.xOnlyTweakAdd(hexDecode(c.given.internalPubkey), hexDecode(c.intermediary.tweak));
      assert.deepEqual(added, output);
      keys++;
    }
    assert.equal(keys, 7);
    let inputs = 0;
    for (const c of taproot.keyPathSpending.flatMap((spending) => spending.inputSpending)) {
      const root = hexDecode(c.given.merkleRoot ?? '');
      const tweaked = module.taprootTweakPrivate(hexDecode(c.given.internalPrivkey), root);
      assert.equal(hexEncode(tweaked), c.intermediary.tweakedPrivkey);
      const internal = module.schnorrPublicKey(hexDecode(c.given.internalPrivkey));
      assert.deepEqual(module.schnorrPublicKey(tweaked), module.taprootOutputKey(internal, root).xOnly);
      const signature = module.schnorrSign(tweaked, hexDecode(c.intermediary.sigHash));
      assert.equal(hexEncode(signature), c.expected.witness[0]!.slice(0, 128));
      inputs++;
    }
    assert.equal(inputs, 7);
  });

  test(`signs deterministically with low s, and the key can be recovered (${backend})`, () => {
    const privateKey = hexDecode('0000000000000000000000000000000000000000000000000000000000000001');
    const digest = sha256(new TextEncoder().encode('Satoshi Nakamoto'));
    const signature = module.ecdsaSign(privateKey, digest);
    // The widely published RFC 6979 vector for secp256k1.
    assert.equal(
      hexEncode(signature.bytes),
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8' +
        '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
    );
    const recoveries = new Set<number>();
    for (let i = 0; i < 16; i++) {
      const key = sha256(Uint8Array.of(i));
      const message = sha256(Uint8Array.of(i, i));
      const made = module.ecdsaSign(key, message);
      recoveries.add(made.recovery);
      assert.ok(BigInt(`0x${hexEncode(made.bytes.slice(32))}`) <= noble.Point.Fn.ORDER / 2n);
      assert.deepEqual(module.ecdsaRecover(made, message), module.publicKey(key));
      assert.ok(module.ecdsaVerify(module.publicKey(key), message, made.bytes));
      assert.ok(module.samePublicKey(module.publicKey(key), module.uncompress(module.publicKey(key))));
    }
    assert.deepEqual([...recoveries].sort(), [0, 1]);
  });

  test(`takes for its own only the signature of the key, the digest and the recovery (${backend})`, () => {
    for (let i = 0; i < 6; i++) {
      const key = sha256(Uint8Array.of(i));
      const digest = sha256(Uint8Array.of(i, i));
      const made = module.ecdsaSign(key, digest);
      assert.equal(module.isOwnSignature(made, key, digest), true);
      for (const recovery of [0, 1, 2, 3])
        assert.equal(module.isOwnSignature({ ...made, recovery }, key, digest), recovery === made.recovery);
      for (const at of [0, 31, 32, 63]) {
        const bytes = Uint8Array.from(made.bytes);
        bytes[at]! ^= 1;
        assert.equal(module.isOwnSignature({ ...made, bytes }, key, digest), false);
      }
      assert.equal(module.isOwnSignature(made, sha256(key), digest), false);
      assert.equal(module.isOwnSignature(made, key, sha256(digest)), false);
      const high = Uint8Array.from(made.bytes);
      const s = noble.Point.Fn.ORDER - BigInt(`0x${hexEncode(made.bytes.slice(32))}`);
      high.set(noble.Point.Fn.toBytes(s), 32);
      assert.equal(module.isOwnSignature({ bytes: high, recovery: made.recovery ^ 1 }, key, digest), false);
      assert.equal(module.isOwnSignature({ ...made, bytes: new Uint8Array(64) }, key, digest), false);
    }
  });

  test(`refuses high s, wrong lengths, keys off the curve and scalars out of range (${backend})`, () => {
    const privateKey = sha256(Uint8Array.of(1));
    const key = module.publicKey(privateKey);
    const digest = sha256(Uint8Array.of(2));
    const { bytes } = module.ecdsaSign(privateKey, digest);
    const high = Uint8Array.from(bytes);
    const s = noble.Point.Fn.ORDER - BigInt(`0x${hexEncode(bytes.slice(32))}`);
    high.set(noble.Point.Fn.toBytes(s), 32);
    assert.ok(noble.verify(high, digest, key, { prehash: false, lowS: false }));
    assert.equal(module.ecdsaVerify(key, digest, high), false);
    assert.equal(module.ecdsaVerify(key, digest, bytes.slice(0, 63)), false);
    assert.equal(module.ecdsaVerify(module.uncompress(key), digest, bytes), false);
    assert.equal(module.ecdsaVerify(key, digest, new Uint8Array(64)), false);
    const off = Uint8Array.from(key);
    off.fill(0xff, 1);
    assert.equal(module.ecdsaVerify(off, digest, bytes), false);
    assert.equal(module.isAcceptablePublicKey(off), false);
    assert.equal(module.isAcceptablePublicKey(key), true);
    assert.throws(() => module.uncompress(off), { code: 'point-malformed' });
    assert.throws(() => module.xOnlyTweakAdd(off.slice(1), digest), { code: 'point-malformed' });
    assert.throws(() => module.xOnlyTweakAdd(key.slice(1), off.slice(1)), { code: 'point-malformed' });
    assert.throws(() => module.ecdsaSign(new Uint8Array(32), digest), RangeError);
    assert.throws(() => module.ecdsaSign(off.slice(1), digest), RangeError);
    assert.throws(() => module.ecdsaSign(privateKey, digest.slice(1)), RangeError);
    assert.throws(() => module.taprootOutputKey(key.slice(1), new Uint8Array(31)), RangeError);
    assert.throws(() => module.ecdsaRecover({ bytes: new Uint8Array(64), recovery: 0 }, digest), {
      code: 'signature-malformed',
    });
    assert.equal(module.isAcceptablePrivateKey(off.slice(1)), false);
    assert.equal(module.isAcceptablePrivateKey(privateKey), true);
  });
}
