/** Types of Sui objects, by a node of the source's own. */
import type { ObjectTypeFact } from '@keystead/protocol/methods/stateFacts';
import type { ChainNode } from '../chain/json-rpc.ts';
import { CommandError } from '../command-error.ts';

/** Throws CommandError. */
export async function objectTypeFact(node: ChainNode, object: string): Promise<ObjectTypeFact> {
  const answer = (await node.call('sui_getObject', [object, { showType: true }])) as {
    readonly data?: { readonly objectId?: unknown; readonly type?: unknown } | null;
  } | null;
  const { objectId, type } = answer?.data ?? {};
  if (typeof objectId !== 'string' || inFull(objectId) !== inFull(object))
    throw new CommandError(`${object} is not there`, 'name an object that exists');
  if (typeof type !== 'string' || !type.startsWith('0x'))
    throw new CommandError(`${object} is no object with a type`, 'packages have none');
  return { kind: 'object-type', object: inFull(object), type: inFull(type) };
}

/** Every address with all of its digits: `0x2::coin::Coin<…>` is written in one way only. */
export function inFull(text: string): string {
  return text.replaceAll(
    /0x([0-9a-fA-F]{1,64})\b/g,
    (_, digits: string) => `0x${digits.toLowerCase().padStart(64, '0')}`,
  );
}
