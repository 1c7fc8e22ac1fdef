import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type CertificateBody, issueCertificate, verifyCertificate } from './certificate.ts';

interface Vector {
  readonly issuerSeed: string;
  readonly issuer: string;
  readonly use: CertificateBody['use'];
  readonly deployment: string;
  readonly role: CertificateBody['role'];
  readonly measurement: string;
  readonly subject: string;
  readonly challenge: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly certificate: string;
}

const { certificates } = JSON.parse(
  readFileSync(new URL('../../../vectors/keystead/certificate.json', import.meta.url), 'utf8'),
) as { readonly certificates: readonly Vector[] };

it('a certificate is written and verified as the vectors say', () => {
  assert.equal(certificates.length, 2);
  for (const vector of certificates) {
    const { use, role, notBefore, notAfter } = vector;
    const [deployment, measurement, subject, challenge] = [
      vector.deployment,
      vector.measurement,
      vector.subject,
      vector.challenge,
    ].map(hexDecode) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const body = { use, deployment, role, measurement, subject, challenge, notBefore, notAfter };
    const issuer = new SecretBytes(hexDecode(vector.issuerSeed));
    assert.equal(hexEncode(issueCertificate(issuer, body)), vector.certificate);
    const expected = {
      issuer: hexDecode(vector.issuer),
      use,
      deployment,
      role,
      measurement,
      challenge,
      now: notBefore,
    };
    assert.deepEqual(verifyCertificate(hexDecode(vector.certificate), expected), { version: 1, ...body });
  }
});
