import { equalBytes } from '@keystead/crypto/bytes';
import type { AccountKey, SigningAccount } from '../chain.ts';
import type { StepBudget } from '../step-budget.ts';
import { type AccountPlace, claimedPlace, DERIVATION_STEPS, isScriptAt } from './account-place.ts';
import { type BitcoinNetwork, scriptKind, scriptToAddress } from './address.ts';
import type { Psbt } from './psbt.ts';
import type { TransactionOutput } from './transaction.ts';

/** Other addresses of the account that are derived for the inputs of one transaction. */
export const MOST_DERIVED_INPUTS = 12;

/**
 * Whether every input is ours: pays to the signing address, to another one of the account that the wallet remembers, or to
 * one that derives at the path that the PSBT claims (spec/effects.md §2.1). False where nothing shows it.
 */
export function areAllOfAccount(
  psbt: Psbt,
  spent: readonly TransactionOutput[],
  ownScript: Uint8Array,
  account: SigningAccount,
  accountKey: AccountKey,
  network: BitcoinNetwork,
  steps: StepBudget,
): boolean {
  const claims = new Map<string, { readonly script: Uint8Array; readonly place: AccountPlace }>();
  for (const [index, { script }] of spent.entries()) {
    if (equalBytes(script, ownScript)) continue;
    if (scriptKind(script) !== scriptKind(ownScript)) return false;
    const address = scriptToAddress(script, network)!;
    if (claims.has(address) || accountKey.addresses?.has(address) === true) continue;
    const place = claimedPlace(psbt.inputs[index]!, 'input', account, accountKey);
    if (place === null || claims.size === MOST_DERIVED_INPUTS) return false;
    claims.set(address, { script, place });
  }
  for (const { script, place } of claims.values()) {
    steps.spend(DERIVATION_STEPS, 'inputs');
    if (!isScriptAt(script, place, account, accountKey)) return false;
  }
  return true;
}
