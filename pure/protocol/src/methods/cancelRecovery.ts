import { recovery } from '../result-schemas.ts';
import { recoveryNumber } from '../parameters/recovery.ts';
import { id } from '../parameters/text.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'cancelRecovery';
export const kind = 'change';
export const summary = 'Ends a recovery that runs. One root user or one guardian is enough.';

export interface Params {
  readonly organizationId: string;
  readonly recovery: number;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface), recovery: recoveryNumber } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = recovery;
