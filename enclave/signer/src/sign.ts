import type { RawSignature, SigningInput } from '@keystead/chains/chain';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { OpenAccount } from './accounts.ts';
import { portableBackend, type SigningBackend } from './signing-backend.ts';

/**
 * One signature per input, deterministic, each checked before it is returned: a fault in the computation must not leave as a
 * signature. Throws Error when one does not hold.
 */
export function signInputs(
  account: OpenAccount,
  inputs: readonly SigningInput[],
  backend: SigningBackend = portableBackend,
): RawSignature[] {
  return inputs.map((input) => signInput(account, input, backend));
}

function signInput(account: OpenAccount, input: SigningInput, backend: SigningBackend): RawSignature {
  if ((input.algorithm === 'ed25519') !== (account.curve === 'Ed25519'))
    throw new TypeError(`${input.algorithm} does not sign with a ${account.curve} key`);
  switch (input.algorithm) {
    case 'ed25519':
      return signEd25519(account, input.bytes, backend);
    case 'ecdsa':
      return signEcdsa(account, input.bytes, backend);
    case 'schnorr':
      return signSchnorr(account, input);
  }
}

function signEd25519(account: OpenAccount, message: Uint8Array, backend: SigningBackend): RawSignature {
  const { publicKey, privateKey, ed25519: key } = account;
  return { bytes: backend.ed25519({ seed: privateKey.expose(), publicKey, key: key! }, message) };
}

function signEcdsa(account: OpenAccount, digest: Uint8Array, backend: SigningBackend): RawSignature {
  const { bytes, recovery } = backend.ecdsa(account.privateKey.expose(), digest);
  // 2 and 3 need an r that no one has ever met; no chain can write them.
  if (recovery !== 0 && recovery !== 1) throw unverified();
  return { bytes, recovery };
}

function signSchnorr(account: OpenAccount, input: SigningInput): RawSignature {
  const tweak = input.taprootTweak;
  const xOnly = account.publicKey.subarray(1);
  if (tweak === undefined) {
    const bytes = secp256k1.schnorrSign(account.privateKey.expose(), input.bytes);
    if (!secp256k1.schnorrVerify(xOnly, input.bytes, bytes)) throw unverified();
    return { bytes };
  }
  const tweaked = SecretBytes.take(secp256k1.taprootTweakPrivate(account.privateKey.expose(), tweak));
  try {
    const bytes = secp256k1.schnorrSign(tweaked.expose(), input.bytes);
    const output = secp256k1.taprootOutputKey(xOnly, tweak).xOnly;
    if (!secp256k1.schnorrVerify(output, input.bytes, bytes)) throw unverified();
    return { bytes };
  } finally {
    tweaked.wipe();
  }
}

const unverified = (): Error => new Error('a signature does not verify');
