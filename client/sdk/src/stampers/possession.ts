import { base64urlEncode } from '@keystead/crypto/base64url';
import { algorithmEd25519, algorithmSecp256r1 } from '@keystead/protocol/authority';
import { parseUuid } from '@keystead/protocol/ids';
import { possessionMessage } from '@keystead/protocol/stamp';
import { KmsError } from '../errors.ts';
import type { NewKeypairAuthenticator } from '../native-calls.ts';
import type { Stamper } from './stamper.ts';

/** For whom a key is registered. */
export interface Registration {
  /** 32 bytes. */
  readonly deploymentId: Uint8Array;
  /** The organization that is to know the key; for a user of createOrganization use `forNewOrganization`. */
  readonly organizationId: string;
  readonly username: string;
}

/** Stands for the organization of a key that is registered while it is being founded. */
export const forNewOrganization = '00000000-0000-0000-0000-000000000000';

/** The 32 bytes that a new key signs (spec/stamp.md §6). Throws KmsError `parameter-invalid`. */
export function possessionOf(
  registration: Registration,
  key: Pick<Stamper, 'algorithm' | 'publicKey'>,
): Uint8Array {
  const organization = parseUuid(registration.organizationId);
  if (organization === undefined)
    throw new KmsError('parameter-invalid', { field: 'organizationId', detail: 'organizationId is a UUID' });
  return possessionMessage({
    deployment: registration.deploymentId,
    organization,
    username: registration.username,
    algorithm: key.algorithm === 'ed25519' ? algorithmEd25519 : algorithmSecp256r1,
    publicKey: key.publicKey,
  });
}

/** base64url: the `proof` of a key pair that is to be registered. Passkeys prove themselves in `registerPasskey`. */
export async function possessionProof(stamper: Stamper, registration: Registration): Promise<string> {
  if (stamper.algorithm === 'webauthn-p256')
    throw new KmsError('parameter-invalid', {
      field: 'stamper',
      detail: 'a passkey proves possession when it is registered',
    });
  return base64urlEncode(await stamper.sign(possessionOf(registration, stamper)));
}

/** The `authenticator` of createAuthenticator, or an item of `authenticators`, for a stamper's key pair. */
export async function newKeypairAuthenticator(
  stamper: Stamper,
  registration: Registration,
  options: {
    readonly authenticatorName: string;
    readonly expiresInMs?: number;
    readonly stampKinds?: NewKeypairAuthenticator['stampKinds'];
  },
): Promise<NewKeypairAuthenticator> {
  return {
    authenticatorKind: 'keypair',
    algorithm: stamper.algorithm === 'ed25519' ? 'Ed25519' : 'Secp256r1',
    publicKey: base64urlEncode(stamper.publicKey),
    proof: await possessionProof(stamper, registration),
    ...options,
  };
}
