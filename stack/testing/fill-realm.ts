/** A realm with many registrations, in the formats of its own rows and heads (spec/realm.md §5). */
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { RecordRows } from '@keystead/enclave-realm/record-rows';
import { HeadTable, headBytes, headKept } from '@keystead/enclave-runtime/head-table';
import { headsVersion, RowHeadsRecords } from '@keystead/enclave-runtime/row-heads-record';
import { HeadsLog } from '@keystead/host-heads/heads-log';
import { RealmStore } from '@keystead/host-realm/realm-store';
import { compareBytes } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';
import type { Registration } from '@keystead/juicebox/messages';
import { maximumRealmRowBytes, TenantEvent } from '@keystead/protocol/realm-frames';
import { maximumStoredRows } from '@keystead/protocol/row-frames';
import { genesisOf } from '../src/export-record.ts';

export interface FillOptions {
  readonly home: string;
  readonly heads: string;
  readonly tenant: string;
  /** Registrations that are wanted as they are. */
  readonly known: readonly { readonly user: string; readonly registration: Registration }[];
  /** How many others there are, of random bytes: nobody can tell them from real ones, and no PIN opens them. */
  readonly others: number;
}

const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length));

/**
 * Fills a realm that was started once, answered nothing yet, and is stopped: each row is sealed as the realm seals it and
 * stored through its store; its heads log begins with a snapshot of them. Rows go in by ascending name.
 */
export async function fillRealm(options: FillOptions): Promise<void> {
  const { home, tenant, known, others } = options;
  const { seed, id } = await genesisOf(home, 'realm', []);
  const rows = new RecordRows({ seed, realmId: id, random });
  const named = [
    ...known.map(({ user, registration }) => ({ name: rows.nameOf(tenant, user), registration })),
    ...Array.from({ length: others }, (_, number) => ({
      name: rows.nameOf(tenant, `other ${number}`),
      registration: undefined,
    })),
  ].sort((one, other) => compareBytes(one.name, other.name));

  const table = new HeadTable();
  const store = new RealmStore(join(home, 'data/realm.sqlite'));
  if (store.sequence !== 0) throw new TypeError('the realm has answered requests');
  let sequence = 0;
  for (let from = 0; from < named.length; from += maximumStoredRows) {
    sequence += 1;
    const batch = named.slice(from, from + maximumStoredRows).map(({ name, registration = nobodys() }) => {
      const bytes = rows.seal(name, sequence, {
        type: 'registered',
        registration,
        guessCount: 0,
        guessedAt: 0,
      });
      const head = new Uint8Array(headBytes).fill(headKept);
      head.set(sha256(bytes).subarray(0, headBytes - 1));
      table.set(name, head);
      return { name, bytes };
    });
    store.store(sequence, batch, []);
  }
  store.close();

  const records = new RowHeadsRecords(seed, {
    name: 'realm',
    event: TenantEvent,
    maximumRowBytes: maximumRealmRowBytes,
  });
  const snapshot = records.sealSnapshot({
    version: headsVersion,
    ...{ id, sequence, stored: sequence },
    // The records before it are gone, as after a while: nothing but the next one's `previous` names their last.
    chain: random(32),
    heads: table.encode(),
  });
  const log = new HeadsLog(options.heads);
  log.addSnapshotPart(sequence, snapshot, true);
  log.close();
}

function nobodys(): Registration {
  return {
    version: random(16),
    oprfPrivateKey: random(32),
    oprfSignedPublicKey: { publicKey: random(32), verifyingKey: random(32), signature: random(64) },
    unlockKeyCommitment: random(32),
    unlockKeyTag: random(16),
    encryptionKeyScalarShare: random(32),
    encryptedSecret: random(145),
    encryptedSecretCommitment: random(16),
    policy: { guesses: 7 },
  };
}
