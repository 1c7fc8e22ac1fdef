import { canonicalize } from '@keystead/crypto/canonical-json';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { fixed, struct, u8 } from '@keystead/crypto/pack';
import { sha256 } from '@keystead/crypto/sha256';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { DeviceStore } from './device-store.ts';

const Record = struct({ version: u8, params: fixed(32), ephemeral: fixed(32) });
const version = 1;

/** Those whose parameters are the same when they are called again; what is made anew each time is not waited for. */
const resumable: ReadonlySet<string> = new Set(['activateBackup', 'deleteBackup', 'getBackup']);

/**
 * The key of the session of a request that waits for others. They agree to exactly that session (spec/approval.md §1), so a request
 * that is made again, by this process or a later one, has to name it again.
 */
export class PendingSession {
  readonly #store: DeviceStore | undefined;
  readonly #name: string;
  readonly #params: Uint8Array;
  #isKept = false;

  constructor(store: DeviceStore | undefined, organizationId: string, method: string, params: object) {
    const { backupName = '' } = params as { backupName?: string };
    this.#store = resumable.has(method) ? store : undefined;
    this.#name = `step-up/${organizationId}/${method}/${backupName}`;
    this.#params = sha256(utf8Encode(canonicalize(params as JsonValue)));
  }

  /** The key under which the same request waits; undefined when none does. */
  async read(): Promise<Uint8Array | undefined> {
    const kept = await this.#store?.read(this.#name);
    if (kept === undefined) return undefined;
    this.#isKept = true;
    const { params, ephemeral } = Record.decode(kept);
    return equalBytes(params, this.#params) ? ephemeral : undefined;
  }

  async write(ephemeral: Uint8Array): Promise<void> {
    this.#isKept = true;
    await this.#store?.write(this.#name, Record.encode({ version, params: this.#params, ephemeral }));
  }

  async remove(): Promise<void> {
    if (this.#isKept) await this.#store?.remove(this.#name);
    this.#isKept = false;
  }
}
