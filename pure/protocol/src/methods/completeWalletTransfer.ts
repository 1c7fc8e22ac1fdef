import { nothing } from '../result-schemas.ts';
import { type Schema, string } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'completeWalletTransfer';
export const kind = 'unsupported';
export const summary = 'Takes over a wallet that Connect moves. Needs Connect; refused with not-supported.';

export interface Params {
  readonly organizationId: string;
  readonly migrationId: string;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, {
    required: {
      organizationId: id(surface),
      migrationId: string({ min: 1, max: 128, pattern: /^[\x21-\x7e]+$/ }),
    },
  });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = nothing;
