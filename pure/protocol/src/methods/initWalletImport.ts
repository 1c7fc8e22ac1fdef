import { importEnvelope } from '../result-schemas.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'initWalletImport';
export const kind = 'use';
export const summary =
  'A fresh key of the signer to encrypt a secret for, and the envelope that lets this caller use it for 15 minutes.';

export interface Params {
  readonly organizationId: string;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface) } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = importEnvelope;
