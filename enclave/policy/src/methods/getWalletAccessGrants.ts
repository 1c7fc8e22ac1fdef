import type { ReadContext } from '../context.ts';
import { grantResult } from '../grants.ts';

export function read({ state, request, organizationId }: ReadContext<'getWalletAccessGrants'>): unknown {
  const { walletId, targetOrganizationId, limit, offset } = request.params;
  const all = (state.cell('grants', walletId)?.grants ?? []).filter(
    (grant) => grant.target === targetOrganizationId,
  );
  return {
    grants: all
      .slice(offset, offset + limit)
      .map((grant) => grantResult(state, request.surface, organizationId, walletId, grant)),
    totalCount: all.length,
    limit,
    offset,
  };
}
