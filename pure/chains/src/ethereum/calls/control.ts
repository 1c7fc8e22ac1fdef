/** Calls that change who controls a contract: owners of a Safe, ownership, roles, code. */
import type { AbiValue } from '../abi.ts';
import type { CallContext, Consequences } from '../call-reader.ts';
import type { CallDefinition } from './known.ts';

export const CONTROL_CALLS: readonly CallDefinition[] = [
  [
    'safe.addOwnerWithThreshold',
    'addOwnerWithThreshold(address owner,uint256 threshold)',
    ([owner], context) => takeover('safe-owner', context, owner),
  ],
  [
    'safe.removeOwner',
    'removeOwner(address previousOwner,address owner,uint256 threshold)',
    (_, context) => takeover('safe-owner', context),
  ],
  [
    'safe.swapOwner',
    'swapOwner(address previousOwner,address oldOwner,address newOwner)',
    ([, , owner], context) => takeover('safe-owner', context, owner),
  ],
  [
    'safe.changeThreshold',
    'changeThreshold(uint256 threshold)',
    (_, context) => takeover('safe-threshold', context),
  ],
  [
    'safe.enableModule',
    'enableModule(address module)',
    ([module], context) => takeover('safe-module', context, module),
  ],
  ['safe.disableModule', 'disableModule(address previousModule,address module)', () => ({})],
  [
    'safe.setFallbackHandler',
    'setFallbackHandler(address handler)',
    ([handler], context) => takeover('safe-fallback-handler', context, handler),
  ],
  ['safe.setGuard', 'setGuard(address guard)', ([guard], context) => takeover('safe-guard', context, guard)],
  [
    'erc173.transferOwnership',
    'transferOwnership(address newOwner)',
    ([owner], context) => takeover('ownership', context, owner),
  ],
  ['erc173.renounceOwnership', 'renounceOwnership()', (_, context) => takeover('ownership', context)],
  [
    'access-control.grantRole',
    'grantRole(bytes32 role,address account)',
    ([, account], context) => takeover('role', context, account),
  ],
  [
    'proxy.upgradeTo',
    'upgradeTo(address implementation)',
    ([code], context) => takeover('upgrade', context, code),
  ],
  [
    'proxy.upgradeToAndCall',
    'upgradeToAndCall(address implementation,bytes data)',
    ([code], context) => takeover('upgrade', context, code),
  ],
];

function takeover(kind: string, { contract }: CallContext, by?: AbiValue): Consequences {
  return { takeovers: [{ kind, account: contract, by: (by as string | undefined) ?? null }] };
}
