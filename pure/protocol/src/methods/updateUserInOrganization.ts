import { organization } from '../result-schemas.ts';
import { invalid, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName, traitKeys, traits } from '../parameters/text.ts';
import { type UserPolicy, userPolicy } from '../parameters/user.ts';

export const name = 'updateUserInOrganization';
export const kind = 'change';
export const summary = "Changes a user's policy and traits.";

export interface Params {
  readonly organizationId: string;
  readonly username: string;
  /** Null leaves the policy as it is. */
  readonly newPolicy: UserPolicy | null;
  readonly addTraits: Readonly<Record<string, string>>;
  readonly removeTraits: readonly string[];
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), username: displayName },
      optional: { newPolicy: userPolicy(surface), addTraits: traits, removeTraits: traitKeys },
    }),
    (value, path) => {
      const { organizationId, username, newPolicy = null, addTraits = {}, removeTraits = [] } = value;
      const both = removeTraits.find((key) => Object.hasOwn(addTraits, key));
      if (both !== undefined) throw invalid(`${path}.removeTraits`, 'names a trait that addTraits sets');
      if (newPolicy === null && Object.keys(addTraits).length === 0 && removeTraits.length === 0) {
        throw invalid(path, 'must hold a change: newPolicy, addTraits or removeTraits');
      }
      return { organizationId, username, newPolicy, addTraits, removeTraits };
    },
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
