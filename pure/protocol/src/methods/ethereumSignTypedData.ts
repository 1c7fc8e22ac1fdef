import { signature } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import {
  type SigningParams,
  signingOptional,
  signingParams,
  signingRequired,
} from '../parameters/signing.ts';
import { type TypedData, typedData } from '../parameters/typed-data.ts';

export const name = 'ethereumSignTypedData';
export const kind = 'use';
export const summary = 'Signs typed data (EIP-712).';

export interface Params extends SigningParams {
  readonly typedData: TypedData;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { ...signingRequired(surface), typedData },
      optional: signingOptional(surface),
    }),
    (value) => ({ ...signingParams(value), typedData: value.typedData }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = signature;
