import { recovery } from '../result-schemas.ts';
import { id } from '../parameters/text.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'getRecovery';
export const kind = 'read';
export const summary = 'The guardians of the organization, and the recovery that runs.';

export interface Params {
  readonly organizationId: string;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface) } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = recovery;
