/** Consent and cancellation under concurrency: what is agreed to once is signed once (spec/approval.md). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { encodeUnsignedTransaction, type EthereumTransaction } from '@keystead/chains/ethereum/transaction';
import { algorithmEd25519 } from '@keystead/protocol/authority';
import { RawRequest } from '@keystead/protocol/frames';
import { AuthorityEvidence } from '@keystead/protocol/receipt';
import { possessionMessage } from '@keystead/protocol/stamp';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { HostileWorld, idBytes, keypair, member, root, solana, type Tenant } from './hostile-world.ts';
import { forgeEntry, useWithPolicyKeys } from './stolen-keys.ts';

const approver = new Uint8Array(32).fill(81);
const HOUR = 3_600_000;
const AT_ONCE = 8;

/** Every payment of a member takes the consent of somebody else. */
class Agreed {
  readonly world = new HostileWorld();
  tenant!: Tenant;

  static async of(): Promise<Agreed> {
    const agreed = new Agreed();
    const { world } = agreed;
    agreed.tenant = await world.tenant();
    const { organizationId } = agreed.tenant;
    await world.addMember(organizationId);
    const user = {
      username: 'approver',
      policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
      authenticators: [keypair('a', approver)],
    };
    await world.done(world.call('addUserToOrganization', { organizationId, user }));
    const policy = {
      version: 1,
      rules: [
        { id: 'two', effect: 'allow', on: ['sign-transaction'], when: { constant: true }, approvals: 1 },
      ],
    };
    await world.done(world.call('updatePolicy', { organizationId, policyName: 'two', policy }));
    return agreed;
  }

  /** A payment whose blockhash no other has, under a stamp of its own. */
  payment(lamports: number, to: PublicKey, approvals?: readonly string[]): RawRequest {
    const { organizationId, wallet } = this.tenant;
    const account = wallet.accounts.find(({ derivationPath }) => derivationPath === solana.derivationPath)!;
    const from = new PublicKey(account.address);
    const transaction = new Transaction({
      feePayer: from,
      recentBlockhash: Keypair.generate().publicKey.toBase58(),
    })
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    const params = {
      organizationId,
      walletId: wallet.walletId,
      chain: 'solana',
      transaction: transaction.toString('base64url'),
      derivationInfo: solana,
    };
    return this.world.nativeCall(
      'signTransaction',
      params,
      member,
      approvals === undefined ? {} : { approvals },
    );
  }

  async subjectOf(lamports: number, to: PublicKey): Promise<string> {
    const { body } = await this.world.submit(this.payment(lamports, to));
    const { code, subject } = body as { code?: string; subject?: string };
    assert.equal(code, 'approval-required', JSON.stringify(body));
    return subject!;
  }

  verdict(subject: string, verdict: 'approve' | 'reject'): RawRequest {
    const { organizationId } = this.tenant;
    const params = { organizationId, subject, verdict, expiresInMs: HOUR };
    return this.world.nativeCall('approve', params, approver);
  }

  async approved(lamports: number, to: PublicKey): Promise<string[]> {
    const raw = this.verdict(await this.subjectOf(lamports, to), 'approve');
    await this.world.done(raw);
    return [base64urlEncode(RawRequest.encode(raw))];
  }

  async codes(raws: readonly RawRequest[]): Promise<string[]> {
    const answers = await Promise.all(raws.map((raw) => this.world.submit(raw)));
    return answers
      .map(({ status, body }) => (status === 200 ? 'done' : String((body as { code?: string }).code)))
      .sort();
  }
}

const someone = () => Keypair.generate().publicKey;
const times = <T>(make: () => T): T[] => Array.from({ length: AT_ONCE }, make);

describe('consent that is used by several requests at once', () => {
  it('E17: submitting what was agreed to many times at once signs it once', async () => {
    const agreed = await Agreed.of();
    const to = someone();
    const approvals = await agreed.approved(5, to);
    const codes = await agreed.codes(times(() => agreed.payment(5, to, approvals)));
    assert.deepEqual(codes, [...Array(AT_ONCE - 1).fill('approval-invalid'), 'done']);
    assert.equal(await agreed.world.signatureCount(), 1);
    // As many consents as requests sign as many times.
    const others = [someone(), someone()];
    const consents = [await agreed.approved(5, others[0]!), await agreed.approved(5, others[1]!)];
    const both = others.map((other, index) => agreed.payment(5, other, consents[index]));
    assert.deepEqual(await agreed.codes(both), ['done', 'done']);
  });

  it('E17: cancelling while it is released ends it or comes too late, and never both', async () => {
    for (const isCancelledFirst of [true, false]) {
      const agreed = await Agreed.of();
      const to = someone();
      const approvals = await agreed.approved(5, to);
      const subject = await agreed.subjectOf(5, to);
      const release = agreed.payment(5, to, approvals);
      const cancel = agreed.verdict(subject, 'reject');
      const codes = await agreed.codes(isCancelledFirst ? [cancel, release] : [release, cancel]);
      assert.deepEqual(
        codes,
        isCancelledFirst ? ['approval-rejected', 'done'] : ['approval-not-found', 'done'],
      );
      assert.equal(await agreed.world.signatureCount(), isCancelledFirst ? 0 : 1);
      const again = await agreed.codes([agreed.payment(5, to, approvals)]);
      assert.deepEqual(again, [isCancelledFirst ? 'approval-rejected' : 'approval-invalid']);
    }
  });

  it('E20: collecting signatures for different transactions under one consent gets one', async () => {
    const agreed = await Agreed.of();
    const to = someone();
    const approvals = await agreed.approved(5, to);
    // The blockhash is bound late: each of these is what was agreed to, and they could all land.
    const sameButBlockhash = times(() => agreed.payment(5, to, approvals));
    const codes = await agreed.codes([
      agreed.payment(6, to, approvals),
      agreed.payment(5, someone(), approvals),
      ...sameButBlockhash,
    ]);
    assert.deepEqual(codes, [...Array(AT_ONCE + 1).fill('approval-invalid'), 'done']);
    assert.equal(await agreed.world.signatureCount(), 1);
    // Consent that is asked for and given again signs again.
    assert.deepEqual(await agreed.codes([agreed.payment(5, to, await agreed.approved(5, to))]), ['done']);
    assert.equal(await agreed.world.signatureCount(), 2);
  });
});

describe('consent to what somebody else asks for', () => {
  const agent = new Uint8Array(32).fill(82);
  const agentsOther = new Uint8Array(32).fill(83);
  const clerk = new Uint8Array(32).fill(84);
  const second = new Uint8Array(32).fill(85);

  /** Users whose every request takes the consent of a root user: the agent has two keys, the clerk one. */
  async function asking() {
    const world = new HostileWorld();
    const tenant = await world.tenant();
    const { organizationId, wallet } = tenant;
    const proven = (seed: Uint8Array, username: string) => {
      const publicKey = ed25519.publicKey(seed);
      const message = possessionMessage({
        deployment: world.contexts.policy.deploymentId,
        organization: idBytes(organizationId),
        username,
        algorithm: algorithmEd25519,
        publicKey,
      });
      return { ...keypair('key', seed), proof: base64urlEncode(ed25519.sign(seed, message)) };
    };
    const add = (username: string, seeds: readonly Uint8Array[], more: object = {}) => {
      const authenticators = seeds.map((seed) => ({ ...proven(seed, username), ...more }));
      const policy = { type: 'CEL', preset: 'ALLOW_ALL' };
      return world.done(
        world.nativeCall('addUserToOrganization', {
          organizationId,
          user: { username, policy, authenticators },
        }),
      );
    };
    await add('agent', [agent, agentsOther], { ceiling: { approvals: 1 } });
    await add('clerk', [clerk], { ceiling: { approvals: 1 } });
    await world.done(
      world.nativeCall('createAuthenticator', {
        organizationId,
        username: 'root',
        authenticator: proven(second, 'root'),
      }),
    );
    const consent = async (asked: RawRequest, by = root): Promise<string[]> => {
      const { body } = await world.submit(asked);
      const { code, subject } = body as { code?: string; subject?: string };
      assert.equal(code, 'approval-required', JSON.stringify(body));
      const params = { organizationId, subject, verdict: 'approve', expiresInMs: HOUR };
      const raw = world.nativeCall('approve', params, by);
      await world.done(raw);
      return [base64urlEncode(RawRequest.encode(raw))];
    };
    const signing = (seed: Uint8Array, approvals?: readonly string[]) =>
      world.nativeCall(
        'signUtf8Message',
        {
          organizationId,
          walletId: wallet.walletId,
          message: 'pay',
          algorithm: 'Ed25519',
          derivationInfo: solana.derivationPath,
        },
        seed,
        approvals === undefined ? {} : { approvals },
      );
    return { world, tenant, proven, consent, signing };
  }

  it('E20: consent to the request of one is none to the same request of another user or another key', async () => {
    const { world, consent, signing } = await asking();
    const approvals = await consent(signing(agent));
    for (const seed of [clerk, agentsOther]) {
      // That it waits, too, and for as long, changes nothing.
      await world.refused(signing(seed));
      assert.equal((await world.refused(signing(seed, approvals))).code, 'approval-invalid');
    }
    await world.done(signing(agent, approvals));
    assert.equal(await world.signatureCount(), 1);
  });

  it('E20: nor with a fallen policy engine: the signer counts consent to the stamping key’s request only', async () => {
    const { world, tenant, consent, signing } = await asking();
    const approvals = await consent(signing(agent));
    for (const seed of [clerk, agentsOther]) {
      const used = await useWithPolicyKeys(world, tenant, signing(seed, approvals));
      assert.equal(used.check, 'ceiling');
      // The signer forgets the head of the attempt before.
      world.now += 31_000;
    }
    const control = await useWithPolicyKeys(world, tenant, signing(agent, approvals));
    assert.equal(control.status, 200);
  });

  it('E20: nor does the certifier count it for a change of the authority set', async () => {
    const { world, tenant, proven, consent } = await asking();
    const { organizationId } = tenant;
    const authenticator = proven(new Uint8Array(32).fill(86), 'clerk');
    const params = { organizationId, username: 'clerk', authenticator };
    await world.done(world.nativeCall('updateOrganization', { organizationId, rootThreshold: 2 }));
    const third = new Uint8Array(32).fill(87);
    const user = { username: 'third', policy: { type: 'ROOT' }, authenticators: [proven(third, 'third')] };
    const adding = (approvals?: readonly string[]) =>
      world.nativeCall(
        'addUserToOrganization',
        { organizationId, user },
        root,
        approvals === undefined ? {} : { approvals },
      );
    await world.done(adding(await consent(adding(), second)));
    const asked = (by: Uint8Array, approvals?: readonly string[]) =>
      world.nativeCall('createAuthenticator', params, by, approvals === undefined ? {} : { approvals });
    const approvals = await consent(asked(root), second);
    /** The policy engine makes an entry of a request that was really stamped. */
    const forged = async (raw: RawRequest) => {
      const head = world.headOf(organizationId);
      const roots = { before: head.authority, after: new Uint8Array(32).fill(1) };
      const { encoded } = forgeEntry(raw, tenant, { head, now: world.now, roots });
      const evidence = AuthorityEvidence.encode({
        entry: encoded,
        request: RawRequest.encode(raw),
        witness: [...world.nodes.values()],
      });
      return (await useWithPolicyKeys(world, tenant, raw, { roots, evidence })).refused;
    };
    assert.equal(await forged(asked(third, approvals)), 'approval-invalid');
    assert.equal(await forged(asked(root)), 'approval-required');
    // The control: the certifier counts it for whom it was given, and judges the forged writes.
    assert.equal(await forged(asked(root, approvals)), 'authority-writes');
    await world.done(asked(root, approvals));
  });
});

describe('consent to an EVM transaction whose nonce and fee are bound late', () => {
  const ethereum = { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' };
  const agent = new Uint8Array(32).fill(88);
  const gas = 21_000n;

  async function asking() {
    const world = new HostileWorld();
    const tenant = await world.tenant();
    const { organizationId, wallet } = tenant;
    const publicKey = ed25519.publicKey(agent);
    const message = possessionMessage({
      deployment: world.contexts.policy.deploymentId,
      organization: idBytes(organizationId),
      username: 'agent',
      algorithm: algorithmEd25519,
      publicKey,
    });
    const proof = base64urlEncode(ed25519.sign(agent, message));
    const user = {
      username: 'agent',
      policy: { type: 'CEL', preset: 'ALLOW_ALL' },
      authenticators: [{ ...keypair('key', agent), proof, ceiling: { approvals: 1 } }],
    };
    await world.done(world.nativeCall('addUserToOrganization', { organizationId, user }));
    const paying = (
      changes: Partial<EthereumTransaction>,
      maximumFee: bigint | null,
      approvals?: readonly string[],
    ) => {
      const transaction = encodeUnsignedTransaction({
        version: 'eip1559',
        chainId: 1n,
        nonce: 7n,
        maxPriorityFeePerGas: 1n,
        maxFeePerGas: 10n,
        gasLimit: gas,
        to: new Uint8Array(20).fill(1),
        value: 5n,
        data: new Uint8Array(0),
        accessList: [],
        authorizationList: [],
        ...changes,
      });
      const params = {
        organizationId,
        walletId: wallet.walletId,
        chain: 'ethereum',
        transaction: base64urlEncode(transaction),
        derivationInfo: ethereum,
        ...(maximumFee === null ? {} : { maximumFee: maximumFee.toString() }),
      };
      return world.nativeCall('signTransaction', params, agent, approvals === undefined ? {} : { approvals });
    };
    const consent = async (asked: RawRequest): Promise<string[]> => {
      const { body } = await world.submit(asked);
      const { code, subject } = body as { code?: string; subject?: string };
      assert.equal(code, 'approval-required', JSON.stringify(body));
      const params = { organizationId, subject, verdict: 'approve', expiresInMs: HOUR };
      const raw = world.nativeCall('approve', params, root);
      await world.done(raw);
      return [base64urlEncode(RawRequest.encode(raw))];
    };
    return { world, tenant, paying, consent };
  }

  const later = { nonce: 9n, maxFeePerGas: 20n, maxPriorityFeePerGas: 3n };

  it('E20: signs it once, with another nonce and other prices, up to the approved fee and no further', async () => {
    const { world, paying, consent } = await asking();
    const cap = 20n * gas;
    const approvals = await consent(paying({}, cap));
    const refused: [string, RawRequest][] = [
      ['parameter-invalid', paying({ ...later, maxFeePerGas: 21n }, cap, approvals)],
      ['approval-invalid', paying({ ...later, maxFeePerGas: 21n }, 21n * gas, approvals)],
      ['approval-invalid', paying({ ...later, to: new Uint8Array(20).fill(2) }, cap, approvals)],
      ['approval-invalid', paying({ ...later, value: 6n }, cap, approvals)],
      ['approval-invalid', paying({ ...later, chainId: 11_155_111n }, cap, approvals)],
      ['approval-invalid', paying({ ...later, gasLimit: gas + 1n, maxFeePerGas: 10n }, cap, approvals)],
      ['approval-invalid', paying({ ...later, maxFeePerGas: 10n }, null, approvals)],
    ];
    for (const [code, raw] of refused) assert.equal((await world.refused(raw)).code, code);
    await world.done(paying(later, cap, approvals));
    assert.equal(
      (await world.refused(paying({ ...later, nonce: 10n }, cap, approvals))).code,
      'approval-invalid',
    );
    assert.equal(await world.signatureCount(), 1);
  });

  it('E20: leaves nothing open where no fee was approved', async () => {
    const { world, paying, consent } = await asking();
    const approvals = await consent(paying({}, null));
    for (const changes of [{ nonce: 8n }, { maxFeePerGas: 9n }])
      assert.equal((await world.refused(paying(changes, null, approvals))).code, 'approval-invalid');
    await world.done(paying({}, null, approvals));
  });

  it('E20: together with a fallen policy engine: the signer holds to the template itself', async () => {
    const { world, tenant, paying, consent } = await asking();
    const cap = 20n * gas;
    const approvals = await consent(paying({}, cap));
    const attempt = async (raw: RawRequest) => {
      world.now += 31_000;
      const { status, check } = await useWithPolicyKeys(world, tenant, raw);
      return status === 200 ? 200 : check;
    };
    assert.equal(
      await attempt(paying({ ...later, to: new Uint8Array(20).fill(2) }, cap, approvals)),
      'ceiling',
    );
    assert.equal(await attempt(paying(later, cap, approvals)), 200);
  });
});
