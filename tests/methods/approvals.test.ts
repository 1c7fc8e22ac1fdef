import { keypair, withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { createClient } from '@keystead/sdk/client';
import { newStampKey, possessionProof, type RawClient, Refused } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

const SOLANA = "m/44'/501'/0'/0'";
const HOUR = 3_600_000;

interface ApprovalState {
  subject: string;
  method: string;
  requestedBy: string;
  rejectedBy?: string;
  verdicts: { username: string; verdict: string; approval: string }[];
}

/** An organization of three root users, an agent whose key needs two approvals, and a wallet. */
async function scene(approvals = 2) {
  const { organizationId, client: root } = await running.organization('Acme');
  const roots: RawClient[] = [root];
  for (const username of ['second', 'third']) {
    const key = newStampKey();
    await root.call('addUserToOrganization', {
      organizationId,
      user: { username, policy: { type: 'ROOT' }, authenticators: [keypair('key', key)] },
    });
    roots.push(root.with(key));
  }
  const key = newStampKey();
  const proof = possessionProof(key, running.stack.deploymentId, organizationId, 'agent');
  await root.native('addUserToOrganization', {
    organizationId,
    user: {
      username: 'agent',
      policy: { type: 'CEL', preset: 'ALLOW_ALL' },
      authenticators: [keypair('key', key, { proof, ceiling: { approvals } })],
    },
  });
  const { walletId, accounts } = await root.call<{ walletId: string; accounts: { address: string }[] }>(
    'createWallet',
    { organizationId, walletName: 'W' },
  );
  const approve = async (by: RawClient, subject: string, verdict = 'approve') =>
    conforming(
      'approve',
      await by.native<ApprovalState>('approve', { organizationId, subject, verdict, expiresInMs: HOUR }),
    );
  const given = async (by: RawClient, subject: string) => {
    const { approvals } = conforming(
      'getApprovals',
      await by.native<{ approvals: ApprovalState[] }>('getApprovals', { organizationId, subject }),
    );
    return approvals[0]!.verdicts.map(({ approval }) => approval);
  };
  const address = accounts[0]!.address;
  return { organizationId, walletId, address, roots, agent: root.with(key), approve, given };
}

/** The subject of a request that was refused for want of approvals. */
async function waiting(asked: Promise<unknown>): Promise<string> {
  let subject = '';
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof Refused, String(error));
    assert.equal(error.code, 'approval-required', error.message);
    subject = String(error.body.subject);
    return true;
  });
  return subject;
}

const message = (walletId: string, organizationId: string, text: string) => ({
  organizationId,
  walletId,
  message: text,
  algorithm: 'Ed25519',
  derivationInfo: SOLANA,
});

test('a key whose ceiling asks for two approvals signs with two of different root users, and with no fewer', async () => {
  const { organizationId, walletId, roots, agent, approve, given } = await scene();
  const asked = message(walletId, organizationId, 'pay');
  const subject = await waiting(agent.native('signUtf8Message', asked));
  await approve(roots[0]!, subject);
  const one = await given(agent, subject);
  await assert.rejects(agent.native('signUtf8Message', asked, { approvals: one }), code('approval-required'));
  await approve(roots[1]!, subject);
  const two = await given(agent, subject);
  assert.equal(two.length, 2);
  const signed = await agent.native<{ signature: string }>('signUtf8Message', asked, { approvals: two });
  assert.equal(Buffer.from(signed.signature, 'base64url').length, 64);
});

test('one approval serves one request, and nothing but what was approved', async () => {
  const { organizationId, walletId, roots, agent, approve, given } = await scene(1);
  const asked = message(walletId, organizationId, 'pay');
  const subject = await waiting(agent.native('signUtf8Message', asked));
  await approve(roots[0]!, subject);
  const approvals = await given(agent, subject);
  const other = message(walletId, organizationId, 'pay more');
  await assert.rejects(agent.native('signUtf8Message', other, { approvals }), code('approval-invalid'));
  await agent.native('signUtf8Message', asked, { approvals });
  await assert.rejects(agent.native('signUtf8Message', asked, { approvals }), code('approval-invalid'));
});

test('approvals of the requester, of users without root, of strangers and altered ones do not count', async () => {
  const { organizationId, walletId, roots, agent, approve, given } = await scene(1);
  const plain = newStampKey();
  await roots[0]!.call('addUserToOrganization', {
    organizationId,
    user: {
      username: 'plain',
      policy: { type: 'CEL', preset: 'ALLOW_ALL' },
      authenticators: [keypair('key', plain)],
    },
  });
  const asked = message(walletId, organizationId, 'pay');
  const subject = await waiting(agent.native('signUtf8Message', asked));
  // The requester cannot: its ceiling asks for approvals of that, too.
  await waiting(agent.native('approve', { organizationId, subject, verdict: 'approve', expiresInMs: HOUR }));
  await approve(roots[0]!.with(plain), subject);
  const weak = await given(agent, subject);
  await assert.rejects(
    agent.native('signUtf8Message', asked, { approvals: weak }),
    code('approval-required'),
  );
  const stranger = await running.organization('Stranger');
  await assert.rejects(approve(stranger.client, subject), code('authenticator-unknown'));
  await approve(roots[1]!, subject);
  const approvals = (await given(agent, subject)).slice(1);
  const altered = Buffer.from(approvals[0]!, 'base64url');
  altered[altered.length - 5]! ^= 1;
  await assert.rejects(
    agent.native('signUtf8Message', asked, { approvals: [altered.toString('base64url')] }),
    code('approval-invalid'),
  );
  await agent.native('signUtf8Message', asked, { approvals });
});

test('whoever says no ends the subject, however many say yes', async () => {
  const { organizationId, walletId, roots, agent, approve, given } = await scene(1);
  const asked = message(walletId, organizationId, 'pay');
  const subject = await waiting(agent.native('signUtf8Message', asked));
  await approve(roots[0]!, subject);
  const approvals = await given(agent, subject);
  assert.equal((await approve(roots[1]!, subject, 'reject')).rejectedBy, 'second');
  await assert.rejects(agent.native('signUtf8Message', asked, { approvals }), code('approval-rejected'));
  await assert.rejects(agent.native('signUtf8Message', asked), code('approval-rejected'));
});

test('an approved Solana transaction may get a fresh blockhash, and no other recipient', async () => {
  const { organizationId, walletId, address, roots, agent, approve, given } = await scene(1);
  const to = Keypair.generate().publicKey;
  const transfer = (recipient: PublicKey) => {
    const payer = new PublicKey(address);
    const transaction = new Transaction({
      feePayer: payer,
      recentBlockhash: Keypair.generate().publicKey.toBase58(),
    }).add(SystemProgram.transfer({ fromPubkey: payer, toPubkey: recipient, lamports: 5 }));
    return {
      organizationId,
      walletId,
      chain: 'solana',
      transaction: transaction.serialize({ requireAllSignatures: false }).toString('base64url'),
      derivationInfo: SOLANA,
    };
  };
  const subject = await waiting(agent.native('signTransaction', transfer(to)));
  await approve(roots[2]!, subject);
  const approvals = await given(agent, subject);
  const elsewhere = transfer(Keypair.generate().publicKey);
  await assert.rejects(agent.native('signTransaction', elsewhere, { approvals }), code('approval-invalid'));
  await agent.native('signTransaction', transfer(to), { approvals });
});

test('with a threshold of two, one root key alone changes nobody, stops everything, and starts nothing again', async () => {
  const { organizationId, roots, approve, given } = await scene();
  const [root, second] = roots as [RawClient, RawClient];
  conforming(
    'updateOrganization',
    await root.call('updateOrganization', { organizationId, rootThreshold: 2 }),
  );
  const intruder = {
    organizationId,
    user: {
      username: 'intruder',
      policy: { type: 'ROOT' },
      authenticators: [],
    },
  };
  const subject = await waiting(root.native('addUserToOrganization', intruder));
  for (const [method, params] of [
    ['updateOrganization', { organizationId, rootThreshold: 1 }],
    ['deleteUserFromOrganization', { organizationId, username: 'second' }],
    ['updateUserInOrganization', { organizationId, username: 'agent', newPolicy: { type: 'ROOT' } }],
  ] as const)
    await waiting(root.native(method, params));
  await assert.rejects(
    root.native('addUserToOrganization', intruder, { approvals: [] }),
    code('parameter-invalid'),
  );
  await approve(second, subject);
  await root.native('addUserToOrganization', intruder, { approvals: await given(root, subject) });
  await root.native('freeze', { organizationId });
  const thaw = await waiting(root.native('unfreeze', { organizationId }));
  await approve(second, thaw);
  await root.native('unfreeze', { organizationId }, { approvals: await given(root, thaw) });
});

test('a threshold above the root keys that last is refused, and so is a loss of keys below it', async () => {
  const { organizationId, roots, approve, given } = await scene();
  const [root, second] = roots as [RawClient, RawClient];
  await assert.rejects(
    root.native('updateOrganization', { organizationId, rootThreshold: 4 }),
    code('last-root-authenticator'),
  );
  await root.native('updateOrganization', { organizationId, rootThreshold: 3 });
  const deletion = { organizationId, username: 'third' };
  const subject = await waiting(root.native('deleteUserFromOrganization', deletion));
  await approve(second, subject);
  await approve(roots[2]!, subject);
  await assert.rejects(
    root.native('deleteUserFromOrganization', deletion, { approvals: await given(root, subject) }),
    code('last-root-authenticator'),
  );
});

test('the SDK shows an approver what a subject stands for', async () => {
  const { organizationId, walletId, roots, agent } = await scene(1);
  const asked = message(walletId, organizationId, 'shown');
  const subject = await waiting(agent.native('signUtf8Message', asked));
  const { key } = roots[0]!;
  const client = createClient({
    baseUrl: running.api,
    root: running.stack.deploymentId,
    stamper: {
      algorithm: 'ed25519',
      publicKey: key.publicKeyBytes,
      sign: async (bytes) => key.sign(bytes),
    },
  });
  const { approvals } = await client.call('getApprovals', { organizationId, subject });
  assert.deepEqual([approvals[0]?.method, { ...approvals[0]?.params }], ['signUtf8Message', asked]);
});

/** A client of a user of its own, whose key has this ceiling. */
async function withCeiling(
  { organizationId, roots: [root] }: Awaited<ReturnType<typeof scene>>,
  username: string,
  ceiling: object,
) {
  const key = newStampKey();
  const proof = possessionProof(key, running.stack.deploymentId, organizationId, username);
  await root!.native('addUserToOrganization', {
    organizationId,
    user: {
      username,
      policy: { type: 'CEL', preset: 'ALLOW_ALL' },
      authenticators: [keypair('key', key, { proof, ceiling })],
    },
  });
  return root!.with(key);
}

test('a ceiling binds reads too: a key for one method or one wallet reads nothing beside it', async () => {
  const made = await scene();
  const { organizationId, walletId, roots } = made;
  const [root] = roots;
  const other = await root!.call<{ walletId: string }>('createWallet', { organizationId, walletName: 'O' });
  const grants = (of: string) => ({
    ownerOrganizationId: organizationId,
    targetOrganizationId: other.walletId,
    walletId: of,
  });
  const signer = await withCeiling(made, 'signer', { actions: ['signUtf8Message'] });
  for (const method of ['getOrganization', 'getOrganizationWallets', 'getPolicies', 'getApprovals']) {
    await assert.rejects(signer.native(method, { organizationId }), code('policy-denied'));
    await root!.native(method, { organizationId });
  }
  const keeper = await withCeiling(made, 'keeper', { wallets: [walletId] });
  await assert.rejects(keeper.native('getWalletAccessGrants', grants(other.walletId)), code('policy-denied'));
  await keeper.native('getWalletAccessGrants', grants(walletId));
});

test('a dry run says no where a ceiling, missing consent, the key’s constraints or a freeze refuse the signature', async () => {
  const made = await scene();
  const { organizationId, walletId, address, roots, agent } = made;
  const [root] = roots;
  const tries = async (by: RawClient, of = { walletId, address }) => {
    const payer = new PublicKey(of.address);
    const { publicKey } = Keypair.generate();
    const transaction = new Transaction({ feePayer: payer, recentBlockhash: publicKey.toBase58() })
      .add(SystemProgram.transfer({ fromPubkey: payer, toPubkey: publicKey, lamports: 1 }))
      .serialize({ requireAllSignatures: false });
    const told = await by.native<{ success: boolean; decision: { rule: string } }>('simulateTransaction', {
      organizationId,
      walletId: of.walletId,
      chain: 'solana',
      transaction: transaction.toString('base64url'),
      derivationInfo: SOLANA,
    });
    return told.success ? 'yes' : told.decision.rule;
  };
  assert.equal(await tries(root!), 'yes');
  assert.equal(await tries(agent), 'approval-required');
  const reader = await withCeiling(made, 'reader', { actions: ['simulateTransaction'] });
  assert.equal(await tries(reader), 'ceiling');
  const bounded = await root!.native<{ walletId: string; accounts: { address: string }[] }>('createWallet', {
    organizationId,
    walletName: 'Bounded',
    constraints: { signs: 'MESSAGES' },
  });
  const of = { walletId: bounded.walletId, address: bounded.accounts[0]!.address };
  assert.equal(await tries(root!, of), 'key-constraint');
  await root!.native('freeze', { organizationId });
  assert.equal(await tries(root!), 'organization-frozen');
});
