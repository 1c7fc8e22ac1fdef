import { stated } from '../result-schemas.ts';
import { array, integer, object, type Schema, string } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'statePrices';
export const kind = 'change';
export const summary =
  'States prices of assets as one source; limits in US dollars use them (spec/policy.md §7).';

/** What one whole unit of an asset costs. */
export interface StatedPrice {
  /** CAIP-19. */
  readonly asset: string;
  /** Micro US dollars, decimal. */
  readonly microsPerUnit: string;
  readonly decimals: number;
}

export interface Params {
  readonly organizationId: string;
  readonly prices: readonly StatedPrice[];
}

const price: Schema<StatedPrice> = object({
  required: {
    asset: string({
      min: 3,
      max: 160,
      pattern:
        /^[a-z0-9]{3,8}(:[-_a-zA-Z0-9]{1,64})?\/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}(\/[-.%a-zA-Z0-9]{1,78})?$/,
      description: 'a CAIP-19 asset',
    }),
    microsPerUnit: string({
      min: 1,
      max: 30,
      pattern: /^[1-9][0-9]*$/,
      description: 'a positive decimal integer',
    }),
    decimals: integer({ min: 0, max: 36 }),
  },
});

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface), prices: array(price, { min: 1, max: 64 }) } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = stated;
