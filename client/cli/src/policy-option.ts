import type { UserPolicy } from '@keystead/sdk/native-calls';
import type { Option } from './command.ts';
import type { CommandArguments } from './command-arguments.ts';
import { UsageError } from './command-error.ts';

const presets = ['ROOT', 'ALLOW_ALL', 'DENY_ALL', 'LEGACY_USER_ROLE', 'GUARDIAN'] as const;

/** All that a guardian does (spec/guardians.md). */
const guardian: UserPolicy = {
  type: 'POLICY',
  policy: {
    version: 1,
    rules: [{ id: 'guards', effect: 'allow', on: ['read', 'approve', 'recover'], when: { constant: true } }],
  },
};

export const policyOptions: Readonly<Record<string, Option>> = {
  policy: { type: 'string', value: 'policy', help: `${presets.join(', ')} (docs/policies.md)` },
  'raw-payloads': { type: 'boolean', help: 'also permit signing bytes of unknown meaning' },
};

/** The policy that the options name; undefined when they name none. Throws UsageError. */
export function policyOf(given: CommandArguments): UserPolicy | undefined {
  const preset = given.oneOf('policy', presets);
  const permissions = given.flag('raw-payloads') ? { permissions: ['signRawPayload'] as const } : {};
  if (preset === undefined) {
    if (given.flag('raw-payloads')) throw new UsageError('--raw-payloads needs --policy beside it');
    return undefined;
  }
  if (preset === 'ROOT') return { type: 'ROOT', ...permissions };
  if (preset === 'ALLOW_ALL') return { type: 'CEL', preset, ...permissions };
  if (given.flag('raw-payloads')) throw new UsageError(`--raw-payloads has no meaning with ${preset}`);
  return preset === 'GUARDIAN' ? guardian : { type: 'CEL', preset };
}
