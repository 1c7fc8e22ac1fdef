import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HDKey as ScureKey } from '@scure/bip32';
import fc from 'fast-check';
import { HDKey as Slip10Key } from 'micro-key-producer/slip10.js';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors } from '../testing/vectors.ts';
import { base58Decode } from './base58.ts';
import { derivePublic } from './bip32.ts';
import { segwitEncode } from './bech32.ts';
import {
  entropyFromMnemonic,
  entropyLengthForWords,
  mnemonicFromEntropy,
  normalizeMnemonic,
  seedFromMnemonic,
} from './bip39.ts';
import { formatPath, HARDENED, parsePath } from './derivation-path.ts';
import { publicKey as ed25519PublicKey } from './ed25519.ts';
import { hexDecode, hexEncode } from './hex.ts';
import { hash160 } from './ripemd160.ts';
import { publicKey, publicTweakAdd, taprootOutputKey } from './secp256k1.ts';
import { sha256 } from './sha256.ts';

type Bip39 = Record<string, [entropy: string, mnemonic: string, seed: string, xprv: string][]>;

const bip39 = vectors<Bip39>('bip39.json');

interface Bip32 {
  valid: { seed: string; chains: { path: string; xprv: string; xpub: string }[] }[];
}

const bip32 = vectors<Bip32>('bip32.json');

interface Slip10 {
  title: string;
  curve: string;
  seed: string;
  chains: { path: string; fingerprint: string; chain_code: string; private: string; public: string }[];
}

const slip10 = vectors<Slip10[]>('slip10.json');

interface Account {
  section: string;
  mnemonic?: string;
  rootpriv?: string;
  xpriv?: string;
  xprv?: string;
  privkey?: string;
  pubkey?: string;
  internal_key?: string;
  output_key?: string;
  address?: string;
}

const accounts = vectors<{ bip84: Account[]; bip86: Account[] }>('bip84_bip86.json');

// Payload of base58check text: extended keys (78 bytes) and Bitcoin's private key format.
function payload(text: string): Uint8Array {
  const bytes = base58Decode(text);
  const body = bytes.slice(0, -4);
  assert.deepEqual(bytes.slice(-4), sha256(sha256(body)).slice(0, 4));
  return body;
}

for (const { backend, module } of await eachBackend<typeof import('./bip39.ts')>('bip39')) {
  test(`makes the seeds of all 288 BIP-39 vectors in 12 languages (${backend})`, () => {
    let run = 0;
    for (const cases of Object.values(bip39)) {
      for (const [, mnemonic, seed] of cases) {
        assert.equal(hexEncode(module.seedFromMnemonic(mnemonic, 'TREZOR')), seed);
        run++;
      }
    }
    assert.equal(run, 288);
  });
}

test('converts the 24 English BIP-39 vectors in both directions', () => {
  let run = 0;
  for (const [entropy, mnemonic] of bip39.english!) {
    assert.equal(mnemonicFromEntropy(hexDecode(entropy)), mnemonic);
    assert.equal(hexEncode(entropyFromMnemonic(mnemonic)), entropy);
    assert.equal(mnemonic.split(' ').length, (hexDecode(entropy).length * 3) / 4);
    run++;
  }
  assert.equal(run, 24);
});

test('refuses mnemonics with a wrong checksum, word, count or language', () => {
  const words = 'abandon '.repeat(11);
  assert.equal(entropyFromMnemonic(`  ${words.toUpperCase()}\n about `).length, 16);
  assert.equal(normalizeMnemonic(`  ${words.toUpperCase()}\n about `), `${words}about`);
  for (const text of [
    '',
    `${words}abandon`,
    `${words}abou`,
    words.trim(),
    `${words}about about`,
    bip39.japanese![0]![1],
  ]) {
    assert.throws(() => entropyFromMnemonic(text), {
      code: 'mnemonic-malformed',
      message: 'mnemonic-malformed',
    });
  }
  assert.throws(() => mnemonicFromEntropy(new Uint8Array(17)), RangeError);
  assert.throws(() => mnemonicFromEntropy(new Uint8Array(64)), RangeError);
  assert.deepEqual([12, 15, 18, 21, 24].map(entropyLengthForWords), [16, 20, 24, 28, 32]);
  assert.throws(() => entropyLengthForWords(13), RangeError);
});

test('reads and writes one spelling of a path', () => {
  assert.deepEqual(parsePath('m'), []);
  assert.deepEqual(parsePath("m/44'/60'/0'/0/2147483647"), [
    HARDENED + 44,
    HARDENED + 60,
    HARDENED,
    0,
    2 ** 31 - 1,
  ]);
  for (const text of ["m/44'/501'/0'", 'm', "m/2147483647'", 'm/0/1/2/3/4/5/6/7/8/9']) {
    assert.equal(formatPath(parsePath(text)), text);
  }
  for (const text of [
    '',
    'M',
    '/',
    'm/',
    'n/0',
    '0',
    "44'/0",
    'm/44h',
    'm/44H',
    'm/01',
    'm/-1',
    'm/1.0',
    'm//1',
    'm/1/',
    "m/'",
    "m/1''",
    'm/0x1',
    ' m',
    'm ',
    'm/1\n',
    'm/2147483648',
    "m/2147483648'",
    'm/4294967296',
    'm/9999999999',
    'm/0/1/2/3/4/5/6/7/8/9/10',
    'm/١',
  ]) {
    assert.throws(() => parsePath(text), { code: 'path-malformed' }, text);
  }
  assert.throws(() => formatPath([2 ** 32]), RangeError);
  assert.throws(() => formatPath([-1]), RangeError);
  assert.throws(() => formatPath(new Array(11).fill(0)), RangeError);
});

for (const { backend, module } of await eachBackend<typeof import('./bip32.ts')>('bip32')) {
  test(`derives the 17 keys of BIP-32 and serializes their public form (${backend})`, () => {
    let run = 0;
    for (const { seed, chains } of bip32.valid) {
      for (const { path, xprv, xpub } of chains) {
        const indexes = parsePath(path);
        const key = module.derivePrivate(hexDecode(seed), indexes);
        const expected = payload(xprv);
        assert.equal(hexEncode(key.privateKey), hexEncode(expected.slice(46)));
        assert.equal(hexEncode(key.chainCode), hexEncode(expected.slice(13, 45)));
        const parent =
          indexes.length === 0
            ? new Uint8Array(4)
            : module.fingerprint(
                publicKey(module.derivePrivate(hexDecode(seed), indexes.slice(0, -1)).privateKey),
              );
        const serialized = module.serializeExtendedPublicKey(0x0488b21e, indexes, parent, {
          publicKey: publicKey(key.privateKey),
          chainCode: key.chainCode,
        });
        assert.equal(hexEncode(serialized), hexEncode(payload(xpub)));
        run++;
      }
    }
    assert.equal(run, 17);
  });

  test(`derives the 12 secp256k1 keys of SLIP-10 (${backend})`, () => {
    let run = 0;
    for (const { curve, seed, chains } of slip10) {
      if (curve !== 'secp256k1') continue;
      for (const c of chains) {
        const key = module.derivePrivate(hexDecode(seed), parsePath(c.path));
        assert.deepEqual([hexEncode(key.privateKey), hexEncode(key.chainCode)], [c.private, c.chain_code]);
        assert.equal(hexEncode(publicKey(key.privateKey)), c.public);
        run++;
      }
    }
    assert.equal(run, 12);
  });

  test(`derives the 10 keys and addresses of BIP-84 and BIP-86 (${backend})`, () => {
    let run = 0;
    const seed = seedFromMnemonic(accounts.bip84[0]!.mnemonic!);
    for (const account of [...accounts.bip84, ...accounts.bip86]) {
      const path = account.section === 'root' ? 'm' : account.section.replace(/^.*= /, '');
      const key = module.derivePrivate(seed, parsePath(path));
      const compressed = publicKey(key.privateKey);
      const extended = account.rootpriv ?? account.xpriv ?? account.xprv;
      if (extended !== undefined)
        assert.equal(hexEncode(payload(extended).slice(46)), hexEncode(key.privateKey));
      if (account.privkey !== undefined) {
        assert.equal(hexEncode(payload(account.privkey).slice(1, 33)), hexEncode(key.privateKey));
        assert.equal(hexEncode(compressed), account.pubkey);
        assert.equal(segwitEncode('bc', 0, hash160(compressed)), account.address);
      }
      if (account.internal_key !== undefined) {
        assert.equal(hexEncode(compressed.slice(1)), account.internal_key);
        const output = taprootOutputKey(compressed.slice(1), new Uint8Array(0)).xOnly;
        assert.equal(hexEncode(output), account.output_key);
        assert.equal(segwitEncode('bc', 1, output), account.address);
      }
      run++;
    }
    assert.equal(run, 10);
    assert.equal(hexEncode(module.masterFingerprint(seed)), '73c5da0a');
  });

  test(`derives the same keys as @scure/bip32 on any path (${backend})`, () => {
    const index = fc.oneof(
      fc.nat(3),
      fc.nat(0x7fffffff),
      fc.nat(0x7fffffff).map((n) => n + HARDENED),
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 64 }),
        fc.array(index, { maxLength: 4 }),
        (seed, path) => {
          const expected = ScureKey.fromMasterSeed(seed).derive(formatPath(path));
          const key = module.derivePrivate(seed, path);
          assert.equal(hexEncode(key.privateKey), hexEncode(expected.privateKey!));
          assert.equal(hexEncode(key.chainCode), hexEncode(expected.chainCode!));
          const parent = module.derivePrivate(seed, path.slice(0, 1));
          const before = hexEncode(parent.privateKey);
          assert.deepEqual(module.deriveChild(parent, path.slice(1)), key);
          assert.equal(hexEncode(parent.privateKey), before);
        },
      ),
      { numRuns: 15 },
    );
  });
}

test('derives the public keys of @scure/bip32 without a private key, and no hardened one', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 64 }),
      fc.array(fc.nat(0x7fffffff), { minLength: 1, maxLength: 3 }),
      (seed, path) => {
        const account = ScureKey.fromMasterSeed(seed).derive("m/84'/0'/0'");
        const parent = { publicKey: account.publicKey!, chainCode: account.chainCode! };
        const expected = account.derive(`m/${path.join('/')}`);
        const key = derivePublic(parent, path);
        assert.equal(hexEncode(key.publicKey), hexEncode(expected.publicKey!));
        assert.equal(hexEncode(key.chainCode), hexEncode(expected.chainCode!));
        assert.deepEqual(derivePublic(parent, []), parent);
        assert.throws(() => derivePublic(parent, [...path, HARDENED]), RangeError);
      },
    ),
    { numRuns: 15 },
  );
  const generator = publicKey(Uint8Array.from([...new Uint8Array(31), 1]));
  const order = hexDecode('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');
  assert.equal(publicTweakAdd(generator, order), undefined);
  const minusOne = order.slice();
  minusOne[31]! -= 1;
  assert.equal(publicTweakAdd(generator, minusOne), undefined);
  assert.deepEqual(publicTweakAdd(generator, new Uint8Array(32)), generator);
});

for (const { backend, module } of await eachBackend<typeof import('./slip10.ts')>('slip10')) {
  test(`derives the 12 Ed25519 keys of SLIP-10 (${backend})`, () => {
    let run = 0;
    for (const { curve, seed, chains } of slip10) {
      if (curve !== 'ed25519') continue;
      for (const c of chains) {
        const key = module.derivePrivate(hexDecode(seed), parsePath(c.path));
        assert.deepEqual([hexEncode(key.privateKey), hexEncode(key.chainCode)], [c.private, c.chain_code]);
        assert.equal(`00${hexEncode(ed25519PublicKey(key.privateKey))}`, c.public);
        run++;
      }
    }
    assert.equal(run, 12);
  });

  test(`derives the same Ed25519 keys as micro-key-producer, and refuses indexes that are not hardened (${backend})`, () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 64 }),
        fc.array(fc.nat(0x7fffffff), { maxLength: 5 }),
        (seed, indexes) => {
          const path = indexes.map((index) => index + HARDENED);
          const expected = Slip10Key.fromMasterSeed(seed).derive(formatPath(path));
          const key = module.derivePrivate(seed, path);
          assert.equal(hexEncode(key.privateKey), hexEncode(expected.privateKey));
          assert.equal(hexEncode(key.chainCode), hexEncode(expected.chainCode));
        },
      ),
      { numRuns: 20 },
    );
    assert.throws(
      () => module.derivePrivate(new Uint8Array(32), [HARDENED + 44, 0]),
      /^RangeError: .*hardened/,
    );
    assert.throws(() => module.derivePrivate(new Uint8Array(15), []), RangeError);
  });
}
