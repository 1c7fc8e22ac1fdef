import { utf8Decode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import type { QuoteRecord } from '@keystead/policy/pricing';
import { type QuoteCell, quoteRecord } from '@keystead/policy/quote-cell';
import { readPolicyRequest } from '@keystead/policy/decision-receipt';
import type { PolicyRequest } from '@keystead/policy/request';
import { AuthorityLeaf, keyHashOf } from '@keystead/protocol/authority';
import { Entry, entryKind, outcomeAllow } from '@keystead/protocol/entry';
import { surfaceCompatibility } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import type { EntryRow } from './verify-chain.ts';

/** Fields of policies that a ledger does not keep: a rule that names one sees none. */
export const unrecordedFields: readonly string[] = ['action.origin', 'action.network', 'resource.ownUser'];

/** A request that used a key, as policies saw it, with the prices that were known then. */
export interface RecordedRequest {
  readonly position: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly request: PolicyRequest;
  /** By which code and rule it was denied; null when it was allowed. */
  readonly denied: { readonly code: string; readonly rule: string } | null;
  readonly quotes: (asset: string) => QuoteRecord | undefined;
}

/** A row is the entry's bytes and a MAC of 32 bytes (spec/state.md). */
const macBytes = 32;

interface WalletCell {
  readonly tags: readonly string[];
  readonly accounts: readonly {
    readonly derivationPath: string;
    readonly addressFormat: string;
    readonly address: string;
  }[];
}

/**
 * The requests of a chain that used a key, or were denied when they would have, in order; of denied ones those whose effects the
 * ledger keeps. What policies see besides the bytes (users, wallets,
 * prices) is what the entries before had written (spec/state.md §3, §4).
 */
export function* recordedRequests(rows: Iterable<EntryRow>): Iterable<RecordedRequest> {
  const cells = new Map<string, unknown>();
  const authenticators = new Map<string, { readonly id: string; readonly username: string }>();
  const roots = new Map<string, boolean>();
  for (const { bytes } of rows) {
    const entry = Entry.decode(bytes.subarray(0, bytes.length - macBytes));
    const request = requestOf(entry, cells, authenticators, roots);
    if (request !== null)
      yield {
        position: entry.position,
        time: entry.time,
        request,
        denied: entry.decision.outcome === outcomeAllow ? null : entry.decision,
        quotes: quotesOf(cells),
      };
    for (const { key, value } of entry.cells)
      if (value === undefined) cells.delete(key);
      else if (/^(?:user|wallet|price)\/|^organization$/.test(key))
        cells.set(key, JSON.parse(utf8Decode(value)));
    for (const { value } of entry.authority) {
      if (value === undefined) continue;
      const leaf = AuthorityLeaf.decode(value);
      if (leaf.leaf === 'user') roots.set(leaf.username, leaf.root);
      if (leaf.leaf === 'authenticator')
        authenticators.set(hexEncode(keyHashOf(leaf.algorithm, leaf.publicKey)), {
          id: formatUuid(leaf.id),
          username: leaf.username,
        });
    }
  }
}

function requestOf(
  entry: Entry,
  cells: ReadonlyMap<string, unknown>,
  authenticators: ReadonlyMap<string, { readonly id: string; readonly username: string }>,
  roots: ReadonlyMap<string, boolean>,
): PolicyRequest | null {
  const { keyUse } = entry;
  if (entry.kind !== entryKind.decision || keyUse === undefined) return null;
  const caller = authenticators.get(hexEncode(entry.authenticator));
  if (caller === undefined) return null;
  const walletId = formatUuid(keyUse.walletId);
  const wallet = cells.get(`wallet/${walletId}`) as WalletCell | undefined;
  const account = wallet?.accounts.find(
    ({ derivationPath, addressFormat }) =>
      derivationPath === keyUse.derivationPath && addressFormat === keyUse.addressFormat,
  );
  const organization = cells.get('organization') as { readonly name: string } | undefined;
  const user = cells.get(`user/${caller.username}`) as { readonly traits?: object } | undefined;
  return readPolicyRequest({
    subject: {
      organizationId: formatUuid(entry.organization),
      username: caller.username,
      root: roots.get(caller.username) === true,
      authenticatorId: caller.id,
      traits: user?.traits ?? {},
    },
    action: entry.method,
    surface: entry.surface === surfaceCompatibility ? 'compatibility' : 'native',
    resource: {
      ownUser: false,
      rawPayload: entry.method === 'signRawPayload',
      origin: null,
      network: null,
      walletId,
      walletTags: wallet?.tags ?? null,
      owner: organization?.name ?? null,
      derivationPaths: keyUse.derivationPath === '' ? null : [keyUse.derivationPath],
      address: account?.address ?? null,
      addressFormat: keyUse.addressFormat === '' ? null : keyUse.addressFormat,
      ownAddresses: (wallet?.accounts ?? []).map(({ address }) => address),
    },
    effects: entry.effects.length === 0 ? null : JSON.parse(utf8Decode(entry.effects)),
  });
}

function quotesOf(cells: ReadonlyMap<string, unknown>): RecordedRequest['quotes'] {
  return (asset) => {
    const cell = cells.get(`price/${asset}`) as QuoteCell | undefined;
    return cell && quoteRecord(cell, BigInt);
  };
}
