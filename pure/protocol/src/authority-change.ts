import { type AuthorityChange, type AuthorityChangeInput, none } from './authority-change/change.ts';
import {
  createAuthenticator,
  deleteAuthenticator,
  updateAuthenticator,
} from './authority-change/authenticators.ts';
import { setFrozen } from './authority-change/freezing.ts';
import { updateGuardians } from './authority-change/guardians.ts';
import { updateOrganization } from './authority-change/organization.ts';
import { cancelRecovery, completeRecovery, startRecovery } from './authority-change/recovery.ts';
import { grant, revoke } from './authority-change/grants.ts';
import { addUser, deleteUser, found, updateUser } from './authority-change/users.ts';
import { addWallet, transfer } from './authority-change/wallets.ts';
import { assertMayAct, requireRoot } from './authority-change/who-may.ts';
import { walletIdOf } from './ids.ts';

/**
 * spec/state.md §5: the fixed rules by which an authority set changes. The policy engine applies them when it
 * decides, the certifier applies the same ones again before it moves the head: neither can widen the set alone.
 */

/** The change a request asks for, or no writes when it asks for none. Throws KmsError when a rule forbids it. */
export function authorityChange(input: AuthorityChangeInput): AuthorityChange {
  const { request } = input;
  assertMayAct(input);
  switch (request.method) {
    case 'createOrganization':
      return found(input, request.params.users);
    case 'addUserToOrganization':
      return addUser(input, request.params.user, request.params.replaceExpirable);
    case 'updateUserInOrganization':
      return updateUser(input, request.params.username, request.params.newPolicy);
    case 'deleteUserFromOrganization':
      return deleteUser(input, request.params.username);
    case 'createAuthenticator':
      return createAuthenticator(input, request.params);
    case 'updateAuthenticator':
      return updateAuthenticator(input, request.params);
    case 'deleteAuthenticator':
      return deleteAuthenticator(input, request.params);
    case 'createWallet':
    case 'completeImportWallet':
    case 'getOrCreateWalletWithTag':
      return addWallet(input, walletIdOf(input.organization, input.identity));
    case 'grantOrganizationAccess':
      return grant(input, request.params);
    case 'revokeOrganizationAccess':
      return revoke(input, request.params);
    case 'transferOrganizationWallet':
      return transfer(input, request.params);
    case 'updatePolicy':
      requireRoot(input);
      return { ...none, narrowing: true };
    case 'updateOrganization':
      return updateOrganization(input, request.params.rootThreshold);
    case 'updateGuardians':
      return updateGuardians(input, request.params);
    case 'startRecovery':
      return startRecovery(input, request.params);
    case 'cancelRecovery':
      return cancelRecovery(input, request.params.recovery);
    case 'completeRecovery':
      return completeRecovery(input, request.params);
    case 'freeze':
      return setFrozen(input, request.params, true);
    case 'unfreeze':
      return setFrozen(input, request.params, false);
    default:
      return none;
  }
}
