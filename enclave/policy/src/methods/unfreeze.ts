import type { ChangeContext } from '../context.ts';
import { frozenState } from './freeze.ts';

export function change({ request, draft }: ChangeContext<'unfreeze'>): unknown {
  return frozenState(draft, request.params, false);
}
