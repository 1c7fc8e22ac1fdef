import type { AddressFormat } from '@keystead/chains/chain';
import { chainFor } from '@keystead/chains/registry';
import type { Effects } from '@keystead/chains/effects';
import { bool, choice, list, option, type Static, struct, text } from '@keystead/crypto/pack';
import type { ParsedRequest } from './request.ts';
import { isSigning } from './signing.ts';

/**
 * spec/signer.md §5.1: what a wallet's key may ever be used for, given when the wallet is made, sealed into its row and
 * held to by the signer, whatever anybody decides.
 */
export const KeyConstraints = struct({
  /** CAIP-2 namespaces (`solana`), or EVM networks (`eip155:1`); absent: all. */
  networks: option(list(text(41), 16)),
  signs: choice({ ALL: 1, MESSAGES: 2, TRANSACTIONS: 3 }),
  /** The most that may leave by one signature, by CAIP-19 asset, in base units; other assets may not. Absent: no bound. */
  caps: option(list(struct({ asset: text(160), amount: text(78) }), 16)),
  exportAllowed: bool,
});
export type KeyConstraints = Static<typeof KeyConstraints>;

/** A key that may be used for everything. */
export const unconstrained: KeyConstraints = Object.freeze({
  networks: undefined,
  signs: 'ALL',
  caps: undefined,
  exportAllowed: true,
});

const namespaceOfChain = { solana: 'solana', ethereum: 'eip155', bitcoin: 'bip122', sui: 'sui' } as const;

/** The rule that exporting would break; undefined when it is allowed. */
export function exportBreaks({ exportAllowed }: KeyConstraints): string | undefined {
  return exportAllowed ? undefined : 'its key may not be exported';
}

/**
 * The rule that a signature would break, as a sentence; undefined when there is none. `effects` are those of the bytes to
 * be signed, null for messages and raw payloads.
 */
export function signatureBreaks(
  constraints: KeyConstraints,
  request: ParsedRequest,
  account: { readonly addressFormat: AddressFormat },
  effects: Effects | null,
): string | undefined {
  if (!isSigning(request)) return undefined;
  const isMessage = effects === null;
  if (constraints.signs === 'MESSAGES' && !isMessage) return 'its key signs messages only';
  if (constraints.signs === 'TRANSACTIONS' && isMessage) return 'its key signs transactions only';
  return (
    networkBreaks(constraints, account.addressFormat, effects) ??
    (constraints.caps === undefined ? undefined : capBreaks(constraints.caps, request, effects))
  );
}

function networkBreaks(
  { networks }: KeyConstraints,
  addressFormat: AddressFormat,
  effects: Effects | null,
): string | undefined {
  if (networks === undefined) return undefined;
  const namespace = namespaceOfChain[chainFor(addressFormat).name];
  if (networks.includes(namespace)) return undefined;
  const named = networks.filter((network) => network.startsWith(`${namespace}:`));
  if (named.length === 0) return `its key is not for ${namespace}`;
  // A message is of no network; a transaction that names none could be sent to any.
  if (effects === null) return undefined;
  return effects.network !== null && named.includes(effects.network)
    ? undefined
    : `its key is not for ${effects.network ?? `a transaction of ${namespace} that names no network`}`;
}

function capBreaks(
  caps: NonNullable<KeyConstraints['caps']>,
  request: ParsedRequest,
  effects: Effects | null,
): string | undefined {
  if (effects === null)
    return request.method === 'signRawPayload'
      ? 'its key has caps, and nobody can read what raw bytes spend'
      : undefined;
  const [unresolved] = effects.unresolved;
  if (unresolved !== undefined)
    return `its key has caps, and what the transaction does is not known (${unresolved.kind})`;
  const [takeover] = effects.takeovers;
  if (takeover !== undefined)
    return `its key has caps, and an account would be given away (${takeover.kind})`;
  const spent = new Map<string, bigint>();
  const fee = effects.maxFee;
  if (fee === null && request.method === 'signTransaction')
    return 'its key has caps, and the fee is not bounded';
  for (const { asset, amount } of [...effects.outflows, ...effects.grants, ...(fee === null ? [] : [fee])]) {
    if (amount === 'unbounded') return `its key has caps, and ${asset} could leave without bound`;
    spent.set(asset, (spent.get(asset) ?? 0n) + amount);
  }
  for (const [asset, amount] of spent) {
    const cap = caps.find((one) => one.asset === asset);
    if (cap === undefined) {
      if (amount > 0n) return `its key has no cap for ${asset}`;
    } else if (amount > BigInt(cap.amount))
      return `${amount} of ${asset} would leave, and its key is capped at ${cap.amount}`;
  }
  return undefined;
}
