import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { type Ticket, TicketBatch } from './ticket.ts';

const node = (byte: number) => new Uint8Array(70).fill(byte);
const ticket = (...witness: readonly Uint8Array[]): Ticket => ({
  identity: new Uint8Array(32),
  entry: Uint8Array.of(1, 2, 3),
  ownerEntry: undefined,
  witness,
  secret: undefined,
  display: new Uint8Array(0),
});
const batchOf = (...tickets: Ticket[]) => ({ boot: new Uint8Array(16), batch: 7, tickets });

test('a witness brings only the nodes after those of the ticket before, and is read whole', () => {
  const alone = TicketBatch.encode(batchOf(ticket(node(1), node(2), node(3))));
  const batch = batchOf(
    ticket(node(1), node(2), node(3)),
    ticket(node(1), node(2), node(3)),
    ticket(node(1), node(2), node(4)),
    ticket(),
    ticket(node(1)),
  );
  const encoded = TicketBatch.encode(batch);
  assert.deepEqual(TicketBatch.decode(encoded), batch);
  assert.deepEqual(TicketBatch.decodeViews(encoded), batch);
  // Two nodes of 70 bytes with their lengths, and what four tickets have beside them.
  assert.equal(encoded.length, alone.length + 2 * 74 + 4 * (32 + 7 + 1 + 4 + 4 + 1 + 4));
});

test('a batch has one encoding: a witness shares with the ticket before as many nodes as are equal, and no more than it has', () => {
  const encoded = TicketBatch.encode(batchOf(ticket(node(1), node(2)), ticket(node(1), node(3))));
  // The second ticket's number of shared nodes stands before its own one, its secret and its display.
  const at = encoded.length - (4 + 1 + 74 + 4 + 4) + 3;
  assert.equal(encoded[at], 1);
  for (const shared of [2, 3, 255]) {
    const other = encoded.slice();
    other[at] = shared;
    // Two shared ones and a third are the encoding of another batch.
    if (shared === 2) assert.equal(TicketBatch.decode(other).tickets[1]!.witness.length, 3);
    else assert.throws(() => TicketBatch.decode(other), isMalformed);
  }
  const less = encoded.slice();
  less[at] = 0;
  // The node that follows differs from the first of the ticket before.
  assert.deepEqual(TicketBatch.decode(less).tickets[1]!.witness, [node(3)]);
  less.fill(1, at + 9, at + 9 + 70);
  assert.throws(() => TicketBatch.decode(less), isMalformed);
});

const isMalformed = (error: unknown) => error instanceof CryptoError && error.code === 'pack-malformed';
