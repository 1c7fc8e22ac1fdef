import { createPrivateKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { median } from './load.ts';

/**
 * Microseconds of CPU of the two dearest operations of a signature, on the machine and in the minute of the run. They
 * tell a slow machine from a slow program: what they cost on the reference machine (AMD EPYC, 2 vCPU, Node 26.10.0)
 * stands beside them.
 */
export interface SingleOperations {
  readonly verifyP256: number;
  /** Import of a PKCS#8 key and one signature. */
  readonly signEd25519: number;
  /** How much slower than the reference machine, as a factor. */
  readonly slowness: number;
}

export const reference = { verifyP256: 46.6, signEd25519: 54 };

export function measureSingleOperations(): SingleOperations {
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(459);
  const signature = sign('sha256', message, { key: p256.privateKey, dsaEncoding: 'ieee-p1363' });
  const pkcs8 = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const verifyP256 = cpuOfEach(() => {
    verify('sha256', message, { key: p256.publicKey, dsaEncoding: 'ieee-p1363' }, signature);
  });
  const signEd25519 = cpuOfEach(() => {
    sign(null, message, createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  });
  const slowness = (verifyP256 + signEd25519) / (reference.verifyP256 + reference.signEd25519);
  return { verifyP256, signEd25519, slowness };
}

function cpuOfEach(act: () => void): number {
  const times = 300;
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i += 1) act();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / times;
  });
  return median(rounds);
}
