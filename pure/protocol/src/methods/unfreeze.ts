import { frozenParams, type FrozenParams } from '../parameters/frozen.ts';
import { frozenState } from '../result-schemas.ts';

export const name = 'unfreeze';
export const kind = 'change';
export const summary = 'Ends a freeze.';

export type Params = FrozenParams;

export const native = frozenParams('native');
export const compatibility = frozenParams('compatibility');
export const result = frozenState;
