import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { Libsecp256k1 } from '@keystead/crypto/libsecp256k1';
import { Libsodium } from '@keystead/crypto/libsodium';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { type OpenAccount, openAccount } from './accounts.ts';
import { signInputs } from './sign.ts';
import {
  loadSigningBackend,
  nativeCodeBackend,
  portableBackend,
  type SigningBackend,
} from './signing-backend.ts';

const privateKey = sha256(utf8Encode('a key'));
const message = sha256(utf8Encode('a message'));

const accountOf = (curve: 'Ed25519' | 'Secp256k1'): OpenAccount =>
  openAccount(
    {
      type: 'KEYPAIR',
      curve,
      addressFormat: curve === 'Ed25519' ? 'Solana' : 'BitcoinTaproot',
      privateKey: new SecretBytes(privateKey),
    },
    null,
  );

let loaded: SigningBackend;
before(async () => {
  loaded = await loadSigningBackend((length) => Uint8Array.from(randomBytes(length)));
});
const backends = () => [portableBackend, loaded];

test('every backend gives the same signatures', () => {
  assert.notDeepEqual(loaded.libraries, portableBackend.libraries);
  for (let count = 0; count < 20; count++) {
    const bytes = sha256(Uint8Array.of(count));
    for (const [curve, algorithm] of [
      ['Ed25519', 'ed25519'],
      ['Secp256k1', 'ecdsa'],
    ] as const) {
      const [one, other] = backends().map((backend) =>
        signInputs(accountOf(curve), [{ algorithm, bytes }], backend),
      );
      assert.deepEqual(one, other);
    }
  }
  const key = sha256(Uint8Array.of(1));
  assert.deepEqual(loaded.secp256k1PublicKey(key), portableBackend.secp256k1PublicKey(key));
  const long = new Uint8Array(200_000).fill(7);
  const [one, other] = backends().map((backend) =>
    signInputs(accountOf('Ed25519'), [{ algorithm: 'ed25519', bytes: long }], backend),
  );
  assert.deepEqual(one, other);
});

test('E21: signatures are deterministic, so that no nonce is ever drawn', () => {
  const inputs = [
    { algorithm: 'ecdsa', bytes: message },
    { algorithm: 'schnorr', bytes: message },
  ] as const;
  assert.deepEqual(signInputs(accountOf('Secp256k1'), inputs), signInputs(accountOf('Secp256k1'), inputs));
  const input = [{ algorithm: 'ed25519', bytes: message }] as const;
  assert.deepEqual(signInputs(accountOf('Ed25519'), input), signInputs(accountOf('Ed25519'), input));
});

test('a Taproot tweak gives a signature of the output key', () => {
  const account = accountOf('Secp256k1');
  const input = { algorithm: 'schnorr', bytes: message, taprootTweak: new Uint8Array(0) } as const;
  const [tweaked] = signInputs(account, [input]);
  const internal = account.publicKey.subarray(1);
  const tag = sha256(utf8Encode('TapTweak'));
  const tweak = BigInt(
    `0x${Buffer.from(sha256(new Uint8Array([...tag, ...tag, ...internal]))).toString('hex')}`,
  );
  const lifted = secp256k1.Point.fromBytes(new Uint8Array([2, ...internal]));
  const output = lifted.add(secp256k1.Point.BASE.multiply(tweak)).toBytes(true).subarray(1);
  assert.ok(schnorr.verify(tweaked!.bytes, message, output));
  assert.equal(schnorr.verify(tweaked!.bytes, message, internal), false);
  const [plain] = signInputs(account, [{ algorithm: 'schnorr', bytes: message }]);
  assert.ok(schnorr.verify(plain!.bytes, message, internal));
});

test('E21: a fault in the key or the public key gives an error, not a signature', () => {
  const input = [{ algorithm: 'ed25519', bytes: message }] as const;
  for (const backend of backends()) {
    for (let bit = 0; bit < 8; bit++) {
      const account = accountOf('Ed25519');
      account.publicKey[31]! ^= 1 << bit;
      assert.throws(() => signInputs(account, input, backend), /does not verify/);
      const other = ed25519.privateKey(sha256(Uint8Array.of(bit)));
      const mixed = { ...accountOf('Ed25519'), ed25519: other };
      assert.throws(() => signInputs(mixed, input, backend), /does not verify/);
    }
    assert.equal(signInputs(accountOf('Ed25519'), input, backend).length, 1);
  }
  const schnorrAccount = accountOf('Secp256k1');
  schnorrAccount.privateKey.expose()[31]! ^= 1;
  assert.throws(
    () => signInputs(schnorrAccount, [{ algorithm: 'schnorr', bytes: message }]),
    /does not verify/,
  );
});

test('E21: a bit that flips in the tables of the code gives an error or the right signature, never another one', async () => {
  const [libsodium, libsecp256k1] = await Promise.all([
    Libsodium.load(),
    Libsecp256k1.load((length) => Uint8Array.from(randomBytes(length))),
  ]);
  const backend = nativeCodeBackend(libsodium, libsecp256k1);
  const account = accountOf('Secp256k1');
  const input = [{ algorithm: 'ecdsa', bytes: message }] as const;
  const right = signInputs(account, input, backend);
  const { memory } = libsecp256k1;
  let refused = 0;
  // The multiples of the base point: 64 KiB from where the module's data begins.
  for (let at = 1024; at < 1024 + 65_536; at += 257) {
    memory[at]! ^= 1;
    let signatures: unknown;
    try {
      signatures = signInputs(account, input, backend);
    } catch {
      refused += 1;
    }
    memory[at]! ^= 1;
    if (signatures !== undefined) assert.deepEqual(signatures, right, `byte ${at}`);
  }
  assert.ok(refused > 5, `only ${refused} faults had a part in the computation`);
  assert.deepEqual(signInputs(account, input, backend), right, 'control: without a fault it signs');
});

test('refuses an algorithm of another curve than the key', () => {
  assert.throws(() => signInputs(accountOf('Ed25519'), [{ algorithm: 'ecdsa', bytes: message }]), TypeError);
  assert.throws(
    () => signInputs(accountOf('Secp256k1'), [{ algorithm: 'ed25519', bytes: message }]),
    TypeError,
  );
});
