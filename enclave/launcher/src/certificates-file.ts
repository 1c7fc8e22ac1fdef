import { join } from 'node:path';
import { base64urlEncode } from '@keystead/crypto/base64url';
import type { Role } from '@keystead/protocol/deployment';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { replaceFile } from './durable-file.ts';
import type { EnclaveProcess } from './enclave-process.ts';

/**
 * Has the certifier state what runs as each role, and keeps it in `certificates.json` of the home
 * (spec/certificate.md §4). Rejects with EnclaveFailure or EnclaveWithheld.
 */
export async function certifyRunning(home: string, open: ReadonlyMap<Role, EnclaveProcess>): Promise<void> {
  const certifier = open.get('certifier');
  if (certifier === undefined) return;
  const certificates: Record<string, string> = {};
  for (const role of roles) {
    const enclave = open.get(role);
    if (enclave === undefined) return;
    const { measurement } = enclave;
    const { certificate } = await certifier.ask({ type: 'certify', role, measurement }, 'certified');
    certificates[role] = base64urlEncode(certificate);
  }
  const path = join(home, 'certificates.json');
  replaceFile(path, `${JSON.stringify(certificates, undefined, 2)}\n`, 0o644);
}
