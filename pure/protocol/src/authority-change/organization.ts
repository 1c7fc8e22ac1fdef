import type { AuthorityChange, AuthorityChangeInput } from './change.ts';
import { assertRootRemains, organizationLeaf, organizationWrite } from './leaves.ts';
import { requireRoot } from './who-may.ts';

/** How many root keys have to agree to a change. */

export function updateOrganization(input: AuthorityChangeInput, rootThreshold: number): AuthorityChange {
  requireRoot(input);
  const organization = organizationLeaf(input);
  assertRootRemains({ ...organization, rootThreshold }, organization.permanentRootAuthenticators);
  return {
    writes:
      rootThreshold === organization.rootThreshold
        ? []
        : [organizationWrite({ ...organization, rootThreshold })],
    counterpart: null,
    // One root key alone can do less than before.
    narrowing: rootThreshold > organization.rootThreshold,
  };
}
