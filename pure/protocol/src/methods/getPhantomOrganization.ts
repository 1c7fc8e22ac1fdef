import { organization } from '../result-schemas.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'getPhantomOrganization';
export const kind = 'unsupported';
export const summary =
  'The organization of the person who logged in. Needs Connect; refused with not-supported.';

export type Params = Readonly<Record<never, never>>;

const params = (surface: Surface): Schema<Params> => members(surface, {});

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
