import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zeroHash } from '@keystead/protocol/entry';
import { maximumTicketWitness } from '@keystead/protocol/ticket';
import { withWallet } from '../testing/policy-bench.ts';
import { emptyEntry } from '../testing/entries.ts';
import { plannedTicket } from './tickets.ts';

/** What a ticket is planned from, whose proof has so many nodes. */
function planned(nodes: number) {
  const entry = emptyEntry();
  const { authorityBefore } = entry;
  const organization = {
    authorityWitness: () => Array.from({ length: nodes }, (_, i) => Uint8Array.of(i >> 8, i)),
  };
  const keyUse = { owner: entry.organization, walletId: new Uint8Array(16).fill(1), bytesDigest: zeroHash };
  const own = {
    organization,
    known: { entry: { ...entry, authorityAfter: authorityBefore } },
    encoded: zeroHash,
  };
  const decided = { entries: [own], ticket: { keyUse, secret: zeroHash, display: zeroHash } };
  const pending = {
    stamp: { keyHash: zeroHash },
    identity: zeroHash,
    refs: [],
    request: { approvals: [], params: {} },
  };
  return () => plannedTicket(pending as never, decided as never, { user: { username: 'a' } } as never);
}

test('a proof that no ticket can hold, for names were searched whose hashes begin alike, is refused before it ends the engine', () => {
  assert.throws(planned(maximumTicketWitness + 1), { code: 'request-too-large' });
  assert.equal(planned(maximumTicketWitness)().ticket.witness.length, maximumTicketWitness);
});

test('an ordinary proof is far below what a ticket can hold', () => {
  const { bench, organizationId, walletId } = withWallet();
  const { ticket } = bench.ticketFor(bench.signing(organizationId, walletId));
  assert.ok(ticket.witness.length < 16);
});
