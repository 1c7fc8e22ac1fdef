import { base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { ecdsaDerEncode } from '@keystead/crypto/ecdsa-der';
import * as p256 from '@keystead/crypto/p256';
import { sha256 } from '@keystead/crypto/sha256';
import type { PasskeyCredentials } from '../src/stampers/passkey.ts';

/** What a browser with one platform authenticator does for `origin`: makes one P-256 passkey and asserts with it. */
export function softwareAuthenticator(options: {
  readonly origin: string;
  readonly privateKey: Uint8Array;
  readonly userVerified?: boolean;
}): PasskeyCredentials {
  const { origin, privateKey, userVerified = true } = options;
  const credentialId = sha256(privateKey).slice(0, 16);
  const publicKey = p256.publicKey(privateKey);
  const flags = 0x01 | (userVerified ? 0x04 : 0);
  const clientData = (type: string, challenge: BufferSource) =>
    utf8Encode(
      JSON.stringify({
        type,
        challenge: base64urlEncode(new Uint8Array(challenge as ArrayBuffer)),
        origin,
        crossOrigin: false,
      }),
    );
  const authenticatorData = (rpId: string, extra: number) =>
    concatBytes(sha256(utf8Encode(rpId)), Uint8Array.of(flags | extra, 0, 0, 0, 0));
  return {
    async create({ publicKey: wanted }) {
      const cose = concatBytes(
        Uint8Array.of(0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20),
        publicKey.subarray(1, 33),
        Uint8Array.of(0x22, 0x58, 0x20),
        publicKey.subarray(33),
      );
      const data = concatBytes(
        authenticatorData(wanted!.rp.id!, 0x40),
        new Uint8Array(16),
        Uint8Array.of(0, credentialId.length),
        credentialId,
        cose,
      );
      const attestationObject = concatBytes(
        Uint8Array.of(0xa3, 0x63),
        utf8Encode('fmt'),
        Uint8Array.of(0x64),
        utf8Encode('none'),
        Uint8Array.of(0x67),
        utf8Encode('attStmt'),
        Uint8Array.of(0xa0, 0x68),
        utf8Encode('authData'),
        Uint8Array.of(0x58, data.length),
        data,
      );
      const clientDataJSON = clientData('webauthn.create', wanted!.challenge);
      return {
        id: base64urlEncode(credentialId),
        rawId: credentialId,
        type: 'public-key',
        response: { attestationObject, clientDataJSON, getTransports: () => ['internal'] },
      } as unknown as Credential;
    },
    async get({ publicKey: wanted }) {
      const data = authenticatorData(wanted!.rpId!, 0);
      const json = clientData('webauthn.get', wanted!.challenge);
      const signature = p256.sign(privateKey, concatBytes(data, sha256(json)));
      return {
        id: base64urlEncode(credentialId),
        rawId: credentialId,
        type: 'public-key',
        response: { authenticatorData: data, clientDataJSON: json, signature: ecdsaDerEncode(signature) },
      } as unknown as Credential;
    },
  };
}
