import { equalBytes } from '@keystead/crypto/bytes';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import { bytesName } from '@keystead/crypto/recent';
import type { Caller } from '@keystead/protocol/authenticate';
import {
  AuthorityLeaf,
  authenticatorLeafKey,
  grantLeafKey,
  organizationLeafKey,
  userLeafKey,
  walletLeafKey,
} from '@keystead/protocol/authority';
import type { Entry, KeyUse } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import { RawRequest } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import { parseStamp } from '@keystead/protocol/stamp';
import { maximumTicketWitness } from '@keystead/protocol/ticket';
import type { HeldTicket } from './batch.ts';
import type { Decided } from './decided.ts';
import { Draft } from './draft.ts';
import { encodeDisplay } from './key-use.ts';
import type { KnownEntry, Organization } from './organization.ts';
import type { Pending } from './pending.ts';

/** The owner's half of a use by grant. */
export interface OwnerEntry {
  readonly organization: Organization;
  readonly known: KnownEntry;
}

/** The ticket of a decision that the signer answers; its nodes are in memory. Throws NeedRows. */
export function plannedTicket(pending: Pending, decided: Decided, caller: Caller): HeldTicket {
  const [own, other] = decided.entries;
  const { keyUse, secret, display } = decided.ticket!;
  const witness = ticketWitness(
    own.organization,
    own.known.entry,
    {
      authenticatorKey: authenticatorLeafKey(pending.stamp.keyHash),
      userKey: userLeafKey(caller.user.username),
    },
    keyUse,
    other === undefined
      ? null
      : {
          organization: other.organization,
          entry: other.known.entry,
          grantKey: grantLeafKey(
            keyUse.walletId,
            own.organization.id,
            grantName(pending, other.organization),
          ),
        },
    pending.request.approvals,
  );
  return {
    ticket: {
      identity: pending.identity,
      entry: own.encoded,
      ownerEntry: other?.encoded,
      witness,
      secret,
      display,
    },
    refs: pending.refs,
    organization: own.organization,
  };
}

/** The ticket of a decision that is history already. Throws NeedRows; KmsError authenticator-unknown. */
export function repeatedTicket(
  known: KnownEntry,
  other: OwnerEntry | null,
  pending: Pending,
  organization: Organization,
): HeldTicket {
  const { entry } = known;
  const keyUse = entry.keyUse!;
  const wallet = organization.cell('wallet', formatUuid(keyUse.walletId));
  const cell = wallet ?? other?.organization.cell('wallet', formatUuid(keyUse.walletId));
  const authenticatorKey = authenticatorLeafKey(entry.authenticator);
  const leaf = organization.withNodes(() =>
    organization.authorityMap(entry.authorityBefore).get(authenticatorKey),
  );
  if (leaf === undefined) throw new KmsError('authenticator-unknown', {});
  const walletLeaf = (other?.organization ?? organization).leaf(walletLeafKey(keyUse.walletId));
  const grant = other === null ? null : grantName(pending, other.organization);
  return {
    ticket: {
      identity: pending.identity,
      entry: entryBytes(known),
      ownerEntry: other === null ? undefined : entryBytes(other.known),
      witness: ticketWitness(
        organization,
        entry,
        { authenticatorKey, userKey: userLeafKey(usernameOf(leaf)) },
        keyUse,
        other === null || grant === null
          ? null
          : {
              organization: other.organization,
              entry: other.known.entry,
              grantKey: grantLeafKey(keyUse.walletId, organization.id, grant),
            },
        pending.request.approvals,
      ),
      secret: walletLeaf?.leaf === 'wallet' ? walletLeaf.secret : undefined,
      display: cell === undefined ? new Uint8Array(0) : encodeDisplay(pending.request, cell, grant),
    },
    refs: pending.refs,
    organization,
  };
}

/** An entry row without its MAC. */
const entryBytes = ({ sealed }: KnownEntry): Uint8Array => sealed.slice(0, sealed.length - 32);

/** Name of the grant under which a request uses a wallet of `owner`. */
function grantName(pending: Pending, owner: Organization): string {
  const named = 'policyName' in pending.request.params ? pending.request.params.policyName : null;
  if (named !== null) return named;
  const { walletId } = pending.request.params as { walletId: string };
  const grants = new Draft(owner).cell('grants', walletId)?.grants ?? [];
  return grants.find((grant) => grant.target === pending.organizationId)?.name ?? '';
}

function usernameOf(encodedLeaf: Uint8Array): string {
  const leaf = AuthorityLeaf.decode(encodedLeaf);
  if (leaf.leaf !== 'authenticator') throw new KmsError('authenticator-unknown', {});
  return leaf.username;
}

/** Keys of the leaves by which the signer judges the approvals that a request carries. */
function approverKeys(
  organization: Organization,
  entry: Entry,
  approvals: readonly Uint8Array[],
): Uint8Array[] {
  return approvals.flatMap((encoded) => {
    const key = authenticatorLeafKey(parseStamp(RawRequest.decode(encoded)).keyHash);
    const bytes = organization.withNodes(() => organization.authorityMap(entry.authorityBefore).get(key));
    const leaf = bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
    return leaf?.leaf === 'authenticator' ? [key, userLeafKey(leaf.username)] : [key];
  });
}

/**
 * The nodes that prove to the signer who stamped, and whose wallet it is (spec/signer.md §3). Whoever searches for names and keys
 * whose hashes begin alike makes the ways to them longer than any number of users does. Throws KmsError `request-too-large`.
 */
function ticketWitness(...of: Parameters<typeof provingNodes>): Uint8Array[] {
  const nodes = provingNodes(...of);
  if (nodes.length > maximumTicketWitness)
    throw new KmsError('request-too-large', {
      detail:
        'the proof of who asks, of its approvals and of the wallet has more nodes than a ticket can hold',
      hint: 'Send it with fewer approvals.',
    });
  return nodes;
}

function provingNodes(
  organization: Organization,
  entry: Entry,
  caller: { readonly authenticatorKey: Uint8Array; readonly userKey: Uint8Array },
  keyUse: KeyUse,
  owner: { readonly organization: Organization; readonly entry: Entry; readonly grantKey: Uint8Array } | null,
  approvals: readonly Uint8Array[],
): Uint8Array[] {
  const walletKey = walletLeafKey(keyUse.walletId);
  const stamped = [
    caller.authenticatorKey,
    caller.userKey,
    organizationLeafKey,
    ...approverKeys(organization, entry, approvals),
  ];
  const usesOwnWallet = owner === null && !equalBytes(keyUse.walletId, noWallet);
  if (owner === null && (!usesOwnWallet || equalBytes(entry.authorityBefore, entry.authorityAfter)))
    return [
      ...organization.authorityWitness(entry.authorityBefore, stamped, usesOwnWallet ? [walletKey] : []),
    ];
  const nodes = [
    organization.authorityWitness(entry.authorityBefore, stamped),
    owner === null
      ? organization.authorityWitness(entry.authorityAfter, [walletKey])
      : owner.organization.authorityWitness(owner.entry.authorityAfter, [
          walletKey,
          owner.grantKey,
          organizationLeafKey,
        ]),
  ].flat();
  return [...new Map(nodes.map((bytes) => [bytesName(mapNodeHash(bytes)), bytes])).values()];
}

const noWallet = new Uint8Array(16);
