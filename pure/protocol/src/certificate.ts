import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { sign, verify } from '@keystead/crypto/ed25519';
import { choice, fixed, type Static, struct, u53, u8 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { domainPrefix } from './domain.ts';

/** spec/certificate.md: which program runs as a role, stated by who measured it. */

export const CertificateBody = struct({
  version: u8,
  use: choice({ handover: 1, running: 2 }),
  deployment: fixed(32),
  role: choice({ policy: 1, signer: 2, certifier: 3 }),
  measurement: fixed(48),
  /** X25519 public key of the new process, or zeros. */
  subject: fixed(32),
  challenge: fixed(32),
  /** Milliseconds. */
  notBefore: u53,
  notAfter: u53,
});
export type CertificateBody = Static<typeof CertificateBody>;

const certificateVersion = 1;
const signatureBytes = 64;
export const maximumCertificateBytes = 512;

export const maximumValidity = { handover: 60_000, running: 24 * 60 * 60 * 1000 } as const;

/** Signs a certificate with the issuer's Ed25519 seed. */
export function issueCertificate(issuer: SecretBytes, body: Omit<CertificateBody, 'version'>): Uint8Array {
  const encoded = CertificateBody.encode({ version: certificateVersion, ...body });
  return concatBytes(encoded, sign(issuer.expose(), signedBytes(encoded)));
}

/** What the verifier knows before it reads. */
export interface ExpectedCertificate {
  /** Public key of the issuer. */
  readonly issuer: Uint8Array;
  readonly use: CertificateBody['use'];
  readonly deployment: Uint8Array;
  readonly role: CertificateBody['role'];
  /** The one measurement that is approved for the role. */
  readonly measurement: Uint8Array;
  readonly challenge: Uint8Array;
  /** Milliseconds. */
  readonly now: number;
}

export type CertificateFault =
  | 'malformed'
  | 'signature'
  | 'use'
  | 'deployment'
  | 'role'
  | 'measurement'
  | 'challenge'
  | 'validity';

/** A certificate that does not hold; `code` names the first thing that is not as expected. */
export class CertificateError extends Error {
  readonly code: CertificateFault;

  constructor(code: CertificateFault) {
    super(`the certificate is refused: ${code}`);
    this.name = 'CertificateError';
    this.code = code;
  }
}

/** The body of a certificate that holds. Throws CertificateError. */
export function verifyCertificate(certificate: Uint8Array, expected: ExpectedCertificate): CertificateBody {
  const { encoded, body } = read(certificate);
  const signature = certificate.subarray(encoded.length);
  const faults: readonly (readonly [CertificateFault, boolean])[] = [
    ['signature', verify(expected.issuer, signedBytes(encoded), signature)],
    ['use', body.use === expected.use],
    ['deployment', equalBytes(body.deployment, expected.deployment)],
    ['role', body.role === expected.role],
    ['measurement', equalBytes(body.measurement, expected.measurement)],
    ['challenge', equalBytes(body.challenge, expected.challenge)],
    ['validity', isValidAt(body, expected.now)],
  ];
  for (const [code, holds] of faults) if (!holds) throw new CertificateError(code);
  return body;
}

function read(certificate: Uint8Array): { encoded: Uint8Array; body: CertificateBody } {
  const encoded = certificate.subarray(0, Math.max(0, certificate.length - signatureBytes));
  try {
    const body = CertificateBody.decode(encoded);
    if (body.version === certificateVersion) return { encoded, body };
  } catch {
    // The same as another version.
  }
  throw new CertificateError('malformed');
}

function isValidAt({ use, notBefore, notAfter }: CertificateBody, now: number): boolean {
  return notBefore <= now && now < notAfter && notAfter - notBefore <= maximumValidity[use];
}

const signedBytes = (encoded: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/certificate/v1'), encoded);
