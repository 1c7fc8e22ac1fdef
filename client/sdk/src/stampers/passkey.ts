import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { ecdsaDerDecode } from '@keystead/crypto/ecdsa-der';
import { sha256 } from '@keystead/crypto/sha256';
import { readPasskeyRegistration } from '@keystead/protocol/passkey';
import { PasskeyAssertion } from '@keystead/protocol/stamp';
import { KmsError } from '../errors.ts';
import type { NewPasskeyAuthenticator } from '../native-calls.ts';
import { possessionOf, type Registration } from './possession.ts';
import type { Stamper } from './stamper.ts';

/** The two calls of WebAuthn; `navigator.credentials` is one. */
export interface PasskeyCredentials {
  create(options: CredentialCreationOptions): Promise<Credential | null>;
  get(options: CredentialRequestOptions): Promise<Credential | null>;
}

/** What a page must remember of a passkey to stamp with it. None of it is secret. */
export interface PasskeyReference {
  /** base64url. */
  readonly credentialId: string;
  /** base64url; 65 bytes, uncompressed P-256. */
  readonly publicKey: string;
  readonly rpId: string;
}

const es256 = -7;

/** Stamps with a passkey; the person confirms each stamp. Throws KmsError `stamp-invalid` when none was made. */
export function passkeyStamper(
  passkey: PasskeyReference,
  credentials: PasskeyCredentials = browserCredentials(),
): Stamper {
  return {
    algorithm: 'webauthn-p256',
    publicKey: base64urlDecode(passkey.publicKey),
    sign: (message) => assertWith(credentials, passkey, sha256(message)),
  };
}

/**
 * Makes a passkey for a user and lets it prove itself: two confirmations. `authenticator` is the parameter of
 * createAuthenticator (or an item of `authenticators`), `passkey` what to remember. Throws KmsError: `stamp-invalid`
 * when the browser or the person refuses, `parameter-invalid` when the passkey is none that an enclave would take.
 */
export async function registerPasskey(
  options: Registration & {
    readonly authenticatorName: string;
    /** Domain of the page, or a suffix of it. */
    readonly rpId: string;
    readonly rpName: string;
    readonly expiresInMs?: number;
  },
  credentials: PasskeyCredentials = browserCredentials(),
): Promise<{ readonly authenticator: NewPasskeyAuthenticator; readonly passkey: PasskeyReference }> {
  const created = await confirmed(
    'No passkey was made.',
    credentials.create({
      publicKey: {
        rp: { id: options.rpId, name: options.rpName },
        user: {
          id: globalThis.crypto.getRandomValues(new Uint8Array(16)),
          name: options.username,
          displayName: options.username,
        },
        // The proof below is what counts; nobody evaluates this challenge.
        challenge: globalThis.crypto.getRandomValues(new Uint8Array(32)),
        pubKeyCredParams: [{ type: 'public-key', alg: es256 }],
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
        attestation: 'none',
      },
    }),
  );
  const response = created.response as AuthenticatorAttestationResponse;
  const credentialId = new Uint8Array(created.rawId);
  const attestationObject = new Uint8Array(response.attestationObject);
  const clientDataJSON = new Uint8Array(response.clientDataJSON);
  const { publicKey } = readPasskeyRegistration(
    { credentialId, attestationObject, clientDataJSON },
    'authenticator',
  );
  const passkey: PasskeyReference = {
    credentialId: base64urlEncode(credentialId),
    publicKey: base64urlEncode(publicKey),
    rpId: options.rpId,
  };
  const possession = possessionOf(options, { algorithm: 'webauthn-p256', publicKey });
  const transports = response.getTransports?.() ?? [];
  return {
    passkey,
    authenticator: {
      authenticatorKind: 'passkey',
      authenticatorName: options.authenticatorName,
      credentialId: passkey.credentialId,
      attestationObject: base64urlEncode(attestationObject),
      clientDataJSON: base64urlEncode(clientDataJSON),
      proof: base64urlEncode(await assertWith(credentials, passkey, possession)),
      ...(transports.length === 0 ? {} : { transports }),
      ...(options.expiresInMs === undefined ? {} : { expiresInMs: options.expiresInMs }),
    },
  };
}

/** An encoded PasskeyAssertion over a challenge of 32 bytes. */
async function assertWith(
  credentials: PasskeyCredentials,
  passkey: PasskeyReference,
  challenge: Uint8Array,
): Promise<Uint8Array> {
  const credential = await confirmed(
    'The passkey made no assertion.',
    credentials.get({
      publicKey: {
        challenge: challenge as BufferSource,
        rpId: passkey.rpId,
        allowCredentials: [{ type: 'public-key', id: base64urlDecode(passkey.credentialId) as BufferSource }],
        userVerification: 'required',
      },
    }),
  );
  const response = credential.response as AuthenticatorAssertionResponse;
  let signature: Uint8Array;
  try {
    signature = ecdsaDerDecode(new Uint8Array(response.signature));
  } catch (cause) {
    throw refused('The passkey made a signature that is not strict DER.', cause);
  }
  return PasskeyAssertion.encode({
    authenticatorData: new Uint8Array(response.authenticatorData),
    clientDataJson: new Uint8Array(response.clientDataJSON),
    signature,
  });
}

/** What the browser gave; its refusals (the person declines, the origin is not the passkey's) become KmsError. */
async function confirmed(detail: string, asked: Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await asked;
  } catch (cause) {
    throw refused(detail, cause);
  }
  if (credential === null) throw refused(detail);
  return credential as PublicKeyCredential;
}

function refused(detail: string, cause?: unknown): KmsError {
  return new KmsError('stamp-invalid', { detail, hint: 'Try again, and confirm on the device.', cause });
}

function browserCredentials(): PasskeyCredentials {
  const { navigator } = globalThis as { navigator?: { credentials?: PasskeyCredentials } };
  const credentials = navigator?.credentials;
  if (credentials === undefined)
    throw new KmsError('not-supported', {
      detail: 'This environment has no passkeys; they need a page in a secure context.',
    });
  return credentials;
}
