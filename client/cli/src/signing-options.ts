import { chainNames, type ChosenAccount } from './chain/account.ts';
import type { Option } from './command.ts';
import { accountOptions, type CommandArguments } from './command-arguments.ts';
import type { Session } from './session.ts';

/** Options of every command that signs. */
export const signingOptions: Readonly<Record<string, Option>> = {
  ...accountOptions,
  chain: { type: 'string', value: 'chain', help: chainNames.join(', ') },
};

/** The members that every signing method has. */
export function signingMembers(given: CommandArguments, session: Session, { derivationInfo }: ChosenAccount) {
  const policyName = given.text('policy-name');
  return {
    organizationId: session.organizationId,
    walletId: session.walletId(given),
    ...(derivationInfo === null ? {} : { derivationInfo }),
    ...(policyName === undefined ? {} : { policyName }),
  };
}
