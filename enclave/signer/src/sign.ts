import type { RawSignature, SigningInput } from '@keystead/chains/chain';
import * as ed25519 from '@keystead/crypto/ed25519';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { OpenAccount } from './accounts.ts';

/**
 * One signature per input, deterministic, each verified under the account's public key before it is returned: a fault in
 * the computation must not leave as a signature. Throws Error when one does not verify.
 */
export function signInputs(account: OpenAccount, inputs: readonly SigningInput[]): RawSignature[] {
  return inputs.map((input) => signInput(account, input));
}

function signInput(account: OpenAccount, input: SigningInput): RawSignature {
  if ((input.algorithm === 'ed25519') !== (account.curve === 'Ed25519'))
    throw new TypeError(`${input.algorithm} does not sign with a ${account.curve} key`);
  switch (input.algorithm) {
    case 'ed25519':
      return signEd25519(account, input.bytes);
    case 'ecdsa':
      return signEcdsa(account, input.bytes);
    case 'schnorr':
      return signSchnorr(account, input);
  }
}

function signEd25519(account: OpenAccount, message: Uint8Array): RawSignature {
  const bytes = account.ed25519!.sign(message);
  if (!ed25519.verify(account.publicKey, message, bytes)) throw unverified();
  return { bytes };
}

// ecdsaSign checks what it made against the private key.
function signEcdsa(account: OpenAccount, digest: Uint8Array): RawSignature {
  const { bytes, recovery } = secp256k1.ecdsaSign(account.privateKey.expose(), digest);
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
