import type { ReadContext } from '../context.ts';
import { organizationResult } from '../results.ts';

export function read({ state, request, organizationId }: ReadContext<'getOrganization'>): unknown {
  return organizationResult(state, request.surface, organizationId);
}
