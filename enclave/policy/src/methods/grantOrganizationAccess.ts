import { grantLeafKey } from '@keystead/protocol/authority';
import { maximumAuthorityWrites } from '@keystead/protocol/authority-change/users';
import { KmsError } from '@keystead/protocol/errors';
import { parseUuid } from '@keystead/protocol/ids';
import type { Surface } from '@keystead/protocol/surface';
import type { ChangeContext } from '../context.ts';
import type { Draft } from '../draft.ts';
import { userTime } from '../results.ts';

/** A transfer deletes the wallet and all of its grants by one entry. */
const maximumGrants = maximumAuthorityWrites - 1;

export function change({
  draft,
  request,
  organizationId,
  time,
}: ChangeContext<'grantOrganizationAccess'>): unknown {
  const { walletId, targetOrganizationId, policyName } = request.params;
  const grants = draft.cell('grants', walletId)?.grants ?? [];
  if (grants.length >= maximumGrants)
    throw new KmsError('grant-exists', { detail: `a wallet has at most ${maximumGrants} grants` });
  draft.write('grants', walletId, {
    grants: [...grants, { target: targetOrganizationId, name: policyName ?? '', createdAtMs: time }],
  });
  return grantResult(
    draft,
    request.surface,
    organizationId,
    walletId,
    targetOrganizationId,
    policyName ?? '',
  );
}

/** One grant as the API shows it. */
export function grantResult(
  draft: Draft,
  surface: Surface,
  ownerOrganizationId: string,
  walletId: string,
  targetOrganizationId: string,
  name: string,
): Record<string, unknown> {
  const leaf = draft.leafAfter(grantLeafKey(parseUuid(walletId)!, parseUuid(targetOrganizationId)!, name));
  if (leaf?.leaf !== 'grant') throw new KmsError('grant-not-found', {});
  return {
    ownerOrganizationId,
    targetOrganizationId,
    walletId,
    policyName: name === '' ? null : name,
    policy: {
      version: 'v0',
      scopes: leaf.scopes,
      ...(leaf.derivationAllowlist === undefined ? {} : { derivationAllowlist: leaf.derivationAllowlist }),
    },
    createdAtMs: userTime(surface, leaf.createdAt),
  };
}
