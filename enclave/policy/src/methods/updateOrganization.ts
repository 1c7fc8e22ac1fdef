import type { ChangeContext } from '../context.ts';
import { organizationResult } from '../results.ts';

export function change(context: ChangeContext<'updateOrganization'>): unknown {
  return organizationResult(context.draft, context.request.surface, context.organizationId);
}
