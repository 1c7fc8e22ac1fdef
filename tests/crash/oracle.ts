/**
 * Knows every answer that a client was given, and says afterwards what of it does not hold any more. It shares no
 * state with the product: identities are computed by the tests, the ledger is read from the files.
 */
import { join } from 'node:path';
import { readHeadsLog } from '@keystead/cli/ledger/heads-directory';
import { copyStore } from '@keystead/cli/ledger/store-file';
import { verifyStore } from '@keystead/cli/ledger/verify-store';
import { AnswerSignature } from '@keystead/protocol/answer';
import { Entry, entryHash, entryKind, outcomeAllow } from '@keystead/protocol/entry';
import { formatUuid } from '@keystead/protocol/ids';
import { isDeepStrictEqual } from 'node:util';
import type { Answer } from '../raw-client.ts';
import { deliver, resendable, type SentRequest } from './sent-request.ts';

/** What a request was answered, without what may differ from one sending to the next. */
interface Stated {
  readonly status: number;
  readonly said: unknown;
  /** Of the statement in `signature`; zero and '' for an answer that nobody states. */
  readonly identity: string;
  readonly organizationId: string;
  readonly position: number;
  readonly head: string;
}

export interface Acknowledged {
  readonly request: SentRequest;
  readonly answer: Stated;
  /** Changes of this organization may take back what earlier entries permit (spec/signer.md §3, check `floor`). */
  readonly narrows: boolean;
  /** Whether its authenticator stays: only then the bytes pass authentication again. */
  readonly lasts: boolean;
}

interface LedgerEntry {
  readonly organizationId: string;
  readonly position: number;
  readonly hash: string;
  readonly allowed: boolean;
  readonly code: string;
  readonly method: string;
}

/** MAC after the bytes of an entry's row. */
const macBytes = 32;

function statedBy(answer: Answer): Stated {
  const { status, body } = answer;
  const said = status === 200 ? body?.result : [body?.code, body?.detail, body?.field];
  const signature = body?.signature;
  if (typeof signature !== 'string' || signature === '')
    return { status, said, identity: '', organizationId: '', position: 0, head: '' };
  const { statement } = AnswerSignature.decode(Buffer.from(signature, 'base64url'));
  return {
    status,
    said,
    identity: Buffer.from(statement.identity).toString('hex'),
    organizationId: formatUuid(statement.organization),
    position: statement.position,
    head: Buffer.from(statement.head).toString('hex'),
  };
}

/** The refusal of a use that a later change of the organization took back. */
export function isBelowFloor({ body }: Answer): boolean {
  return body?.code === 'request-superseded';
}

export class Oracle {
  readonly anomalies: string[] = [];
  readonly acknowledged: Acknowledged[] = [];
  resent = 0;

  report(what: string): void {
    this.anomalies.push(what);
  }

  /** Takes the answer of a request that leaves an entry. */
  acknowledge(
    request: SentRequest,
    answer: Answer,
    { narrows, lasts }: { readonly narrows: boolean; readonly lasts: boolean },
  ): void {
    const stated = statedBy(answer);
    if (stated.identity !== request.identity)
      this.report(`${request.method} ${request.identity}: its answer is stated for '${stated.identity}'`);
    this.acknowledged.push({ request, answer: stated, narrows, lasts });
  }

  /** Sends the bytes of an acknowledged request again: the answer has to be the one that was given. */
  async resend(api: string, { request, answer, narrows }: Acknowledged): Promise<void> {
    const { answer: again } = await deliver(api, request);
    this.resent += 1;
    if (again === undefined) this.report(`${request.method} ${request.identity}: no answer when sent again`);
    else if (!(narrows && isBelowFloor(again)) && !isDeepStrictEqual(statedBy(again), answer))
      this.report(
        `${request.method} ${request.identity}: ${JSON.stringify(answer)} when first sent, ${JSON.stringify(statedBy(again))} when sent again`,
      );
  }

  /** Sends again up to `most` of the requests whose stamps are still good, newest first, one after the other. */
  async resendNewest(api: string, most: number): Promise<void> {
    const good = this.acknowledged.filter(
      ({ request, lasts }) => lasts && performance.now() - request.made < resendable / 2,
    );
    for (const one of good.slice(-most)) await this.resend(api, one);
  }

  /** Every certified entry is read, every chain is verified against the heads, and the acknowledged ones are sought. */
  async checkLedger(home: string, heads: string): Promise<{ readonly entries: number }> {
    const log = readHeadsLog(heads);
    const store = await copyStore(join(home, 'store.sqlite'));
    try {
      const { deploymentId } = log;
      const report = verifyStore(store.database, { deploymentId, heads: log.heads });
      for (const { organizationId, position, what } of report.bad)
        this.report(`ledger of ${organizationId} at ${position}: ${what}`);
      for (const what of report.rows.bad) this.report(`ledger: ${what}`);
      const certified = new Map<string, LedgerEntry[]>();
      let entries = 0;
      for (const row of store.database.prepare('SELECT bytes FROM entries').iterate()) {
        const bytes = row.bytes as Uint8Array;
        const entry = Entry.decode(bytes.subarray(0, bytes.length - macBytes));
        const organizationId = formatUuid(entry.organization);
        if (entry.position > (log.heads.get(organizationId)?.position ?? 0)) continue;
        entries += 1;
        if (entry.kind === entryKind.outcome) continue;
        const identity = Buffer.from(entry.identity).toString('hex');
        certified.set(identity, [
          ...(certified.get(identity) ?? []),
          {
            organizationId,
            position: entry.position,
            hash: Buffer.from(entryHash(bytes.subarray(0, bytes.length - macBytes))).toString('hex'),
            allowed: entry.decision.outcome === outcomeAllow,
            code: entry.decision.code,
            method: entry.method,
          },
        ]);
      }
      for (const [identity, found] of certified)
        if (found.length > 1)
          this.report(`${identity} has ${found.length} entries: ${JSON.stringify(found)}`);
      for (const one of this.acknowledged) this.#checkEntry(one, certified.get(one.request.identity) ?? []);
      return { entries };
    } finally {
      store.close();
    }
  }

  #checkEntry({ request, answer }: Acknowledged, [entry]: readonly LedgerEntry[]): void {
    const name = `${request.method} ${request.identity}, answered ${answer.status}`;
    if (entry === undefined) {
      this.report(`${name}: acknowledged, and there is no entry`);
      return;
    }
    if (entry.allowed !== (answer.status === 200))
      this.report(`${name}: its entry says ${entry.allowed ? 'allowed' : `denied, ${entry.code}`}`);
    if (entry.method !== request.method) this.report(`${name}: its entry is of ${entry.method}`);
    const place = [entry.organizationId, entry.position, entry.hash];
    if (!isDeepStrictEqual(place, [answer.organizationId, answer.position, answer.head]))
      this.report(`${name}: stated at ${answer.organizationId} ${answer.position}, stands at ${place}`);
  }
}
