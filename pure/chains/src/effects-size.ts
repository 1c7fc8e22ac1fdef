import type { Effects } from './effects.ts';
import { ChainError } from './error.ts';

/** An entry has room for 131,072 bytes of effects (spec/entry.md); the rest is left to names and punctuation. */
const MOST_EFFECTS_BYTES = 120_000;
/** Names, quotes and punctuation of one outflow, grant, takeover, doubt or call in JSON. */
const BYTES_PER_ITEM = 96;
const BYTES_PER_ARGUMENT = 8;

/**
 * Refuses effects that an entry could not hold, before anything is decided about them.
 * @throws ChainError `transaction-too-complex`
 */
export function checkEffectsSize(effects: Effects): Effects {
  let bytes = effects.validity.key.length;
  const item = (...texts: readonly (string | null | undefined)[]): void => {
    bytes += BYTES_PER_ITEM;
    for (const text of texts) bytes += text?.length ?? 4;
  };
  for (const signer of effects.signers) item(signer);
  // No amount has more than 78 digits; most have fewer than 24.
  for (const { asset, from, to } of effects.outflows) item(asset, from, to, '012345678901234567890123');
  for (const { asset, spender } of effects.grants) item(asset, spender, '012345678901234567890123');
  for (const { kind, account, by } of effects.takeovers) item(kind, account, by);
  for (const { kind, field, detail, subject } of effects.unresolved) item(kind, field, detail, subject);
  for (const call of effects.calls) {
    item(call.target, call.name);
    for (const [name, text] of Object.entries(call.arguments)) {
      bytes += name.length + text.length + BYTES_PER_ARGUMENT;
    }
  }
  if (bytes > MOST_EFFECTS_BYTES) {
    throw new ChainError(
      'transaction-too-complex',
      'the effects of the transaction do not fit into an entry; split it into several',
    );
  }
  return effects;
}
