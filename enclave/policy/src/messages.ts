import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import type { FromPolicy, StoreRows } from '@keystead/protocol/frames';
import { TicketBatch } from '@keystead/protocol/ticket';
import type { HeldTicket } from './batch.ts';

/** A message of about so many bytes leaves room in its frame. */
const bytesPerMessage = 4 * 1024 * 1024;

type BatchMessage = Extract<FromPolicy, { type: 'batch' }>;

export const noRows = (): StoreRows => ({ entries: [], nodes: [], secrets: [], owners: [] });

/** Cuts items into runs that fit into one message each. */
export function inMessages<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  mostItems = Number.POSITIVE_INFINITY,
): T[][] {
  const runs: T[][] = [];
  let run: T[] = [];
  let bytes = 0;
  for (const item of items) {
    run.push(item);
    bytes += sizeOf(item);
    if (run.length < mostItems && bytes < bytesPerMessage) continue;
    runs.push(run);
    run = [];
    bytes = 0;
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

/** Takes away the nodes for which one message has no room: they go ahead of their batch, alone they mean nothing. */
export function nodesAhead(rows: StoreRows): StoreRows['nodes'][] {
  const runs = inMessages(rows.nodes, ({ bytes }) => bytes.length + 36);
  if (runs.length < 2) return [];
  rows.nodes.splice(0, rows.nodes.length, ...runs.pop()!);
  return runs;
}

/** The part of a batch that is for the signer. */
export function ticketFields(
  context: EnclaveContext,
  batch: number,
  tickets: readonly HeldTicket[],
): Pick<BatchMessage, 'tickets' | 'waiting'> {
  if (tickets.length === 0) return { tickets: undefined, waiting: [] };
  const encoded = TicketBatch.encode({
    boot: context.boot,
    batch,
    tickets: tickets.map(({ ticket }) => ticket),
  });
  return {
    tickets: context.seal('policy-to-signer', 'ticket-batch', encoded),
    waiting: tickets.map(({ ticket, refs }) => ({
      identity: ticket.identity,
      refs: [...refs],
      secret: ticket.secret,
    })),
  };
}
