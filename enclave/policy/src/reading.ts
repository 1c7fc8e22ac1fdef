/** What the bytes of a signing request do, as far as they, the wallet and trusted facts tell (spec/effects.md §3). */
import type { AccountKey, ParseContext, SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { type SigningRequest, type SigningRequestOf, signingRequest } from '@keystead/protocol/signing';
import type { Draft } from './draft.ts';
import { Facts } from './facts.ts';

/** What one policy adds to the reading that it judges. */
export type PolicyContext = Pick<ParseContext, 'calls' | 'knownOwners' | 'steps'>;

export interface Reading {
  /** Exactly what is signed; no fact changes it. */
  readonly inputs: SigningRequest['inputs'];
  /** From the bytes alone, as the signer reads them; null for messages and raw payloads. */
  readonly bare: Effects | null;
  /** With the facts that stand, and the account's own change. */
  readonly effects: Effects | null;
  /** `effects` as one policy reads them. Throws KmsError as `signingRequest`. */
  under(policy: PolicyContext): Effects;
}

/** Readings of one transaction: an address from a table may be an account, whose mint may be stated. */
const maximumReadings = 3;

/**
 * Reads a request. `home` is the organization that owns the wallet, whose addresses `ownAddresses` are; `accountKey` is
 * asked for only when the bytes pay somebody. Throws KmsError as `signingRequest`, NeedRows, and what `accountKey` throws.
 */
export function readSigning(
  request: SigningRequestOf,
  account: SigningAccount,
  home: Draft,
  time: number,
  ownAddresses: ReadonlySet<string>,
  accountKey: () => AccountKey | undefined,
): Reading {
  const { inputs, effects: bare } = signingRequest(request, account);
  if (bare === null) return { inputs, bare, effects: null, under: () => unread() };
  const key = bare.chain === 'bitcoin' && bare.outflows.length > 0 ? accountKey() : undefined;
  const facts = new Facts(home, time);
  const context = (): ParseContext => ({
    ...facts.context,
    ...(bare.chain === 'solana' ? { ownAddresses } : {}),
    ...(key === undefined ? {} : { accountKey: key }),
  });
  const readAgain = (added: PolicyContext): Effects =>
    signingRequest(request, account, { ...context(), ...added }).effects ?? unread();
  // What goes to another address of the wallet may be named otherwise.
  const staysOwn = bare.outflows.some(({ to }) => to !== null && ownAddresses.has(to));
  let effects = key === undefined && !(bare.chain === 'solana' && staysOwn) ? bare : readAgain({});
  for (let readings = 0; readings < maximumReadings && facts.learn(effects); readings += 1)
    effects = readAgain({});
  return { inputs, bare, effects, under: readAgain };
}

function unread(): never {
  throw new TypeError('bytes without effects are read once');
}
