import { base64urlEncode } from '@keystead/crypto/base64url';
import { Recent } from '@keystead/crypto/recent';
import type { EnclaveSettings } from '@keystead/enclave-runtime/program';
import { KmsError } from '@keystead/protocol/errors';
import type { Pending } from './pending.ts';

/** Keys whose foundings are counted. */
const maximumFounders = 100_000;

/** Who may found organizations, and how many each key founded since the start. */
export class Foundings {
  readonly #settings: EnclaveSettings;
  /** Identities of the requests by which a key founded organizations. */
  readonly #byKey = new Recent<Set<string>>(maximumFounders);

  constructor(settings: EnclaveSettings) {
    this.#settings = settings;
  }

  /** Throws KmsError organization-creation-closed, organization-quota. */
  assertMayFound({ stamp, identityHex }: Pending): void {
    const { operatorKeys, organizationCreation, organizationQuota } = this.#settings;
    const key = base64urlEncode(stamp.publicKey);
    if (operatorKeys.includes(key)) return;
    if (organizationCreation !== 'open') throw new KmsError('organization-creation-closed', {});
    if (organizationQuota === 0) return;
    const founded = this.#byKey.peek(key);
    if (founded === undefined || founded.has(identityHex)) return;
    if (founded.size >= organizationQuota) throw new KmsError('organization-quota', {});
  }

  /** Counts a founding once, however often the same request is sent. */
  note({ stamp, identityHex }: Pending): void {
    if (this.#settings.organizationQuota === 0) return;
    const key = base64urlEncode(stamp.publicKey);
    const founded = this.#byKey.peek(key) ?? new Set<string>();
    this.#byKey.set(key, founded.add(identityHex));
  }
}
