import { chainNode } from '../chain/json-rpc.ts';
import type { OutcomeNodes } from './node-file.ts';
import { nonceIsOver } from './nonce-account.ts';
import { NodeLies } from './outcome.ts';
import { CommandError } from '../command-error.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

/** A signed transaction that may still be sent by whoever has it. */
export interface Outstanding {
  readonly entry: UnsettledEntry;
  /** CAIP-2, as the bytes or the file of nodes say. */
  readonly network: string | null;
  /** What ends it if nobody sends it. */
  readonly ends: string;
  /** Why a node did not say whether it is final. */
  readonly unknown?: string;
}

/** Those of which neither the ledger nor the nodes know that they are final, oldest first. */
export async function outstanding(
  entries: readonly UnsettledEntry[],
  nodes: OutcomeNodes | undefined,
): Promise<readonly Outstanding[]> {
  const found: Outstanding[] = [];
  for (const entry of entries) {
    const network = nodes?.networkOf(entry) ?? null;
    const known = { entry, network: network ?? entry.effects.network, ends: endOf(entry) };
    if (nodes === undefined || network === null) {
      found.push(known);
      continue;
    }
    try {
      if (!(await isFinal(entry, network, nodes))) found.push(known);
    } catch (error) {
      if (!(error instanceof NodeLies) && !(error instanceof CommandError)) throw error;
      found.push({ ...known, unknown: error.message });
    }
  }
  return found;
}

async function isFinal(entry: UnsettledEntry, network: string, nodes: OutcomeNodes): Promise<boolean> {
  if ((await nodes.outcomeOf(entry)) !== null) return true;
  return (
    entry.effects.validity.uniqueness === 'durable-nonce' &&
    (await nonceIsOver(chainNode(await nodes.checkedUrl(network)), entry))
  );
}

function endOf({ effects }: UnsettledEntry): string {
  const { uniqueness, key } = effects.validity;
  switch (uniqueness) {
    case 'blockhash':
      return 'its blockhash, within minutes of the signature';
    case 'durable-nonce':
      return `an advance of the nonce of ${key.split(':')[0]}, never by itself`;
    case 'nonce':
      return `another transaction with nonce ${key}`;
    case 'utxo':
      return 'another transaction that spends one of its outputs';
    case 'object-version':
      return 'another transaction that uses its gas coins';
    case 'none':
      return 'nothing that is known';
  }
}
