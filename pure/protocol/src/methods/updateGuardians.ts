import { recovery } from '../result-schemas.ts';
import { longestRecoveryDelay, shortestRecoveryDelay } from '../recovery.ts';
import { array, integer, invalid, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as username, withoutRepeats } from '../parameters/text.ts';

export const name = 'updateGuardians';
export const kind = 'change';
export const summary = 'Names the guardians who can bring the organization back when its root keys are lost.';

export interface Params {
  readonly organizationId: string;
  /** Usernames; none ends guardianship. */
  readonly guardians: readonly string[];
  /** How many of them have to agree. */
  readonly threshold: number;
  readonly delayMs: number;
}

const threeDays = 3 * 24 * 60 * 60 * 1000;

function params(surface: Surface): Schema<Params> {
  const shape = members(surface, {
    required: {
      organizationId: id(surface),
      guardians: withoutRepeats(array(username, { max: 16 })),
      threshold: integer({ min: 1, max: 16 }),
    },
    optional: { delayMs: integer({ min: shortestRecoveryDelay, max: longestRecoveryDelay }) },
  });
  return transform(shape, ({ delayMs = threeDays, ...value }, path) => {
    if (value.guardians.length > 0 && value.threshold > value.guardians.length)
      throw invalid(`${path}.threshold`, 'is larger than the number of guardians');
    return { ...value, delayMs };
  });
}

export const native = params('native');
export const compatibility = params('compatibility');
export const result = recovery;
