import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import * as p256 from '@keystead/crypto/p256';
import { sha256 } from '@keystead/crypto/sha256';
import type { Approval } from './approval.ts';
import { callerOf } from './authenticate.ts';
import {
  AuthorityLeaf,
  algorithmEd25519,
  authenticatorLeafKey,
  grantLeafKey,
  keyHashOf,
  organizationLeafKey,
  userLeafKey,
  walletLeafKey,
} from './authority.ts';
import { authorityChange } from './authority-change.ts';
import type { AuthorityChange } from './authority-change/change.ts';
import { maximumAuthenticators } from './authority-change/registration.ts';
import {
  ephemeralLifetimeMilliseconds,
  maximumAuthorityWrites,
  maximumUsers,
} from './authority-change/users.ts';
import { AuthorityWrite } from './entry.ts';
import { KmsError } from './errors.ts';
import { formatUuid, walletIdOf } from './ids.ts';
import { parseRequest } from './request.ts';
import { possessionMessage, type Stamp } from './stamp.ts';
import type { Surface } from './surface.ts';

const time = 1_795_170_280_000;
const organization = new Uint8Array(16).fill(1);
const organizationId = formatUuid(organization);
const otherOrganization = new Uint8Array(16).fill(2);
const otherOrganizationId = formatUuid(otherOrganization);
const deploymentId = new Uint8Array(32).fill(3);
const made = { secret: new Uint8Array(32).fill(4), kind: 1 };

interface Key {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}
const keyOf = (name: string): Key => {
  const seed = sha256(utf8Encode(name));
  return { seed, publicKey: ed25519.publicKey(seed) };
};
const root = keyOf('root');
const user = keyOf('user');

const stampOf = ({ publicKey }: Key): Stamp => ({
  kind: 'pki',
  algorithm: algorithmEd25519,
  webauthn: false,
  publicKey,
  keyHash: keyHashOf(algorithmEd25519, publicKey),
  bodyDigest: new Uint8Array(32),
  signature: new Uint8Array(64),
});

const keypair = (key: Key, more: object = {}) => ({
  authenticatorName: 'key',
  authenticatorKind: 'keypair',
  publicKey: base64urlEncode(key.publicKey),
  algorithm: 'Ed25519',
  ...more,
});

/** With the proof that the native surface asks for. */
const proven = (key: Key, username: string, more: object = {}, of = organization) => {
  const message = possessionMessage({
    deployment: deploymentId,
    organization: of,
    username,
    algorithm: algorithmEd25519,
    publicKey: key.publicKey,
  });
  return keypair(key, { proof: base64urlEncode(ed25519.sign(key.seed, message)), ...more });
};

type Options = {
  readonly surface?: Surface;
  readonly made?: typeof made | null;
  readonly evictedUser?: string;
  readonly walletGrants?: readonly Uint8Array[];
  readonly approvals?: readonly Approval[];
  readonly time?: number;
};

/** An authority set in a plain map; `apply` writes what the rules give. */
class AuthoritySet {
  readonly leaves = new Map<string, AuthorityLeaf>();
  #requests = 0;

  read = (key: Uint8Array) => this.leaves.get(hexEncode(key));

  change(by: Key, method: string, params: object, options: Options = {}): AuthorityChange {
    const surface = options.surface ?? 'compatibility';
    const envelope = surface === 'native' ? {} : { timestampMs: time };
    const body = utf8Encode(JSON.stringify({ method, params, ...envelope }));
    const stamp = stampOf(by);
    return authorityChange({
      request: parseRequest(surface, 'rpc', body),
      stamp,
      identity: sha256(Uint8Array.of(this.#requests++)),
      deploymentId,
      organization,
      caller: method === 'createOrganization' ? null : callerOf(this.read, stamp.keyHash),
      time: options.time ?? time,
      made: options.made ?? null,
      evictedUser: options.evictedUser ?? null,
      walletGrants: options.walletGrants ?? [],
      approvals: options.approvals ?? [],
      read: this.read,
    });
  }

  apply(...call: Parameters<AuthoritySet['change']>): AuthorityChange {
    const change = this.change(...call);
    for (const { key, leaf } of change.writes) {
      // What cannot be encoded cannot stand in an entry.
      AuthorityWrite.encode({ key, value: leaf === undefined ? undefined : AuthorityLeaf.encode(leaf) });
      if (leaf === undefined) this.leaves.delete(hexEncode(key));
      else this.leaves.set(hexEncode(key), leaf);
    }
    return change;
  }

  refusal(...call: Parameters<AuthoritySet['change']>): string {
    const before = new Map(this.leaves);
    let code = 'accepted';
    try {
      this.change(...call);
    } catch (error) {
      assert.ok(error instanceof KmsError, String(error));
      code = error.code;
    }
    assert.deepEqual(this.leaves, before);
    return code;
  }

  get organization() {
    const leaf = this.read(organizationLeafKey);
    assert.ok(leaf?.leaf === 'organization');
    return leaf;
  }

  user(name: string) {
    const leaf = this.read(userLeafKey(name));
    return leaf?.leaf === 'user' ? leaf : undefined;
  }

  authenticator(key: Key) {
    const leaf = this.read(authenticatorLeafKey(keyHashOf(algorithmEd25519, key.publicKey)));
    return leaf?.leaf === 'authenticator' ? leaf : undefined;
  }

  idOf(key: Key): string {
    return formatUuid(this.authenticator(key)!.id);
  }
}

const rootUser = (...keys: object[]) => ({
  username: 'root',
  policy: { type: 'ROOT' },
  authenticators: keys,
});
const plainUser = (username: string, authenticators: object[] = [], more: object = {}) => ({
  username,
  policy: { type: 'CEL', preset: 'ALLOW_ALL' },
  authenticators,
  ...more,
});
const founding = (...users: object[]) => ({ organizationName: 'Acme', users });

/** An organization with one root user and one other user, a key each. */
function founded(): AuthoritySet {
  const set = new AuthoritySet();
  set.apply(
    root,
    'createOrganization',
    founding(rootUser(keypair(root)), plainUser('user', [keypair(user)])),
  );
  return set;
}

const added = (user: object, more: object = {}) => ({ organizationId, user, ...more });
const register = (username: string, authenticator: object, more: object = {}) => ({
  organizationId,
  username,
  authenticator,
  ...more,
});
const named = (username: string) => ({ organizationId, username });
const ofKey = (username: string, authenticatorId: string, more: object = {}) => ({
  organizationId,
  username,
  authenticatorId,
  ...more,
});

describe('founding', () => {
  it('counts users and the root keys that never expire', () => {
    const { organization: leaf } = founded();
    assert.deepEqual([leaf.users, leaf.permanentRootAuthenticators, leaf.rootThreshold], [2, 1, 1]);
  });

  it('takes a stamp of one of its root users only', () => {
    const set = new AuthoritySet();
    const users = founding(rootUser(keypair(root)), plainUser('user', [keypair(user)]));
    assert.equal(set.refusal(user, 'createOrganization', users), 'root-required');
    assert.equal(set.refusal(keyOf('stranger'), 'createOrganization', users), 'root-required');
    assert.equal(set.refusal(root, 'createOrganization', users), 'accepted');
  });

  it('is refused when no root key stays for ever', () => {
    const set = new AuthoritySet();
    const expiring = founding(rootUser(keypair(root, { expiresInMs: 1000 })));
    const expiringUser = founding({ ...rootUser(keypair(root)), expiresInMs: 1000 });
    assert.equal(set.refusal(root, 'createOrganization', expiring), 'last-root-authenticator');
    assert.equal(set.refusal(root, 'createOrganization', expiringUser), 'last-root-authenticator');
  });

  it('is refused when a name or a key stands twice', () => {
    const set = new AuthoritySet();
    const names = founding(rootUser(keypair(root)), plainUser('root', [keypair(user)]));
    assert.equal(set.refusal(root, 'createOrganization', names), 'user-exists');
    const acrossUsers = founding(rootUser(keypair(root)), plainUser('user', [keypair(root)]));
    assert.equal(set.refusal(root, 'createOrganization', acrossUsers), 'authenticator-exists');
    const inOne = founding(rootUser(keypair(root), keypair(root)));
    assert.equal(set.refusal(root, 'createOrganization', inOne), 'authenticator-exists');
  });

  it('writes no more leaves than an entry holds', () => {
    const users = (count: number) =>
      founding(
        rootUser(keypair(root)),
        ...Array.from({ length: count }, (_, index) =>
          plainUser(
            `user ${index}`,
            Array.from({ length: 15 }, (__, key) => keypair(keyOf(`${index} ${key}`))),
          ),
        ),
      );
    const set = new AuthoritySet();
    assert.equal(set.refusal(root, 'createOrganization', users(16)), 'parameter-invalid');
    const { writes } = set.change(root, 'createOrganization', users(15));
    assert.ok(writes.length <= maximumAuthorityWrites);
    const ids = writes.flatMap(({ leaf }) => (leaf?.leaf === 'authenticator' ? [formatUuid(leaf.id)] : []));
    assert.equal(new Set(ids).size, ids.length);
  });

  it('needs no proof of the key that stamps it, and one of every other key on the native surface', () => {
    const set = new AuthoritySet();
    const native = { surface: 'native' } as const;
    const zeros = new Uint8Array(16);
    assert.equal(
      set.refusal(root, 'createOrganization', founding(rootUser(keypair(root))), native),
      'accepted',
    );
    const second = (key: object) => founding(rootUser(keypair(root), key));
    assert.equal(
      set.refusal(root, 'createOrganization', second(keypair(user)), native),
      'possession-proof-missing',
    );
    const proof = proven(user, 'root', {}, zeros);
    assert.equal(set.refusal(root, 'createOrganization', second(proof), native), 'accepted');
  });
});

describe('adding a user', () => {
  it('is for root users', () => {
    const set = founded();
    const params = added(plainUser('new', [keypair(keyOf('new'))]));
    assert.equal(set.refusal(user, 'addUserToOrganization', params), 'root-required');
    assert.equal(set.apply(root, 'addUserToOrganization', params).narrowing, false);
    assert.equal(set.organization.users, 3);
    assert.equal(set.organization.permanentRootAuthenticators, 1);
  });

  it('counts a further permanent root key', () => {
    const set = founded();
    set.apply(
      root,
      'addUserToOrganization',
      added({ ...rootUser(keypair(keyOf('second'))), username: 'root 2' }),
    );
    assert.equal(set.organization.permanentRootAuthenticators, 2);
  });

  it('is refused for a name or a key that exists, and for one key twice', () => {
    const set = founded();
    const fresh = keypair(keyOf('new'));
    assert.equal(set.refusal(root, 'addUserToOrganization', added(plainUser('user'))), 'user-exists');
    assert.equal(
      set.refusal(root, 'addUserToOrganization', added(plainUser('new', [keypair(user)]))),
      'authenticator-exists',
    );
    assert.equal(
      set.refusal(root, 'addUserToOrganization', added({ ...rootUser(fresh, fresh), username: 'new' })),
      'authenticator-exists',
    );
    assert.equal(set.refusal(root, 'addUserToOrganization', added(plainUser('new', [fresh]))), 'accepted');
  });

  it('takes names of 64 characters of any script', () => {
    founded().apply(
      root,
      'addUserToOrganization',
      added(plainUser('鍵'.repeat(64), [keypair(keyOf('new'))])),
    );
  });

  it('stops at the limit of authenticators', () => {
    const keys = (count: number) =>
      Array.from({ length: count }, (_, index) => keypair(keyOf(`key ${index}`)));
    const set = founded();
    const params = (count: number) => added(plainUser('new', keys(count)));
    assert.equal(
      set.refusal(root, 'addUserToOrganization', params(maximumAuthenticators + 1)),
      'limit-authenticators',
    );
    assert.equal(set.refusal(root, 'addUserToOrganization', params(maximumAuthenticators)), 'accepted');
  });

  it('stops at the limit of users, unless an expirable one makes room', () => {
    const set = founded();
    const { organization: leaf } = set;
    set.leaves.set(hexEncode(organizationLeafKey), { ...leaf, users: maximumUsers - 1 });
    set.apply(
      root,
      'addUserToOrganization',
      added(plainUser('old', [keypair(keyOf('old'))]), { replaceExpirable: true }),
    );
    assert.equal(set.user('old')?.expiresAt, time + ephemeralLifetimeMilliseconds);
    const params = added(plainUser('new', [keypair(keyOf('new'))]), { replaceExpirable: true });
    assert.equal(set.refusal(root, 'addUserToOrganization', params), 'limit-users');
    assert.equal(set.refusal(root, 'addUserToOrganization', params, { evictedUser: 'user' }), 'limit-users');
    assert.equal(
      set.refusal(root, 'addUserToOrganization', params, { evictedUser: 'nobody' }),
      'limit-users',
    );
    const unasked = added(plainUser('new'));
    assert.equal(set.refusal(root, 'addUserToOrganization', unasked, { evictedUser: 'old' }), 'limit-users');
    assert.equal(set.apply(root, 'addUserToOrganization', params, { evictedUser: 'old' }).narrowing, true);
    assert.equal(set.user('old'), undefined);
    assert.equal(set.authenticator(keyOf('old')), undefined);
    assert.equal(set.organization.users, maximumUsers);
  });

  it('evicts nobody below the limit', () => {
    const set = founded();
    set.apply(root, 'addUserToOrganization', added(plainUser('old', [], { expiresInMs: 1000 })));
    const params = added(plainUser('new'), { replaceExpirable: true });
    set.apply(root, 'addUserToOrganization', params, { evictedUser: 'old' });
    assert.ok(set.user('old'));
  });
});

describe('the last root authenticator', () => {
  it('cannot be deleted, given an expiry, deleted with its user, or lose root', () => {
    const set = founded();
    const id = set.idOf(root);
    const calls = (): [string, object][] => [
      ['deleteAuthenticator', ofKey('root', id)],
      ['updateAuthenticator', ofKey('root', id, { authenticator: { expiresInMs: 1000 } })],
      ['deleteUserFromOrganization', named('root')],
      ['updateUserInOrganization', { ...named('root'), newPolicy: { type: 'CEL', preset: 'ALLOW_ALL' } }],
    ];
    for (const [method, params] of calls())
      assert.equal(set.refusal(root, method, params), 'last-root-authenticator');
    set.apply(
      root,
      'addUserToOrganization',
      added({ ...rootUser(keypair(keyOf('second'))), username: 'second' }),
    );
    for (const [method, params] of calls()) {
      assert.equal(set.refusal(root, method, params), 'accepted');
      assert.equal(set.change(root, method, params).narrowing, true);
    }
  });

  it('is not replaced by one that expires', () => {
    const set = founded();
    set.apply(root, 'createAuthenticator', register('root', keypair(keyOf('short'), { expiresInMs: 1000 })));
    assert.equal(set.organization.permanentRootAuthenticators, 1);
    assert.equal(
      set.refusal(root, 'deleteAuthenticator', ofKey('root', set.idOf(root))),
      'last-root-authenticator',
    );
    set.apply(root, 'createAuthenticator', register('root', keypair(keyOf('long'))));
    assert.equal(set.organization.permanentRootAuthenticators, 2);
    set.apply(root, 'deleteAuthenticator', ofKey('root', set.idOf(root)));
    assert.equal(set.organization.permanentRootAuthenticators, 1);
    const left = set.idOf(keyOf('long'));
    assert.equal(
      set.refusal(keyOf('long'), 'deleteAuthenticator', ofKey('root', left)),
      'last-root-authenticator',
    );
  });
});

describe('a user that renews its own key', () => {
  const own = (set: AuthoritySet, authenticator: object) =>
    set.refusal(user, 'createAuthenticator', register('user', authenticator));

  it('changes no other user', () => {
    const set = founded();
    assert.equal(own(set, keypair(keyOf('next'))), 'accepted');
    assert.equal(
      set.refusal(user, 'createAuthenticator', register('root', keypair(keyOf('next')))),
      'root-required',
    );
    assert.equal(set.refusal(user, 'deleteAuthenticator', ofKey('root', set.idOf(root))), 'root-required');
    assert.equal(
      set.refusal(
        user,
        'updateAuthenticator',
        ofKey('root', set.idOf(root), { authenticator: { expiresInMs: 1 } }),
      ),
      'root-required',
    );
  });

  it('cannot outlive the key that stamps', () => {
    const set = founded();
    set.apply(
      root,
      'updateAuthenticator',
      ofKey('user', set.idOf(user), { authenticator: { expiresInMs: 1000 } }),
    );
    assert.equal(own(set, keypair(keyOf('next'))), 'root-required');
    assert.equal(own(set, keypair(keyOf('next'), { expiresInMs: 1001 })), 'root-required');
    assert.equal(own(set, keypair(keyOf('next'), { expiresInMs: 1000 })), 'accepted');
  });

  it('cannot put off an expiry, and can bring it forward', () => {
    const set = founded();
    set.apply(
      root,
      'updateAuthenticator',
      ofKey('user', set.idOf(user), { authenticator: { expiresInMs: 1000 } }),
    );
    const expiry = (expiresInMs: number) => ofKey('user', set.idOf(user), { authenticator: { expiresInMs } });
    assert.equal(set.refusal(user, 'updateAuthenticator', expiry(1001)), 'root-required');
    assert.equal(set.change(user, 'updateAuthenticator', expiry(999)).narrowing, true);
    assert.equal(set.change(root, 'updateAuthenticator', expiry(1001)).narrowing, false);
  });

  it('cannot add a kind of stamp', () => {
    const set = founded();
    const native = keyOf('native');
    const params = register('user', proven(native, 'user', { stampKinds: ['native'] }));
    set.apply(root, 'createAuthenticator', params, { surface: 'native' });
    const next = keyOf('next');
    const renew = (stampKinds: string[]) =>
      set.refusal(native, 'createAuthenticator', register('user', proven(next, 'user', { stampKinds })), {
        surface: 'native',
      });
    assert.equal(renew(['native', 'pki']), 'root-required');
    assert.equal(renew(['native']), 'accepted');
  });

  it('keeps the ceiling of the key that stamps', () => {
    const set = founded();
    const leaf = set.authenticator(user)!;
    const ceiling = { actions: ['createAuthenticator'], wallets: undefined, approvals: 0 };
    set.leaves.set(hexEncode(authenticatorLeafKey(keyHashOf(algorithmEd25519, user.publicKey))), {
      ...leaf,
      leaf: 'authenticator',
      ceiling,
    });
    set.apply(user, 'createAuthenticator', register('user', keypair(keyOf('next'))));
    assert.deepEqual(set.authenticator(keyOf('next'))?.ceiling, ceiling);
    set.apply(root, 'createAuthenticator', register('user', keypair(keyOf('given'))));
    assert.equal(set.authenticator(keyOf('given'))?.ceiling.actions, undefined);
  });
});

describe('a new key', () => {
  const native = { surface: 'native' } as const;
  const next = keyOf('next');

  it('proves possession on the native surface, for this user of this organization of this deployment', () => {
    const set = founded();
    const refusal = (authenticator: object) =>
      set.refusal(root, 'createAuthenticator', register('user', authenticator), native);
    assert.equal(refusal(keypair(next)), 'possession-proof-missing');
    assert.equal(refusal(proven(next, 'root')), 'possession-proof-invalid');
    assert.equal(refusal(proven(next, 'user', {}, otherOrganization)), 'possession-proof-invalid');
    assert.equal(
      refusal({ ...proven(user, 'user'), publicKey: keypair(next).publicKey }),
      'possession-proof-invalid',
    );
    assert.equal(refusal(proven(next, 'user')), 'accepted');
    assert.equal(set.refusal(root, 'createAuthenticator', register('user', keypair(next))), 'accepted');
  });

  it('proves possession with P-256 as well', () => {
    const set = founded();
    const secret = sha256(utf8Encode('p256'));
    const publicKey = p256.publicKey(secret);
    const message = possessionMessage({
      deployment: deploymentId,
      organization,
      username: 'user',
      algorithm: 2,
      publicKey,
    });
    const refusal = (signed: Uint8Array) =>
      set.refusal(
        root,
        'createAuthenticator',
        register('user', {
          authenticatorName: 'key',
          authenticatorKind: 'keypair',
          algorithm: 'Secp256r1',
          publicKey: base64urlEncode(publicKey),
          proof: base64urlEncode(p256.sign(secret, signed)),
        }),
        native,
      );
    assert.equal(refusal(message), 'accepted');
    assert.equal(refusal(sha256(message)), 'possession-proof-invalid');
  });

  it('is refused when it has low order, is not canonical or not on its curve', () => {
    const set = founded();
    const keys = [
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0200000000000000000000000000000000000000000000000000000000000000',
    ];
    for (const key of keys) {
      const params = register('user', keypair({ seed: new Uint8Array(32), publicKey: hexDecode(key) }));
      assert.equal(set.refusal(root, 'createAuthenticator', params), 'public-key-unacceptable', key);
    }
    const offCurve = {
      ...keypair(next),
      algorithm: 'Secp256r1',
      publicKey: base64urlEncode(Uint8Array.of(4, ...new Uint8Array(64).fill(1))),
    };
    assert.equal(
      set.refusal(root, 'createAuthenticator', register('user', offCurve)),
      'public-key-unacceptable',
    );
  });

  it('is refused when the organization has it already', () => {
    const set = founded();
    assert.equal(
      set.refusal(root, 'createAuthenticator', register('user', keypair(root))),
      'authenticator-exists',
    );
  });

  it('finds room at the limit by the oldest that expires, when asked to', () => {
    const set = founded();
    for (let index = 1; index < maximumAuthenticators; index++) {
      const expiry = index === 5 || index === 9 ? { expiresInMs: 1000 } : {};
      set.apply(root, 'createAuthenticator', register('user', keypair(keyOf(`key ${index}`), expiry)));
    }
    const params = (replaceExpirable: boolean) => register('user', keypair(next), { replaceExpirable });
    assert.equal(set.refusal(root, 'createAuthenticator', params(false)), 'limit-authenticators');
    assert.equal(set.apply(root, 'createAuthenticator', params(true)).narrowing, true);
    assert.equal(set.authenticator(keyOf('key 5')), undefined);
    assert.ok(set.authenticator(keyOf('key 9')));
    assert.equal(set.user('user')?.authenticators.length, maximumAuthenticators);
    set.apply(
      root,
      'createAuthenticator',
      register('user', keypair(keyOf('again')), { replaceExpirable: true }),
    );
    const last = register('user', keypair(keyOf('last')), { replaceExpirable: true });
    assert.equal(set.refusal(root, 'createAuthenticator', last), 'limit-authenticators');
  });
});

describe('changing and removing', () => {
  it('is refused for users and keys that are not there', () => {
    const set = founded();
    assert.equal(set.refusal(root, 'deleteUserFromOrganization', named('nobody')), 'user-not-found');
    assert.equal(
      set.refusal(root, 'deleteAuthenticator', ofKey('user', set.idOf(root))),
      'authenticator-not-found',
    );
  });

  it('deletes a user with all of its keys, and only by root', () => {
    const set = founded();
    assert.equal(set.refusal(user, 'deleteUserFromOrganization', named('user')), 'root-required');
    set.apply(root, 'deleteUserFromOrganization', named('user'));
    assert.equal(set.user('user'), undefined);
    assert.equal(set.authenticator(user), undefined);
    assert.equal(set.organization.users, 1);
  });

  it('lets root make a root user, and nobody else', () => {
    const set = founded();
    const params = { ...named('user'), newPolicy: { type: 'ROOT' } };
    assert.equal(set.refusal(user, 'updateUserInOrganization', params), 'root-required');
    assert.equal(set.apply(root, 'updateUserInOrganization', params).narrowing, false);
    assert.equal(set.organization.permanentRootAuthenticators, 2);
  });

  it('writes no leaf for a policy that leaves root as it is, and still narrows', () => {
    const set = founded();
    const policy = { ...named('user'), newPolicy: { type: 'CEL', preset: 'DENY_ALL' } };
    assert.deepEqual(set.change(root, 'updateUserInOrganization', policy), {
      writes: [],
      counterpart: null,
      narrowing: true,
    });
  });

  it('renames a key without touching the set', () => {
    const set = founded();
    const params = ofKey('user', set.idOf(user), { authenticator: { authenticatorName: 'laptop' } });
    assert.deepEqual(set.change(user, 'updateAuthenticator', params).writes, []);
  });
});

describe('a ceiling', () => {
  const bounded = (ceiling: object) => {
    const set = founded();
    const leaf = set.authenticator(root)!;
    set.leaves.set(hexEncode(authenticatorLeafKey(keyHashOf(algorithmEd25519, root.publicKey))), {
      ...leaf,
      leaf: 'authenticator',
      ceiling: { actions: undefined, wallets: undefined, approvals: 0, ...ceiling },
    });
    return set;
  };

  it('bounds what even a root key changes', () => {
    const call = ['deleteUserFromOrganization', named('user')] as const;
    assert.equal(bounded({}).refusal(root, ...call), 'accepted');
    assert.equal(bounded({ actions: ['createWallet'] }).refusal(root, ...call), 'policy-denied');
    assert.equal(bounded({ actions: ['deleteUserFromOrganization'] }).refusal(root, ...call), 'accepted');
    assert.equal(bounded({ wallets: [new Uint8Array(16)] }).refusal(root, ...call), 'policy-denied');
    assert.equal(bounded({ approvals: 1 }).refusal(root, ...call), 'approval-required');
  });
});

describe('wallets', () => {
  const withWallet = () => {
    const set = founded();
    const { writes } = set.apply(user, 'createWallet', { organizationId, walletName: 'W' }, { made });
    const [{ leaf }] = writes;
    assert.ok(leaf?.leaf === 'wallet');
    return {
      set,
      walletId: leaf.walletId,
      params: {
        ownerOrganizationId: organizationId,
        targetOrganizationId: otherOrganizationId,
        walletId: formatUuid(leaf.walletId),
      },
    };
  };

  it('stand under an id that follows from the request, with the row that the signer made', () => {
    const set = founded();
    const { writes, narrowing } = set.change(
      user,
      'createWallet',
      { organizationId, walletName: 'W' },
      { made },
    );
    const walletId = walletIdOf(organization, sha256(Uint8Array.of(1)));
    const leaf = { leaf: 'wallet', walletId, kind: 1, secret: made.secret, createdAt: time, frozen: false };
    assert.deepEqual(writes, [{ key: walletLeafKey(walletId), leaf }]);
    assert.equal(narrowing, false);
    assert.deepEqual(set.change(user, 'createWallet', { organizationId, walletName: 'W' }).writes, []);
  });

  it('are granted and revoked by root only, each grant once', () => {
    const { set, walletId, params } = withWallet();
    const grant = { ...params, policy: { version: 'v0', scopes: ['owner'] } };
    assert.equal(set.refusal(user, 'grantOrganizationAccess', grant), 'root-required');
    set.apply(root, 'grantOrganizationAccess', grant);
    assert.ok(set.read(grantLeafKey(walletId, otherOrganization, '')));
    assert.equal(set.refusal(root, 'grantOrganizationAccess', grant), 'grant-exists');
    assert.equal(set.refusal(user, 'revokeOrganizationAccess', params), 'root-required');
    assert.equal(set.apply(root, 'revokeOrganizationAccess', params).narrowing, true);
    assert.equal(set.refusal(root, 'revokeOrganizationAccess', params), 'grant-not-found');
  });

  it('are granted to other organizations only, and only when they are there', () => {
    const { set, params } = withWallet();
    const policy = { version: 'v0', scopes: ['owner'] };
    const self = { ...params, policy, targetOrganizationId: organizationId };
    assert.equal(set.refusal(root, 'grantOrganizationAccess', self), 'parameter-invalid');
    const missing = { ...params, policy, walletId: formatUuid(new Uint8Array(16).fill(9)) };
    assert.equal(set.refusal(root, 'grantOrganizationAccess', missing), 'wallet-not-found');
  });

  it('are not granted with more paths and a longer name than a leaf holds', () => {
    const { set, params } = withWallet();
    const derivationAllowlist = Array.from(
      { length: 64 },
      (_, index) => `m/1000000${100 + index}'${"/2147483647'".repeat(9)}`,
    );
    const scopes = [
      'owner',
      'signaturePayload',
      'signatureTransaction',
      'ethereumSignMessage',
      'ethereumSignTypedData',
      'exportWallet',
    ];
    const grant = (policyName: string) => ({
      ...params,
      policyName,
      policy: { version: 'v0', scopes, derivationAllowlist },
    });
    assert.equal(set.refusal(root, 'grantOrganizationAccess', grant('鍵'.repeat(64))), 'parameter-invalid');
    set.apply(root, 'grantOrganizationAccess', grant('鍵'));
  });

  it('leave the giver and arrive unchanged, with a grant back only when one is kept', () => {
    const { set, walletId, params } = withWallet();
    const leaf = set.read(walletLeafKey(walletId));
    assert.equal(set.refusal(user, 'transferOrganizationWallet', params), 'root-required');
    const change = set.change(root, 'transferOrganizationWallet', params);
    assert.deepEqual(change.writes, [{ key: walletLeafKey(walletId), leaf: undefined }]);
    assert.deepEqual(change.counterpart, {
      organization: otherOrganization,
      writes: [{ key: walletLeafKey(walletId), leaf }],
    });
    assert.equal(change.narrowing, true);
    const retainPolicy = { version: 'v0', scopes: ['signatureTransaction'] };
    const kept = set.change(root, 'transferOrganizationWallet', { ...params, retainPolicy }).counterpart!;
    assert.equal(hexEncode(kept.writes[1].key), hexEncode(grantLeafKey(walletId, organization, '')));
  });

  it('take the grants that are named along, so that none stands again when they come back', () => {
    const { set, walletId, params } = withWallet();
    const policy = { version: 'v0', scopes: ['owner'] };
    for (const policyName of ['one', 'two'])
      set.apply(root, 'grantOrganizationAccess', { ...params, policyName, policy });
    const walletGrants = ['one', 'two'].map((name) => grantLeafKey(walletId, otherOrganization, name));
    const leaf = set.read(walletLeafKey(walletId))!;
    const change = set.apply(root, 'transferOrganizationWallet', params, { walletGrants });
    assert.deepEqual(
      change.writes.map(({ key, leaf: after }) => [hexEncode(key), after]),
      [walletLeafKey(walletId), ...walletGrants].map((key) => [hexEncode(key), undefined]),
    );
    assert.equal(change.counterpart?.writes.length, 1);
    set.leaves.set(hexEncode(walletLeafKey(walletId)), leaf);
    for (const key of walletGrants) assert.equal(set.read(key), undefined);
  });

  it('take no other leaf along than their own grants', () => {
    const { set, walletId, params } = withWallet();
    const other = set.apply(user, 'createWallet', { organizationId, walletName: 'Other' }, { made });
    const [{ leaf }] = other.writes;
    assert.ok(leaf?.leaf === 'wallet');
    const policy = { version: 'v0', scopes: ['owner'] };
    set.apply(root, 'grantOrganizationAccess', { ...params, policy });
    set.apply(root, 'grantOrganizationAccess', { ...params, walletId: formatUuid(leaf.walletId), policy });
    const transfer = (...walletGrants: Uint8Array[]) =>
      set.refusal(root, 'transferOrganizationWallet', params, { walletGrants });
    assert.equal(transfer(grantLeafKey(walletId, otherOrganization, '')), 'accepted');
    for (const key of [
      grantLeafKey(leaf.walletId, otherOrganization, ''),
      grantLeafKey(walletId, otherOrganization, 'none'),
      walletLeafKey(leaf.walletId),
      userLeafKey('user'),
      organizationLeafKey,
    ])
      assert.equal(transfer(key), 'grant-not-found');
  });
});

describe('a freeze', () => {
  const frozen = (more: object = {}) => ({ organizationId, ...more });

  it('of a user is for root users and for the user itself, and ends by a root user only', () => {
    const set = founded();
    set.apply(root, 'addUserToOrganization', added(plainUser('other', [keypair(keyOf('other'))])));
    assert.equal(set.refusal(user, 'freeze', frozen({ username: 'other' })), 'root-required');
    assert.equal(set.refusal(user, 'freeze', frozen({ username: 'user' })), 'accepted');
    assert.equal(set.apply(root, 'freeze', frozen({ username: 'user' })).narrowing, true);
    assert.equal(set.refusal(root, 'unfreeze', frozen({ username: 'user' })), 'accepted');
    assert.equal(set.refusal(keyOf('other'), 'unfreeze', frozen({ username: 'user' })), 'root-required');
    assert.equal(set.apply(root, 'unfreeze', frozen({ username: 'user' })).narrowing, false);
  });

  it('leaves a root key that can end it', () => {
    const set = founded();
    assert.equal(set.refusal(root, 'freeze', frozen({ username: 'root' })), 'last-root-authenticator');
    const second = { ...rootUser(keypair(keyOf('second'))), username: 'root 2' };
    set.apply(root, 'addUserToOrganization', added(second));
    set.apply(root, 'freeze', frozen({ username: 'root 2' }));
    assert.equal(set.organization.permanentRootAuthenticators, 1);
    assert.equal(set.refusal(root, 'freeze', frozen({ username: 'root' })), 'last-root-authenticator');
    set.apply(root, 'unfreeze', frozen({ username: 'root 2' }));
    assert.equal(set.organization.permanentRootAuthenticators, 2);
  });

  it('of the organization lets only what takes rights away pass, until a root user ends it', () => {
    const set = founded();
    const params = added(plainUser('new', [keypair(keyOf('new'))]));
    assert.equal(set.refusal(user, 'freeze', frozen()), 'root-required');
    set.apply(root, 'freeze', frozen());
    assert.equal(set.refusal(root, 'addUserToOrganization', params), 'organization-frozen');
    assert.equal(
      set.refusal(root, 'createWallet', { organizationId, walletName: 'w' }),
      'organization-frozen',
    );
    assert.equal(set.refusal(root, 'deleteUserFromOrganization', named('user')), 'accepted');
    assert.equal(set.refusal(user, 'unfreeze', frozen()), 'root-required');
    set.apply(root, 'unfreeze', frozen());
    assert.equal(set.refusal(root, 'addUserToOrganization', params), 'accepted');
  });

  it('that stands already changes nothing and still answers', () => {
    const set = founded();
    set.apply(root, 'freeze', frozen());
    assert.deepEqual(set.apply(root, 'freeze', frozen()), { writes: [], counterpart: null, narrowing: true });
  });

  it('names one thing', () => {
    const both = frozen({ username: 'user', walletId: '00000000-0000-8000-8000-000000000000' });
    assert.throws(() => founded().change(root, 'freeze', both), /parameter-invalid|must not stand beside/);
  });
});

describe('a ceiling', () => {
  const native = { surface: 'native' } as const;
  const bounded = (actions: readonly string[]) => ({ actions });

  it('is set at registration, and a key below it is no permanent root key', () => {
    const set = founded();
    const key = proven(keyOf('low'), 'root', { ceiling: bounded(['signTransaction']) });
    set.apply(root, 'createAuthenticator', register('root', key), native);
    assert.equal(set.organization.permanentRootAuthenticators, 1);
    assert.equal(
      set.refusal(keyOf('low'), 'createAuthenticator', register('root', key), native),
      'policy-denied',
    );
  });

  it('goes on to the keys that its key registers, and can only get lower there', () => {
    const set = founded();
    const actions = ['signTransaction', 'createAuthenticator'];
    const first = proven(keyOf('first'), 'user', { ceiling: bounded(actions) });
    set.apply(root, 'createAuthenticator', register('user', first), native);
    const second = proven(keyOf('second'), 'user', { ceiling: bounded(['signTransaction', 'exportWallet']) });
    const { writes } = set.apply(keyOf('first'), 'createAuthenticator', register('user', second), native);
    const leaf = writes.find(({ leaf }) => leaf?.leaf === 'authenticator')?.leaf;
    assert.deepEqual(leaf?.leaf === 'authenticator' && leaf.ceiling.actions, ['signTransaction']);
  });
});

describe('the ceiling of the key that stamps', () => {
  const low = keyOf('low');
  const next = keyOf('next');

  /** Another key of the root user, below a ceiling; `others` register keys of the user `wide` and `narrow`. */
  const below = (ceiling: object) => {
    const set = founded();
    for (const [name, more] of [
      ['wide', {}],
      ['narrow', { ceiling: { actions: ['signTransaction'], approvals: 1 } }],
    ] as const)
      set.apply(
        root,
        'addUserToOrganization',
        added(plainUser(name, [proven(keyOf(name), name, { expiresInMs: 60_000, ...more })])),
        { surface: 'native' },
      );
    set.apply(root, 'createAuthenticator', register('root', keypair(low)));
    set.leaves.set(hexEncode(authenticatorLeafKey(keyHashOf(algorithmEd25519, low.publicKey))), {
      ...set.authenticator(low)!,
      leaf: 'authenticator',
      ceiling: { actions: undefined, wallets: undefined, approvals: 0, ...ceiling },
    });
    return set;
  };
  const consent: Approval = {
    identity: new Uint8Array(32),
    keyHash: new Uint8Array(32).fill(9),
    username: 'another root',
    root: true,
  };
  const agreed = { approvals: [consent] };

  it('bounds the keys that a root key registers, for whomever and with whatever ceiling it asks', () => {
    const actions = ['createAuthenticator', 'addUserToOrganization'];
    for (const username of ['root', 'user']) {
      const set = below({ actions, approvals: 1 });
      set.apply(low, 'createAuthenticator', register(username, keypair(next)), agreed);
      assert.deepEqual(set.authenticator(next)?.ceiling, { actions, wallets: undefined, approvals: 1 });
    }
    const set = below({ actions, approvals: 1 });
    const lasting = set.organization.permanentRootAuthenticators;
    const wider = proven(next, 'new', { ceiling: { actions: ['createAuthenticator', 'exportWallet'] } });
    const user = { username: 'new', policy: { type: 'ROOT' }, authenticators: [wider] };
    set.apply(low, 'addUserToOrganization', added(user), { surface: 'native', ...agreed });
    assert.deepEqual(set.authenticator(next)?.ceiling, {
      actions: ['createAuthenticator'],
      wallets: undefined,
      approvals: 1,
    });
    assert.equal(set.organization.permanentRootAuthenticators, lasting);

    const control = below({});
    control.apply(low, 'createAuthenticator', register('root', keypair(next)));
    assert.equal(control.authenticator(next)?.ceiling.actions, undefined);
  });

  it('goes on through keys of keys: no chain of registrations leads out of it', () => {
    const set = below({ actions: ['createAuthenticator', 'signTransaction'] });
    let by = low;
    for (let step = 0; step < 4; step += 1) {
      const key = keyOf(`step ${step}`);
      set.apply(by, 'createAuthenticator', register('root', keypair(key)));
      assert.deepEqual(set.authenticator(key)?.ceiling.actions, ['createAuthenticator', 'signTransaction']);
      by = key;
    }
  });

  it('makes nobody root whose keys reach further', () => {
    const call = (username: string) =>
      ['updateUserInOrganization', { ...named(username), newPolicy: { type: 'ROOT' } }] as const;
    const actions = ['updateUserInOrganization'];
    assert.equal(below({ actions }).refusal(low, ...call('wide')), 'policy-denied');
    assert.equal(below({ actions }).refusal(low, ...call('narrow')), 'policy-denied');
    assert.equal(
      below({ actions: [...actions, 'signTransaction'] }).refusal(low, ...call('narrow')),
      'accepted',
    );
    assert.equal(
      below({ actions: [...actions, 'signTransaction'] }).refusal(low, ...call('wide')),
      'policy-denied',
    );
    // A key that needs no approvals is wider than one that does.
    assert.equal(below({ approvals: 1 }).refusal(low, ...call('wide'), agreed), 'policy-denied');
    assert.equal(below({ approvals: 1 }).refusal(low, ...call('narrow'), agreed), 'accepted');
    assert.equal(below({}).refusal(low, ...call('wide')), 'accepted');
    // What takes rights away needs no wider ceiling.
    const demotes = [
      'updateUserInOrganization',
      { ...named('wide'), newPolicy: { type: 'CEL', preset: 'DENY_ALL' } },
    ] as const;
    assert.equal(below({ actions }).refusal(low, ...demotes), 'accepted');
  });

  it('keeps no key alive that reaches further, and can end each', () => {
    const actions = ['updateAuthenticator'];
    const expiry = (set: AuthoritySet, name: string, expiresInMs: number) =>
      set.refusal(
        low,
        'updateAuthenticator',
        {
          ...ofKey(name, set.idOf(keyOf(name))),
          authenticator: { expiresInMs },
        },
        { surface: 'native' },
      );
    assert.equal(expiry(below({ actions }), 'wide', 120_000), 'policy-denied');
    assert.equal(expiry(below({ actions }), 'wide', 30_000), 'accepted');
    assert.equal(expiry(below({ actions: [...actions, 'signTransaction'] }), 'narrow', 120_000), 'accepted');
    assert.equal(expiry(below({}), 'wide', 120_000), 'accepted');
    // Nor is one that has ended brought back.
    const later = below({ actions });
    const revive = ofKey('wide', later.idOf(keyOf('wide')), { authenticator: { expiresInMs: 1000 } });
    const after = { surface: 'native', time: time + 90_000 } as const;
    assert.equal(later.refusal(low, 'updateAuthenticator', revive, after), 'policy-denied');
    assert.equal(below({}).refusal(low, 'updateAuthenticator', revive, after), 'accepted');
  });

  it('lets no other organization do with a wallet what the key may not do itself', () => {
    const wallet = (set: AuthoritySet) => {
      const { writes } = set.apply(root, 'createWallet', { organizationId, walletName: 'W' }, { made });
      const [{ leaf }] = writes;
      assert.ok(leaf?.leaf === 'wallet');
      return leaf.walletId;
    };
    const of = (ceiling: object, method: string, more: object = {}) => {
      const set = below(ceiling);
      const params = {
        ownerOrganizationId: organizationId,
        targetOrganizationId: otherOrganizationId,
        walletId: formatUuid(wallet(set)),
      };
      return set.refusal(low, method, { ...params, ...more }, agreed);
    };
    const give = (ceiling: object, ...scopes: string[]) =>
      of(ceiling, 'grantOrganizationAccess', { policy: { version: 'v0', scopes } });
    const granting = 'grantOrganizationAccess';
    const everything = [
      'signUtf8Message',
      'signRawPayload',
      'signTransaction',
      'ethereumSignMessage',
      'ethereumSignTypedData',
      'exportWallet',
    ];
    assert.equal(give({ actions: [granting] }, 'signatureTransaction'), 'policy-denied');
    assert.equal(give({ actions: [granting, 'signTransaction'] }, 'signatureTransaction'), 'accepted');
    assert.equal(
      give({ actions: [granting, 'signTransaction'] }, 'signatureTransaction', 'exportWallet'),
      'policy-denied',
    );
    assert.equal(give({ actions: [granting, 'signUtf8Message'] }, 'signaturePayload'), 'policy-denied');
    assert.equal(give({ actions: [granting, ...everything] }, 'owner'), 'accepted');
    for (const missing of everything) {
      const actions = [granting, ...everything.filter((method) => method !== missing)];
      assert.equal(give({ actions }, 'owner'), 'policy-denied');
    }
    // Approvals were given to this very grant.
    assert.equal(give({ approvals: 1 }, 'owner'), 'accepted');
    // Rules of version v1 are bounded by their scopes: `owner` where the preset is ALLOW_ALL.
    const rules = (preset: string) => ({
      policy: { version: 'v1', preset, rootAccess: { type: 'NONE' } },
    });
    assert.equal(of({ actions: [granting] }, granting, rules('ALLOW_ALL')), 'policy-denied');
    assert.equal(of({ actions: [granting] }, granting, rules('DENY_ALL')), 'accepted');

    const transferring = 'transferOrganizationWallet';
    assert.equal(of({ actions: [transferring] }, transferring), 'policy-denied');
    assert.equal(of({ actions: [transferring, ...everything] }, transferring), 'accepted');
    assert.equal(of({}, transferring), 'accepted');
  });

  it('names no guardians, who could make a root key without one', () => {
    const guardian = (set: AuthoritySet) => {
      set.apply(root, 'addUserToOrganization', added(plainUser('guardian', [keypair(keyOf('guardian'))])));
      return { organizationId, guardians: ['guardian'], threshold: 1 };
    };
    const named = (ceiling: object) => {
      const set = below(ceiling);
      const options = { surface: 'native', ...agreed } as const;
      return set.refusal(low, 'updateGuardians', guardian(set), options);
    };
    assert.equal(named({ actions: ['updateGuardians'] }), 'policy-denied');
    assert.equal(named({ approvals: 1 }), 'accepted');
    assert.equal(named({}), 'accepted');
  });
});
