import { organization } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { bytes } from '../parameters/bytes.ts';

export const name = 'getOrCreatePhantomOrganization';
export const kind = 'unsupported';
export const summary =
  'The organization of the person who logged in. Needs Connect; refused with not-supported.';

export interface Params {
  /** 65 bytes, uncompressed P-256. */
  readonly publicKey: Uint8Array | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(members(surface, { optional: { publicKey: bytes(surface, { min: 65, max: 65 }) } }), (value) => ({
    publicKey: value.publicKey ?? null,
  }));

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
