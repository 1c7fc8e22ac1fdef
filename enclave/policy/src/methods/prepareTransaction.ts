import { chainFor } from '@keystead/chains/registry';
import { base58Decode } from '@keystead/crypto/base58';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { KmsError } from '@keystead/protocol/errors';
import type { ParsedRequestOf } from '@keystead/protocol/request';
import type { DerivedAccount } from '../cells.ts';
import type { ReadContext } from '../context.ts';
import { assertWouldPass } from '../dry-run.ts';
import { keyUseOf } from '../key-use.ts';
import { applyPolicy } from '../policy-decision.ts';

/** Wallets among which the account of a request that names no wallet is looked for. */
const maximumSearched = 64;

/**
 * Looks at a transaction before it is signed: what would be decided, as an error with its code, or the bytes as they came.
 * Nothing is added or reserved. The request names an account and no wallet; an account of none of the wallets is only parsed.
 */
export function read(context: ReadContext<'prepareTransaction'>): unknown {
  const { transaction, account } = context.request.params;
  if (account !== null) {
    const found = walletWith(context, account);
    if (found !== null) decide(context, found);
    else if (transaction.chain === 'solana') parse(transaction.bytes, account);
  }
  return { transaction: base64urlEncode(transaction.bytes), simulationResult: null };
}

interface Found {
  readonly walletId: string;
  readonly account: DerivedAccount;
}

function walletWith({ state, caller }: ReadContext<'prepareTransaction'>, address: string): Found | null {
  const accountIn = (walletId: string): Found | null => {
    const account = state.cell('wallet', walletId)?.accounts.find((known) => known.address === address);
    return account === undefined ? null : { walletId, account };
  };
  const policy = state.cell('user', caller.user.username)?.policy;
  if (policy !== undefined && 'walletId' in policy) {
    const found = accountIn(policy.walletId);
    if (found !== null) return found;
  }
  const { wallets = 0 } = state.cell('organization') ?? {};
  for (let number = 0; number < Math.min(wallets, maximumSearched); number += 1) {
    const walletId = state.cell('wallet-number', String(number));
    const found = walletId === undefined ? null : accountIn(walletId);
    if (found !== null) return found;
  }
  return null;
}

function decide(context: ReadContext<'prepareTransaction'>, { walletId, account }: Found): void {
  const { request, pending, state, caller, time, organizationOf } = context;
  const { organizationId, transaction, submission } = request.params;
  const { curve, derivationPath, addressFormat } = account;
  const signing = {
    ...request,
    method: 'signTransaction',
    kind: 'use',
    params: {
      organizationId,
      walletId,
      transaction,
      submission,
      policyName: null,
      derivation: derivationPath === '' ? null : { curve, derivationPath, addressFormat },
    },
  } as ParsedRequestOf<'signTransaction'>;
  const asked = { ...pending, request: signing };
  const use = keyUseOf(asked, state, organizationOf, time);
  const { decision } = applyPolicy(asked, state, caller, use, time);
  assertWouldPass(asked, state, caller, use, decision, time);
}

function parse(bytes: Uint8Array, account: string): void {
  let publicKey: Uint8Array;
  try {
    publicKey = base58Decode(account);
  } catch {
    throw new KmsError('parameter-invalid', { field: 'body.simulationConfig.account' });
  }
  if (publicKey.length !== 32)
    throw new KmsError('parameter-invalid', { field: 'body.simulationConfig.account' });
  chainFor('Solana').parseTransaction(bytes, {
    publicKey,
    addressFormat: 'Solana',
    address: account,
    derivationPath: null,
  });
}
