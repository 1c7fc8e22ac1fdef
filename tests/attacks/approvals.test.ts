/** Consent and cancellation under concurrency: what is agreed to once is signed once (spec/approval.md). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { RawRequest } from '@keystead/protocol/frames';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { HostileWorld, keypair, member, solana, type Tenant } from './hostile-world.ts';

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
