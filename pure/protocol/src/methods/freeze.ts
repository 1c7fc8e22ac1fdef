import { frozenParams, type FrozenParams } from '../parameters/frozen.ts';
import { frozenState } from '../result-schemas.ts';

export const name = 'freeze';
export const kind = 'change';
export const summary = 'Stops a user, a wallet or the whole organization at once.';

export type Params = FrozenParams;

export const native = frozenParams('native');
export const compatibility = frozenParams('compatibility');
export const result = frozenState;
