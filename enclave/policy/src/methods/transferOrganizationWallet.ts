import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { grantPolicyResult, grantTerms } from '../grants.ts';
import { userTime } from '../results.ts';
import { addToWallets, removeFromWallets } from '../wallets.ts';

export function change(context: ChangeContext<'transferOrganizationWallet'>): unknown {
  const { draft, counterpart, request, organizationId, time } = context;
  const { walletId, targetOrganizationId, retainPolicy } = request.params;
  const wallet = draft.cell('wallet', walletId);
  if (wallet === undefined || counterpart === null)
    throw new KmsError('wallet-not-found', { field: 'params.walletId' });
  removeFromWallets(draft, walletId, wallet);
  draft.write('grants', walletId, undefined);
  // Tags stay with the giver: in the receiver's organization they may name other wallets.
  addToWallets(counterpart, walletId, { ...wallet, tags: [] });
  if (retainPolicy !== null)
    counterpart.write('grants', walletId, {
      grants: [grantTerms(organizationId, '', retainPolicy, null, time, 'params.retainPolicy')],
    });
  return {
    ownerOrganizationId: organizationId,
    targetOrganizationId,
    walletId,
    policyName: null,
    policy: retainPolicy === null ? { version: 'v0', scopes: [] } : grantPolicyResult(retainPolicy),
    createdAtMs: userTime(request.surface, time),
  };
}
