/**
 * Guardians against the organization that they guard (spec/guardians.md): a deployment in one process whose host, and
 * where a test says so whose policy engine, is the attacker. Each refusal has its control: the same without its fault.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import * as p256 from '@keystead/crypto/p256';
import { algorithmEd25519 } from '@keystead/protocol/authority';
import { RawRequest } from '@keystead/protocol/frames';
import { AuthorityEvidence } from '@keystead/protocol/receipt';
import {
  contentDigest,
  possessionMessage,
  signatureBase,
  signatureParameters,
} from '@keystead/protocol/stamp';
import { HostileWorld, idBytes, keypair, root, stranger } from './hostile-world.ts';
import { forgeEntry, useWithPolicyKeys } from './stolen-keys.ts';

const HOUR = 3_600_000;
const DELAY = 72 * HOUR;
const anna = new Uint8Array(32).fill(21);
const ben = new Uint8Array(32).fill(22);
const cara = new Uint8Array(32).fill(23);
const heir = new Uint8Array(32).fill(24);
const guardians: Readonly<Record<string, Uint8Array>> = { anna, ben, cara };

interface State {
  readonly recoveries: number;
  readonly open?: { readonly recovery: number; readonly completesAtMs: string };
}

/** An organization with one root key, which three users guard, two of whom have to agree. */
class Guarded {
  readonly world: HostileWorld;
  organizationId = '';

  private constructor(options: ConstructorParameters<typeof HostileWorld>[0]) {
    this.world = new HostileWorld(options);
  }

  static async of(options: ConstructorParameters<typeof HostileWorld>[0] = {}): Promise<Guarded> {
    const scene = new Guarded(options);
    ({ organizationId: scene.organizationId } = await scene.world.tenant());
    for (const [name, seed] of Object.entries(guardians)) await scene.addUser(name, [keypair('key', seed)]);
    await scene.guardedBy(Object.keys(guardians));
    return scene;
  }

  addUser(username: string, authenticators: readonly object[], more: object = {}): Promise<unknown> {
    const policy = { type: 'CEL', preset: 'LEGACY_USER_ROLE' };
    return this.asRoot('addUserToOrganization', { user: { username, policy, authenticators, ...more } });
  }

  asRoot<T>(method: string, params: object): Promise<T> {
    const { world, organizationId } = this;
    return world.done<T>(world.call(method, { organizationId, ...params }));
  }

  guardedBy(names: readonly string[], threshold = 2, delayMs = DELAY): Promise<unknown> {
    return this.asRoot('updateGuardians', { guardians: names, threshold, delayMs });
  }

  /** The new root user, with the proof of its key. */
  user(username = 'heir', seed = heir): object {
    const publicKey = ed25519.publicKey(seed);
    const message = possessionMessage({
      deployment: this.world.contexts.policy.deploymentId,
      organization: idBytes(this.organizationId),
      username,
      algorithm: algorithmEd25519,
      publicKey,
    });
    const proof = base64urlEncode(ed25519.sign(seed, message));
    return { username, policy: { type: 'ROOT' }, authenticators: [{ ...keypair('key', seed), proof }] };
  }

  request(method: string, params: object, by: Uint8Array, approvals?: readonly string[]): RawRequest {
    const { organizationId } = this;
    // A second of their own keeps requests apart that are equal but for their nonce.
    this.world.now += 1000;
    return this.world.nativeCall(
      method,
      { organizationId, ...params },
      by,
      approvals === undefined ? {} : { approvals },
    );
  }

  done<T>(...asked: Parameters<Guarded['request']>): Promise<T> {
    return this.world.done<T>(this.request(...asked));
  }

  async code(...asked: Parameters<Guarded['request']>): Promise<string | undefined> {
    return (await this.world.refused(this.request(...asked))).code;
  }

  /** Opens the subject of a request of the first guardian, and gives what the others stamp to agree. */
  async agreed(params: object, by: readonly Uint8Array[], first = anna): Promise<string[]> {
    const { body } = await this.world.submit(this.request('startRecovery', params, first));
    const { code, subject } = body as { code?: string; subject?: string };
    assert.equal(code, 'approval-required', JSON.stringify(body));
    const approvals: string[] = [];
    for (const seed of by) {
      const raw = this.request('approve', { subject, verdict: 'approve', expiresInMs: 168 * HOUR }, seed);
      await this.world.done(raw);
      approvals.push(base64urlEncode(RawRequest.encode(raw)));
    }
    return approvals;
  }

  /** Two guardians begin a recovery. */
  async start(recovery = 1, user = this.user()): Promise<State> {
    const params = { recovery, user };
    return this.done('startRecovery', params, anna, await this.agreed(params, [ben]));
  }

  complete(recovery = 1, by: Uint8Array = cara, user = this.user()): [string, object, Uint8Array] {
    return ['completeRecovery', { recovery, user }, by];
  }

  async completes(...given: Parameters<Guarded['complete']>): Promise<void> {
    await this.done(...this.complete(...given));
    await this.assertHeirIsRoot();
  }

  /** The new root does what only a root can. */
  async assertHeirIsRoot(): Promise<void> {
    await this.done('updateOrganization', { rootThreshold: 1 }, heir);
    assert.equal(await this.code('updateOrganization', { rootThreshold: 1 }, anna), 'policy-denied');
  }

  refusal(...given: Parameters<Guarded['complete']>): Promise<string | undefined> {
    return this.code(...this.complete(...given));
  }
}

describe('guardians', () => {
  it('bring an organization back after the delay, and not a millisecond before', async () => {
    const scene = await Guarded.of();
    const { open } = await scene.start();
    const completesAt = Date.parse(open!.completesAtMs);
    scene.world.now = completesAt - 1001;
    assert.equal(await scene.refusal(), 'recovery-too-early');
    // The request moves the clock by the second that is left.
    scene.world.now = completesAt - 1000;
    await scene.completes();
    assert.equal(await scene.refusal(), 'recovery-not-open');
  });

  it('cannot begin when too few of them agree, whoever else does', async () => {
    const scene = await Guarded.of();
    const params = { recovery: 1, user: scene.user() };
    await scene.addUser('dora', [keypair('key', stranger)]);
    assert.equal(await scene.code('startRecovery', params, anna), 'approval-required');
    // The guardian herself, with her second key, a user who is no guardian, and a root do not count.
    const second: Uint8Array = new Uint8Array(32).fill(31);
    await scene.asRoot('createAuthenticator', { username: 'anna', authenticator: keypair('two', second) });
    const approvals = await scene.agreed(params, [stranger, second, root]);
    assert.equal(await scene.code('startRecovery', params, anna, approvals), 'approval-required');
    // Whoever is no guardian begins none, and what was agreed to for a guardian serves nobody else.
    for (const other of [stranger, root]) {
      assert.equal(await scene.code('startRecovery', params, other), 'guardian-required');
      assert.equal(await scene.code('startRecovery', params, other, approvals), 'approval-invalid');
    }
    const enough = await scene.agreed(params, [cara]);
    await scene.done('startRecovery', params, anna, [...approvals, ...enough]);
  });

  it('count once, whichever twin of a P-256 signature carries their consent', async () => {
    const scene = await Guarded.of();
    const seed = new Uint8Array(32).fill(41);
    const publicKey = p256.publicKey(seed);
    const authenticator = {
      authenticatorName: 'key',
      authenticatorKind: 'keypair',
      algorithm: 'Secp256r1',
      publicKey: base64urlEncode(publicKey),
    };
    await scene.addUser('paula', [authenticator]);
    await scene.guardedBy(['anna', 'ben', 'paula'], 3);
    const params = { recovery: 1, user: scene.user() };
    await scene.agreed(params, []);
    const { subject } = (await scene.world.submit(scene.request('startRecovery', params, anna))).body as {
      subject: string;
    };
    const approval = approvalByP256(scene, seed, subject);
    const twin = withTwin(approval);
    await scene.world.done(approval);
    await scene.world.submit(twin);
    const encoded = [approval, twin].map((raw) => base64urlEncode(RawRequest.encode(raw)));
    assert.equal(await scene.code('startRecovery', params, anna, encoded), 'approval-invalid');
    assert.equal(await scene.code('startRecovery', params, anna, encoded.slice(0, 1)), 'approval-required');
    const other = await scene.agreed(params, [ben]);
    await scene.done('startRecovery', params, anna, [encoded[0]!, ...other]);
  });

  it('cannot go on with what a root key or one of them has cancelled, nor begin it again by the old consent', async () => {
    for (const by of [root, cara]) {
      const scene = await Guarded.of();
      const params = { recovery: 1, user: scene.user() };
      const approvals = await scene.agreed(params, [ben]);
      await scene.done('startRecovery', params, anna, approvals);
      assert.equal(await scene.code('startRecovery', { ...params, recovery: 2 }, anna), 'recovery-open');
      assert.equal(await scene.code('cancelRecovery', { recovery: 2 }, by), 'recovery-not-open');
      await scene.done('cancelRecovery', { recovery: 1 }, by);
      scene.world.now += DELAY;
      assert.equal(await scene.refusal(), 'recovery-not-open');
      assert.equal(await scene.code('startRecovery', params, anna, approvals), 'parameter-invalid');
      const again = { ...params, recovery: 2 };
      assert.equal(await scene.code('startRecovery', again, anna, approvals), 'approval-invalid');
      // With new consent it begins.
      await scene.start(2);
      scene.world.now += DELAY;
      await scene.completes(2);
    }
  });

  it('cannot have a stranger cancel: only who is root or guardian stops them', async () => {
    const scene = await Guarded.of();
    await scene.addUser('dora', [keypair('key', stranger)]);
    await scene.start();
    assert.equal(await scene.code('cancelRecovery', { recovery: 1 }, stranger), 'guardian-required');
    scene.world.now += DELAY;
    assert.equal(await scene.refusal(1, stranger), 'guardian-required');
    await scene.completes();
  });

  it('count at the end only as far as they are guardians then, by the threshold and delay of then', async () => {
    const changes: [string, (scene: Guarded) => Promise<unknown>][] = [
      ['guardian-required', (scene) => scene.guardedBy(['anna', 'cara'])],
      ['guardian-required', (scene) => scene.guardedBy(['anna', 'ben', 'cara'], 3)],
      ['guardian-required', (scene) => scene.asRoot('freeze', { username: 'ben' })],
      ['guardian-required', (scene) => scene.guardedBy([], 1)],
      ['recovery-too-early', (scene) => scene.guardedBy(['anna', 'ben', 'cara'], 2, DELAY + HOUR)],
    ];
    for (const [code, change] of changes) {
      const scene = await Guarded.of();
      await scene.start();
      await change(scene);
      scene.world.now += DELAY;
      assert.equal(await scene.refusal(), code);
      await scene.asRoot('unfreeze', { username: 'ben' });
      await scene.guardedBy(['anna', 'ben', 'cara']);
      await scene.completes();
    }
    // A shorter delay shortens no recovery that runs already.
    const scene = await Guarded.of();
    await scene.start();
    await scene.guardedBy(['anna', 'ben', 'cara'], 2, 48 * HOUR);
    scene.world.now += 49 * HOUR;
    assert.equal(await scene.refusal(), 'recovery-too-early');
    scene.world.now += 24 * HOUR;
    await scene.completes();
  });

  it('complete what was agreed to, for nobody else, and not when its time is over', async () => {
    const scene = await Guarded.of();
    await scene.start();
    scene.world.now += DELAY;
    assert.equal(await scene.refusal(1, cara, scene.user('heir', cara)), 'parameter-invalid');
    assert.equal(await scene.refusal(1, cara, scene.user('other')), 'parameter-invalid');
    assert.equal(
      await scene.refusal(1, cara, { ...scene.user(), traits: { operator: 'me' } }),
      'parameter-invalid',
    );
    assert.equal(await scene.refusal(2), 'recovery-not-open');
    scene.world.now += 30 * 24 * HOUR;
    assert.equal(await scene.refusal(), 'recovery-not-open');
    // What is over is out of the way of the next one.
    await scene.start(2);
    scene.world.now += DELAY;
    await scene.completes(2);
  });

  it('act in their own organization only', async () => {
    const scene = await Guarded.of();
    const { world } = scene;
    const other = await world.tenant(stranger);
    const params = { organizationId: other.organizationId, recovery: 1, user: scene.user() };
    assert.equal(
      (await world.refused(world.nativeCall('startRecovery', params, anna))).code,
      'authenticator-unknown',
    );
    // Registered there as a user, a guardian of here is nobody's guardian there; their consent of here is none there.
    const add = (username: string, seed: Uint8Array) =>
      world.done(
        world.call(
          'addUserToOrganization',
          {
            organizationId: other.organizationId,
            user: {
              username,
              policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
              authenticators: [keypair('key', seed)],
            },
          },
          stranger,
        ),
      );
    await add('anna', anna);
    await add('ben', ben);
    assert.equal(
      (await world.refused(world.nativeCall('startRecovery', params, anna))).code,
      'guardian-required',
    );
    await world.done(
      world.call(
        'updateGuardians',
        { organizationId: other.organizationId, guardians: ['anna', 'ben'], threshold: 2 },
        stranger,
      ),
    );
    const approvals = await scene.agreed({ recovery: 1, user: scene.user() }, [ben]);
    world.now += 1000;
    const carried = world.nativeCall('startRecovery', params, anna, { approvals });
    assert.equal((await world.refused(carried)).code, 'approval-invalid');
    await scene.done('startRecovery', { recovery: 1, user: scene.user() }, anna, approvals);
  });

  it('reach an organization that was frozen before its last root key was lost, and it stays frozen', async () => {
    const scene = await Guarded.of();
    await scene.asRoot('freeze', {});
    await scene.start();
    scene.world.now += DELAY;
    await scene.done(...scene.complete());
    assert.equal(await scene.code('updateOrganization', { rootThreshold: 1 }, heir), 'organization-frozen');
    await scene.done('unfreeze', {}, heir);
    await scene.assertHeirIsRoot();
  });

  it('give as many root keys as have to agree to a change, and no fewer', async () => {
    const scene = await Guarded.of();
    await scene.addUser('second', [keypair('key', stranger)], { policy: { type: 'ROOT' } });
    await scene.asRoot('updateOrganization', { rootThreshold: 2 });
    const one = { recovery: 1, user: scene.user() };
    assert.equal(await scene.code('startRecovery', one, anna), 'parameter-invalid');
    const [first] = (scene.user() as { authenticators: object[] }).authenticators;
    const [next] = (scene.user('heir', new Uint8Array(32).fill(25)) as { authenticators: object[] })
      .authenticators;
    const user = { ...scene.user(), authenticators: [first, next] };
    await scene.agreed({ recovery: 1, user }, [ben]);
  });
});

describe('who may be a guardian', () => {
  it('is a user without ROOT and without an end, with a key and a policy that can act; and cannot be deleted', async () => {
    const scene = await Guarded.of();
    const { world, organizationId } = scene;
    const refusedFor = async (username: string) => {
      const params = { organizationId, guardians: ['anna', username], threshold: 1 };
      const { code, detail } = await world.refused(world.call('updateGuardians', params));
      return code === 'parameter-invalid' ? detail : code;
    };
    const seedOf = (fill: number) => new Uint8Array(32).fill(fill);
    await scene.addUser('keyless', []);
    await scene.addUser('brief', [keypair('key', seedOf(51))], { expiresInMs: 100 * HOUR });
    await scene.addUser('fading', [{ ...keypair('key', seedOf(52)), expiresInMs: 100 * HOUR }]);
    await scene.addUser('denied', [keypair('key', seedOf(53))], {
      policy: { type: 'CEL', preset: 'DENY_ALL' },
    });
    assert.equal(await refusedFor('nobody'), 'user-not-found');
    assert.match((await refusedFor('root'))!, /root user/);
    assert.match((await refusedFor('keyless'))!, /no key/);
    assert.match((await refusedFor('brief'))!, /expires/);
    assert.match((await refusedFor('fading'))!, /no key/);
    assert.match((await refusedFor('denied'))!, /policy does not allow/);
    const leaving = () => world.call('deleteUserFromOrganization', { organizationId, username: 'ben' });
    assert.equal((await world.refused(leaving())).code, 'user-is-guardian');
    await scene.guardedBy(['anna', 'cara']);
    await world.done(leaving());
  });

  it('is for root keys to say, as many of them as have to agree', async () => {
    const scene = await Guarded.of();
    const fewer = { guardians: ['anna'], threshold: 1 };
    assert.equal(await scene.code('updateGuardians', fewer, anna), 'policy-denied');
    await scene.addUser('second', [keypair('key', stranger)], { policy: { type: 'ROOT' } });
    await scene.asRoot('updateOrganization', { rootThreshold: 2 });
    assert.equal(await scene.code('updateGuardians', fewer, root), 'approval-required');
    const { body } = await scene.world.submit(scene.request('updateGuardians', fewer, root));
    const { subject } = body as { subject: string };
    const approval = scene.request('approve', { subject, verdict: 'approve', expiresInMs: HOUR }, stranger);
    await scene.world.done(approval);
    await scene.done('updateGuardians', fewer, root, [base64urlEncode(RawRequest.encode(approval))]);
  });
});

describe('a recovery against a hostile deployment', () => {
  it('row 12: no clock that jumps ahead ends the delay early, neither of one role nor across a restart', async () => {
    const scene = await Guarded.of({ settings: { largestClockJump: 24 * HOUR } });
    const { world } = scene;
    await scene.start();
    const early = world.now;
    // The policy engine alone is of the future: the certifier takes no entry from there.
    world.skew.policy = DELAY;
    assert.notEqual((await world.submit(scene.request(...scene.complete()))).status, 200);
    world.skew.policy = 0;
    // The clock of the whole machine, across a restart: the certifier asks the operator.
    world.now = early + DELAY;
    world.restart();
    assert.equal(await world.answerTo(scene.request(...scene.complete())), undefined);
    assert.ok(world.logged.some(({ event }) => event === 'operator-needed'));
    world.now = early + 60_000;
    world.restart();
    assert.equal(await scene.refusal(), 'recovery-too-early');
    // The control: three days that really pass, for a certifier that was told so.
    const { certifier } = world.contexts;
    world.contexts.certifier = {
      ...certifier,
      settings: { ...certifier.settings, largestClockJump: 0 },
    };
    world.now = early + DELAY;
    world.restart();
    await scene.completes();
  });

  it('row 23: a fallen policy engine alone hands nothing over: not early, not by too few, not after a cancellation', async () => {
    const scene = await Guarded.of();
    const { world, organizationId } = scene;
    const tenant = { organizationId, wallet: { walletId: organizationId, accounts: [] } };
    /** The policy engine writes what it likes about a request that a guardian really stamped. */
    const forged = async (raw: RawRequest) => {
      const head = world.headOf(organizationId);
      // What it claims of the set has to be other than before: its own root stands for a hand-over here.
      const roots = { before: head.authority, after: new Uint8Array(32).fill(1) };
      const { encoded } = forgeEntry(raw, tenant, { head, now: world.now, roots });
      const evidence = AuthorityEvidence.encode({
        entry: encoded,
        request: RawRequest.encode(raw),
        witness: [...world.nodes.values()],
      });
      return (await useWithPolicyKeys(world, tenant, raw, { roots, evidence })).refused;
    };
    const params = { recovery: 1, user: scene.user() };
    assert.equal(await forged(scene.request('startRecovery', params, anna)), 'approval-required');
    const approvals = await scene.agreed(params, [ben]);
    await scene.done('startRecovery', params, anna, approvals);
    assert.equal(await forged(scene.request(...scene.complete())), 'recovery-too-early');
    await scene.done('cancelRecovery', { recovery: 1 }, root);
    world.now += DELAY;
    assert.equal(await forged(scene.request(...scene.complete())), 'recovery-not-open');
    assert.equal(await forged(scene.request('startRecovery', params, anna, approvals)), 'parameter-invalid');
    const second = { ...params, recovery: 2 };
    assert.equal(await forged(scene.request('startRecovery', second, anna, approvals)), 'approval-invalid');
    // The control: with the consent of two, and the delay, the certifier judges the same request as the engine does.
    await scene.start(2);
    world.now += DELAY;
    assert.equal(await forged(scene.request(...scene.complete(2))), 'authority-writes');
    await scene.completes(2);
  });

  it('replays of a beginning and of an end change nothing', async () => {
    const scene = await Guarded.of();
    const { world } = scene;
    const params = { recovery: 1, user: scene.user() };
    const approvals = await scene.agreed(params, [ben]);
    const beginning = scene.request('startRecovery', params, anna, approvals);
    const begun = await world.done<State>(beginning);
    await scene.done('cancelRecovery', { recovery: 1 }, root);
    // The identical bytes get the identical answer, and begin nothing.
    assert.deepEqual(await world.done<State>(beginning), begun);
    assert.equal((await scene.done<State>('getRecovery', {}, root)).open, undefined);
    world.now += DELAY;
    assert.equal((await world.refused(beginning)).code, 'stamp-expired');
    assert.equal(await scene.refusal(), 'recovery-not-open');
  });
});

/** An `approve` by a P-256 key. */
function approvalByP256({ world, organizationId }: Guarded, seed: Uint8Array, subject: string): RawRequest {
  world.now += 1000;
  const params = { organizationId, subject, verdict: 'approve', expiresInMs: HOUR };
  const body = new Uint8Array(Buffer.from(JSON.stringify({ method: 'approve', params })));
  const created = Math.floor(world.now / 1000);
  const parameters = signatureParameters({
    created,
    expires: created + 60,
    nonce: 'p'.repeat(16),
    algorithm: 'ecdsa-p256-sha256',
    publicKey: p256.publicKey(seed),
  });
  const fields = {
    path: '/v1/rpc',
    deployment: base64urlEncode(world.contexts.policy.deploymentId),
    origin: 'none',
    seen: 'none',
  };
  const signature = p256.sign(seed, signatureBase({ ...fields, body, parameters }));
  return {
    ...world.nativeCall('approve', params, anna),
    ...fields,
    signatureInput: `keystead=${parameters}`,
    signature: `keystead=:${Buffer.from(signature).toString('base64')}:`,
    contentDigest: contentDigest(body),
    body,
  };
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other signature that verifies wherever this one does: (r, n - s). */
function withTwin(raw: RawRequest): RawRequest {
  const bytes = Buffer.from(raw.signature!.slice('keystead=:'.length, -1), 'base64');
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  bytes.set(Buffer.from((ORDER - s).toString(16).padStart(64, '0'), 'hex'), 32);
  return { ...raw, signature: `keystead=:${bytes.toString('base64')}:` };
}
