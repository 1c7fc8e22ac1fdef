/**
 * The host as attacker: rows 1 to 14 and 25 of the attack cases (row 7: a fallen heads
 * keeper), with G1, G5, G7, G8, E15 and E16 where a row is one of
 * them. The enclaves are whole; the host has every message, every row and its own keys. Each attack has its control:
 * the same thing succeeds for who has the key that is the defence, or when the one change is not made. What falls when
 * an enclave falls stands in fallen-roles.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { hexEncode } from '@keystead/crypto/hex';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import { agreeSecretOf } from '@keystead/enclave-runtime/role-keys';
import { Vault } from '@keystead/enclave-signer/vault';
import { sealedRowHash } from '@keystead/protocol/sealed-row';
import { AuthorityLeaf, walletLeafKey, walletMnemonic } from '@keystead/protocol/authority';
import { type Edge, edgeKey } from '@keystead/protocol/deployment';
import {
  type FromCertifier,
  type FromPolicy,
  type RawRequest,
  type ToCertifier,
  ToPolicy,
  ToSigner,
} from '@keystead/protocol/frames';
import { checkpointInterval } from '@keystead/protocol/entry';
import { frame, FrameReader } from '@keystead/protocol/framing';
import { Receipt } from '@keystead/protocol/receipt';
import { sealMessage } from '@keystead/protocol/sealed';
import type { Answered } from '../core/in-process.ts';
import {
  errorOf,
  HostileWorld,
  idBytes,
  keypair,
  member,
  root,
  settled,
  signingParams,
  stranger,
  type Tenant,
} from './hostile-world.ts';
import {
  forgeEntry,
  forgeReceipt,
  forgeTickets,
  offerToSigner,
  receiptItem,
  sealedRows,
  useWithBothKeys,
  useWithPolicyKeys,
} from './stolen-keys.ts';

async function opened(options: ConstructorParameters<typeof HostileWorld>[0] = {}) {
  const world = new HostileWorld(options);
  return { world, tenant: await world.tenant() };
}

const codeOf = async (answer: Promise<Answered>) => errorOf(await answer).code;

type TicketsFrame = Extract<ToSigner, { type: 'tickets' }>;

/** The frame that handed the newest ticket to the signer. */
const lastTickets = (world: HostileWorld): TicketsFrame =>
  world.toSigner.findLast(
    (message): message is TicketsFrame => message.type === 'tickets' && message.tickets !== undefined,
  )!;

/** What the signer says to a request when it is given one frame of the host's making. */
async function givenToSigner(world: HostileWorld, raw: RawRequest, message: ToSigner) {
  const before = world.signerAnswers(raw).length;
  world.stack.give({ to: 'signer', message });
  await settled();
  return world.signerAnswers(raw).slice(before).at(-1);
}

describe('a host that makes up requests', () => {
  it('row 1, G5: sends a request without a stamp, or under its own key, and gets no signature', async () => {
    const { world, tenant } = await opened();
    const honest = world.signing(tenant, 'wanted');
    assert.equal(await codeOf(world.submit({ ...honest, phantomStamp: undefined })), 'stamp-missing');
    assert.equal(
      await codeOf(world.submit(world.signing(tenant, 'wanted', stranger))),
      'authenticator-unknown',
    );
    assert.equal(await world.signatureCount(), 0);
    assert.ok(world.verifies(tenant, 'wanted', await world.submit(honest)));
    assert.equal(await world.signatureCount(), 1);
  });

  it('row 2: edits a stamped body, and nothing is signed', async () => {
    const { world, tenant } = await opened();
    const edit = (raw: RawRequest) => ({
      ...raw,
      body: new Uint8Array(Buffer.from(Buffer.from(raw.body).toString().replace('pay Alice', 'pay Mallo'))),
    });
    const { organizationId, wallet } = tenant;
    const params = signingParams(organizationId, wallet.walletId, 'pay Alice');
    assert.equal(await codeOf(world.submit(edit(world.signing(tenant, 'pay Alice')))), 'stamp-invalid');
    assert.notEqual((await world.submit(edit(world.nativeCall('signUtf8Message', params)))).status, 200);
    assert.equal(await world.signatureCount(), 0);
    await world.assertSigns(tenant, 'pay Mallo');
  });

  it('row 2: carries a stamp to another organization, deployment, endpoint or surface', async () => {
    const { world, tenant } = await opened();
    const other = await world.tenant(member);
    const { organizationId, wallet } = tenant;
    const params = signingParams(organizationId, wallet.walletId, 'moved');
    const foreign = inMemoryDeployment().policy.deploymentId;
    const native = world.nativeCall('signUtf8Message', params);
    const attempts: [RawRequest, string][] = [
      [world.signing({ ...other, wallet }, 'moved'), 'authenticator-unknown'],
      [world.nativeCall('signUtf8Message', params, root, { deployment: foreign }), 'deployment-mismatch'],
      [{ ...native, deployment: base64urlEncode(foreign) }, 'deployment-mismatch'],
      [{ ...native, path: '/v1/elsewhere' }, 'stamp-invalid'],
      [{ ...native, origin: 'https://mallory.example' }, 'stamp-invalid'],
      [{ ...native, surface: 2, path: '/v1/wallets/kms/rpc' }, 'stamp-missing'],
    ];
    const codes: (string | undefined)[] = [];
    for (const [raw] of attempts) codes.push(await codeOf(world.submit(raw)));
    assert.deepEqual(
      codes,
      attempts.map(([, code]) => code),
    );
    assert.equal(await world.signatureCount(), 0);
    assert.ok(world.verifies(tenant, 'moved', await world.submit(native)));
  });

  it('row 3: repeats a stamped request at once, after a restart and to a second replica; it counts once', async () => {
    const { world, tenant } = await opened();
    const raw = world.call('createWallet', { organizationId: tenant.organizationId, walletName: 'Once' });
    const first = await world.submit(raw);
    const again: Answered[] = [await world.submit(raw)];
    world.restart();
    again.push(await world.submit(raw));
    const replica = world.replica();
    again.push(await replica.submit(raw));
    for (const answer of again) {
      assert.deepEqual(answer.body, first.body);
      assert.deepEqual(world.statement(raw, answer).position, world.statement(raw, first).position);
    }
    assert.equal(await world.decisionsOf(tenant, raw), 1);
    assert.equal(await world.walletCount(tenant), 2);
    // The key stamps the same wish again: that is another request.
    await world.done(
      world.call('createWallet', { organizationId: tenant.organizationId, walletName: 'Once' }),
    );
    assert.equal(await world.walletCount(tenant), 3);
  });

  it('row 3: keeps a stamped request for later, when it is too old', async () => {
    const { world, tenant } = await opened();
    const kept = [
      world.signing(tenant, 'later'),
      world.nativeCall(
        'signUtf8Message',
        signingParams(tenant.organizationId, tenant.wallet.walletId, 'later'),
      ),
    ];
    world.now += 11 * 60_000;
    for (const raw of kept) assert.equal(await codeOf(world.submit(raw)), 'stamp-expired');
    assert.equal(await world.signatureCount(), 0);
    await world.assertSigns(tenant, 'later');
  });

  it('E2: asks from one page for a sign-in to another site, and nothing is signed', async () => {
    const { world, tenant } = await opened();
    const { organizationId, wallet } = tenant;
    const message = 'bank.example wants you to sign in with your Solana account:\n3Cy3';
    const ask = (origin?: string) =>
      world.submit(
        world.nativeCall('signUtf8Message', signingParams(organizationId, wallet.walletId, message), root, {
          origin,
        }),
      );
    assert.equal(await codeOf(ask('https://evil.example')), 'sign-in-elsewhere');
    assert.equal(await codeOf(ask('https://bank.example.evil.example')), 'sign-in-elsewhere');
    assert.equal(await world.signatureCount(), 0);
    assert.equal((await ask('https://bank.example')).status, 200);
    assert.equal((await ask()).status, 200);
  });

  it('E16: submits a refused request again when the rules have become wider, and it stays refused', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId, 'DENY_ALL');
    const denied = world.signing(tenant, 'asked early', member);
    const first = await world.submit(denied);
    assert.equal(errorOf(first).code, 'policy-denied');
    const newPolicy = { type: 'CEL', preset: 'ALLOW_ALL' };
    await world.done(
      world.call('updateUserInOrganization', { organizationId, username: 'member', newPolicy }),
    );
    const second = await world.submit(denied);
    assert.deepEqual(second.body, first.body);
    assert.equal(await world.decisionsOf(tenant, denied), 1);
    await world.assertSigns(tenant, 'asked early', member);
  });
});

describe('a host that edits, moves, hides and restores rows', () => {
  /** All rows but the heads log's, edited; everything starts again. */
  async function restartOver(
    world: HostileWorld,
    edit: Parameters<HostileWorld['recorded']['copy']>[1],
    count?: number,
  ): Promise<void> {
    const { host } = world.stack;
    world.stack.host = {
      ...host,
      fromCertifier: (message) =>
        message.type === 'tail' ? { ...message, rows: [] } : host.fromCertifier!(message),
    };
    world.stack.store = await world.recorded.copy(count, edit);
    world.restart();
  }

  const flip = (bytes: Uint8Array, at: number) => {
    const flipped = bytes.slice();
    flipped[at % flipped.length]! ^= 1;
    return flipped;
  };

  it('row 4: edits a policy, a role, an authenticator or a limit in any entry, and it does not count', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId, 'DENY_ALL');
    const code = async () => codeOf(world.submit(world.signing(tenant, 'x', member)));
    const last = world.headOf(organizationId).position;
    for (let position = 1; position <= last; position++)
      for (const at of [40, 200, -40]) {
        await restartOver(world, (batch) => ({
          ...batch,
          entries: batch.entries.map((row) =>
            row.position === position ? { ...row, bytes: flip(row.bytes, row.bytes.length + at) } : row,
          ),
        }));
        assert.equal(await code(), 'organization-locked', `position ${position}, byte ${at}`);
      }
    await restartOver(world, (batch) => batch);
    assert.equal(await code(), 'policy-denied');
    // The row key and the certifier's answer key together make an edit count: fallen-roles.test.ts.
  });

  // Up to the first checkpoint the entries alone say what the authority is, and no node is read.
  it('row 4: edits an authenticator or a role in any node, and it does not count', async () => {
    const { world, tenant } = await opened();
    await world.addMember(tenant.organizationId, 'DENY_ALL');
    for (let count = 0; count < checkpointInterval; count += 1)
      await world.assertSigns(tenant, `message ${count}`);
    const code = async () => codeOf(world.submit(world.signing(tenant, 'x', member)));
    await restartOver(world, (batch) => ({
      ...batch,
      nodes: batch.nodes.map((node) => ({ ...node, bytes: flip(node.bytes, node.bytes.length - 1) })),
    }));
    assert.equal(await code(), 'organization-locked');
    await restartOver(world, (batch) => batch);
    assert.equal(await code(), 'policy-denied');
  });

  it('row 4: names another organization as the owner of a wallet, and neither of them signs more than before', async () => {
    const { world, tenant } = await opened();
    const other = await world.tenant(member);
    const taken: Tenant = { ...other, wallet: tenant.wallet };
    await restartOver(world, (batch) => ({
      ...batch,
      owners: batch.owners.map((owner) => ({ ...owner, organization: idBytes(other.organizationId) })),
    }));
    assert.equal((await world.submit(world.signing(taken, 'x', member))).status, 404);
    await world.assertSigns(tenant, 'still its own');
    await world.sharesRoot(other.organizationId, member);
    await world.done(
      world.call('transferOrganizationWallet', {
        ownerOrganizationId: tenant.organizationId,
        walletId: tenant.wallet.walletId,
        targetOrganizationId: other.organizationId,
      }),
    );
    await world.assertSigns(taken, 'transferred', member);
    world.now += 1;
    assert.notEqual((await world.submit(world.signing(tenant, 'given away'))).status, 200);
  });

  it('row 5, G8: attaches the sealed row of another wallet, which opens for that wallet only', async () => {
    const { world, tenant } = await opened();
    const other = await world.tenant(member);
    const [own, foreign] = sealedRows(world);
    const raw = world.signing(tenant, 'swapped');
    const { host } = world.stack;
    world.stack.host = {
      ...host,
      toSigner: (message) =>
        host.toSigner!(
          message.type === 'tickets'
            ? { ...message, secrets: [{ hash: own!.hash, sealed: foreign!.sealed }] }
            : message,
        ),
    };
    assert.equal((await world.refused(raw)).check, 'row');
    world.stack.host = host;

    // Even with the keys of policy engine and certifier, the leaf of this wallet cannot name the other's row.
    const named = (sealed: Uint8Array) => {
      world.now += 31_000;
      const { authority } = world.headOf(tenant.organizationId);
      const map = new MerkleMap(authority, { node: (hash) => world.nodes.get(hexEncode(hash)) });
      const walletId = idBytes(tenant.wallet.walletId);
      const secret = sealedRowHash(sealed);
      map.set(
        walletLeafKey(walletId),
        AuthorityLeaf.encode({
          leaf: 'wallet',
          walletId,
          kind: walletMnemonic,
          secret,
          createdAt: 1,
          frozen: false,
        }),
      );
      const roots = { before: map.root(), after: map.root() };
      for (const { hash, bytes } of map.newNodes()) world.nodes.set(hexEncode(hash), bytes);
      const asked = world.signing(tenant, 'swapped');
      const head = world.headOf(tenant.organizationId);
      const forged = forgeEntry(
        asked,
        { ...tenant, wallet: { ...other.wallet, walletId: tenant.wallet.walletId } },
        { head, now: world.now, roots },
      );
      return offerToSigner(world, {
        raw: asked,
        forged,
        tickets: (tickets) => forgeTickets(world.contexts.policy, tickets),
        receipt: forgeReceipt(world.contexts.certifier, [receiptItem(forged)]),
        secret,
        secrets: [{ hash: secret, sealed }],
      });
    };
    assert.equal((await named(foreign!.sealed)).check, 'row');
    // The signer's key seals it for this wallet, and it signs.
    const vault = new Vault(world.contexts.signer.walletKeys, systemRandom);
    const secret = vault.open(idBytes(other.wallet.walletId), foreign!.sealed)!;
    const resealed = vault.seal(idBytes(tenant.wallet.walletId), secret);
    const control = await named(resealed);
    assert.ok(world.verifies(other, 'swapped', { status: control.status!, body: control.body }));
  });

  it('row 6: restores one row, or the whole database, to an older state: rolled forward, or locked', async () => {
    const { world, tenant } = await opened();
    const older = world.recorded.commits.length;
    await world.assertSigns(tenant, 'third');
    await world.assertSigns(tenant, 'fourth');
    const locked = async () => codeOf(world.submit(world.signing(tenant, 'after')));
    await restartOver(world, (batch) => batch, older);
    assert.equal(await locked(), 'organization-locked');
    await restartOver(world, (batch) => ({
      ...batch,
      entries: batch.entries.filter(({ position }) => position !== 4),
    }));
    assert.equal(await locked(), 'organization-locked');
    // The heads log brings back what the database lost.
    world.watch();
    world.stack.store = await world.recorded.copy(older);
    world.restart();
    await world.assertSigns(tenant, 'after');
  });
});

describe('a host that forks', () => {
  it('row 8: offers one head to two policy engines, and one entry becomes history', async () => {
    const { world, tenant } = await opened();
    const replica = world.replica();
    const reading = () => world.call('getOrganization', { organizationId: tenant.organizationId });
    await replica.done(reading());
    const head = world.headOf(tenant.organizationId);
    const requests = [world.signing(tenant, 'left'), world.signing(tenant, 'right')] as const;
    const [left, right] = await Promise.all([world.submit(requests[0]), replica.submit(requests[1])]);
    assert.equal([left, right].filter(({ status }) => status === 200).length, 1);
    assert.equal([left, right].filter(({ status }) => status === 503).length, 1);
    assert.equal(world.headOf(tenant.organizationId).position, head.position + 1);
    assert.equal((await world.signatureCount()) + (await replica.signatureCount()), 1);
    // The loser's row may lie over the winner's in the store: the heads log puts the winner's back.
    world.restart();
    await world.assertSigns(tenant, 'one history');
  });

  it('row 8, control: without compare-and-set, under the certifier’s key, both sign at one position', async () => {
    const { world, tenant } = await opened();
    const requests = [world.signing(tenant, 'left'), world.signing(tenant, 'right')];
    const head = world.headOf(tenant.organizationId);
    for (const raw of requests) {
      const forged = forgeEntry(raw, tenant, { head, now: world.now });
      world.restart(['signer']);
      const used = await offerToSigner(world, {
        raw,
        forged,
        tickets: (tickets) => forgeTickets(world.contexts.policy, tickets),
        receipt: forgeReceipt(world.contexts.certifier, [receiptItem(forged)]),
      });
      assert.equal(used.status, 200);
    }
  });

  it('row 25: replays the founding of a known organization, and nothing is founded', async () => {
    const world = new HostileWorld();
    const founding = world.founding();
    const first = await world.submit(founding);
    const { organizationId } = first.body as { organizationId: string };
    const genesis = world.toCertifier.find(({ type }) => type === 'advance')!;
    const wallet = await world.done<Tenant['wallet']>(
      world.call('createWallet', { organizationId, walletName: 'W' }),
    );
    const refusedFor = async (stack: HostileWorld) => {
      const before = stack.receipts.length;
      stack.stack.give({ to: 'certifier', message: genesis });
      await settled();
      const [told] = stack.receipts.slice(before);
      return Receipt.decode(told!.forPolicy.bytes).refused.map(({ code }) => code);
    };
    assert.deepEqual(await refusedFor(world), ['head-moved']);
    world.restart();
    assert.deepEqual(await refusedFor(world), ['head-moved']);
    assert.deepEqual((await world.submit(founding)).body, first.body);
    await world.assertSigns({ organizationId, wallet }, 'still there');
    // A certifier that does not know the organization takes it: the heads log is the defence.
    const forgetful = new HostileWorld({ contexts: world.contexts, now: world.now });
    await settled();
    assert.deepEqual(await refusedFor(forgetful), []);
  });
});

describe('a host that forges and pairs messages of enclaves', () => {
  it('row 9, G1: forges a decision under the keys of another role, edge, kind or deployment', async () => {
    const { world, tenant } = await opened();
    const raw = world.signing(tenant, 'forged');
    const { certifier, policy, signer } = world.contexts;
    const forged = forgeEntry(raw, tenant, { head: world.headOf(tenant.organizationId), now: world.now });
    const receipt = forgeReceipt(certifier, [receiptItem(forged)]);
    const seal = (from: typeof certifier, edge: Edge, kind: 'ticket-batch' | 'make') => {
      const agree = agreeSecretOf(from.role, from.seed);
      const key = edgeKey(agree, signer.deployment.signer.agree, edge, signer.deploymentId);
      return (tickets: Parameters<typeof forgeTickets>[1]) =>
        sealMessage(key, kind, forgeTickets(policy, tickets).bytes);
    };
    const forgeries = [
      seal(certifier, 'certifier-to-signer', 'ticket-batch'),
      seal(certifier, 'policy-to-signer', 'ticket-batch'),
      seal(policy, 'policy-to-certifier', 'ticket-batch'),
      seal(policy, 'policy-to-signer', 'make'),
      seal(inMemoryDeployment().policy, 'policy-to-signer', 'ticket-batch'),
    ];
    for (const tickets of forgeries)
      assert.equal((await offerToSigner(world, { raw, forged, tickets, receipt })).check, 'ticket-mac');
    const tickets = seal(policy, 'policy-to-signer', 'ticket-batch');
    assert.equal((await offerToSigner(world, { raw, forged, tickets, receipt })).status, 200);
  });

  it('row 9: shows a receipt that is too old, or of a certifier whose time is wrong', async () => {
    const { world, tenant } = await opened();
    world.now += 6000;
    const raw = world.signing(tenant, 'late');
    const forged = forgeEntry(raw, tenant, { head: world.headOf(tenant.organizationId), now: world.now });
    const at = (milliseconds: number) => {
      const certifier = { ...world.contexts.certifier, clock: () => world.now + milliseconds };
      const receipt = forgeReceipt(certifier, [receiptItem(forged)]);
      const tickets = (list: Parameters<typeof forgeTickets>[1]) => forgeTickets(world.contexts.policy, list);
      return offerToSigner(world, { raw, forged, tickets, receipt });
    };
    assert.equal((await at(-5001)).check, 'receipt-age');
    assert.equal((await at(5001)).check, 'receipt-age');
    assert.equal((await at(-5000)).status, 200);
  });

  it('row 10, E15: repeats a ticket at once, later, and after the signer’s restart, and no second signature is made', async () => {
    const { world, tenant } = await opened();
    const raw = world.signing(tenant, 'once');
    const first = await world.submit(raw);
    const tickets = lastTickets(world);
    const repeated = await givenToSigner(world, raw, tickets);
    assert.deepEqual(repeated?.body, first.body);
    assert.equal(await world.signatureCount(), 1);
    world.restart(['signer']);
    assert.equal((await givenToSigner(world, raw, tickets))?.check, 'request');
    world.now += 5001;
    assert.equal((await givenToSigner(world, raw, tickets))?.check, 'receipt-age');
    assert.equal(await world.signatureCount(), 0);
    // The whole way again, request and fresh receipt: the same bytes, and no second entry.
    assert.deepEqual((await world.submit(raw)).body, first.body);
    assert.equal(await world.decisionsOf(tenant, raw), 1);
  });

  it('row 10, E15: changes any byte of a ticket, and no ticket of the batch counts', async () => {
    const { world, tenant } = await opened();
    const raw = world.signing(tenant, 'mutated');
    const { host } = world.stack;
    let kept: TicketsFrame | undefined;
    world.stack.host = {
      ...host,
      toSigner: (message) => {
        if (message.type !== 'tickets') return host.toSigner!(message);
        kept = message;
        return null;
      },
    };
    await world.answerTo(raw);
    world.stack.host = host;
    const { bytes, mac } = kept!.tickets!;
    for (let at = 0; at < bytes.length; at += 97) {
      const changed = bytes.slice();
      changed[at]! ^= 1;
      await givenToSigner(world, raw, { ...kept!, tickets: { bytes: changed, mac } });
    }
    await givenToSigner(world, raw, { ...kept!, tickets: { bytes, mac: new Uint8Array(32) } });
    assert.equal(await world.signatureCount(), 0);
    assert.ok(world.verifies(tenant, 'mutated', await givenToSigner(world, raw, kept!)));
    assert.equal(await world.signatureCount(), 1);
  });

  it('row 10: pairs the ticket of one request with the receipt of another', async () => {
    const { world, tenant } = await opened();
    const frames: TicketsFrame[] = [];
    const { host } = world.stack;
    world.stack.host = {
      ...host,
      toSigner: (message) => {
        if (message.type !== 'tickets') return host.toSigner!(message);
        frames.push(message);
        return null;
      },
    };
    const requests = [world.signing(tenant, 'first'), world.signing(tenant, 'second')] as const;
    for (const raw of requests) await world.answerTo(raw);
    world.stack.host = host;
    const [first, second] = frames as [TicketsFrame, TicketsFrame];
    const paired = { ...first, receipt: second.receipt };
    assert.equal((await givenToSigner(world, requests[0], paired))?.check, 'receipt-item');
    // The older receipt is behind what the signer has now seen of the organization.
    assert.equal((await givenToSigner(world, requests[0], first))?.check, 'head');
    const answer = await givenToSigner(world, requests[1], second);
    assert.ok(world.verifies(tenant, 'second', answer));
  });

  it('row 10: shows the signer another body, wallet or account than was decided', async () => {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    const wallet = await world.done<Tenant['wallet']>(
      world.call('createWallet', { organizationId, walletName: 'Other' }),
    );
    const used = async (shown: RawRequest, decided: RawRequest, of: Tenant) => {
      world.now += 31_000;
      const head = world.headOf(organizationId);
      const forged = forgeEntry(decided, of, {
        head,
        now: world.now,
        changes: { identity: forgeEntry(shown, of, { head, now: world.now }).entry.identity },
      });
      const { check, status } = await offerToSigner(world, {
        raw: shown,
        forged,
        tickets: (tickets) => forgeTickets(world.contexts.policy, tickets),
        receipt: forgeReceipt(world.contexts.certifier, [receiptItem(forged)]),
      });
      return check ?? status;
    };
    const shown = world.signing(tenant, 'shown');
    assert.equal(await used(shown, world.signing(tenant, 'decided'), tenant), 'body');
    assert.equal(await used(shown, shown, { ...tenant, wallet }), 'key-use');
    assert.equal(await used(shown, shown, tenant), 200);
  });

  it('G7: answers a question about a head with an older answer, which has another nonce', async () => {
    const { world, tenant } = await opened();
    const heads: Extract<FromCertifier, { type: 'head' }>[] = [];
    const { host } = world.stack;
    const keep = (message: FromCertifier) => {
      if (message.type === 'head') heads.push(message);
      return host.fromCertifier!(message);
    };
    world.stack.host = { ...host, fromCertifier: keep };
    world.stack.restart(['policy']);
    await world.assertSigns(tenant, 'loaded');
    const [old] = heads;
    assert.ok(old !== undefined);
    await world.assertSigns(tenant, 'newer');
    const replayed = (message: FromCertifier) =>
      message.type === 'head' ? old : host.fromCertifier!(message);
    world.stack.host = { ...host, fromCertifier: replayed };
    world.restart(['policy']);
    const raw = world.signing(tenant, 'on an old head');
    assert.equal(await world.answerTo(raw), undefined);
    assert.equal(world.signerAnswers(raw).length, 0);
    world.stack.host = host;
    world.restart(['policy']);
    assert.ok(world.verifies(tenant, 'on an old head', await world.submit(raw)));
  });

  it('row 11: turns a request into an export or a raw signature, and neither is made', async () => {
    const { world, tenant } = await opened();
    const { organizationId, wallet } = tenant;
    await world.addMember(organizationId);
    const { walletId } = wallet;
    const publicKey = base64urlEncode(new Uint8Array(32).fill(9));
    const exporting = world.nativeCall('exportWallet', { organizationId, walletId, publicKey }, member);
    const { message: _, ...shared } = signingParams(organizationId, walletId, '');
    const payload = base64urlEncode(Buffer.from('bytes of unknown meaning'));
    const raw = world.nativeCall('signRawPayload', { ...shared, payload }, member);
    assert.equal((await world.refused(exporting)).code, 'policy-denied');
    assert.equal(errorOf(await world.submit(raw)).code, 'policy-denied');
    const rooted = world.nativeCall('signRawPayload', { ...shared, payload });
    assert.equal((await world.refused(rooted)).code, 'raw-payload-not-permitted');
    // A request to sign, under an entry for an export: the signer's own parse stands against it.
    const asked = world.signing(tenant, 'only a message');
    world.now += 31_000;
    const changes = { method: 'exportWallet' };
    assert.equal((await useWithPolicyKeys(world, tenant, asked, { changes })).check, 'parse');
    assert.equal(await world.signatureCount(), 0);
    // The policy engine's key permits the raw payload.
    world.now += 1;
    assert.equal((await useWithPolicyKeys(world, tenant, rooted)).status, 200);
  });

  it('swaps the answers of two requests, and a client takes neither', async () => {
    const { world, tenant } = await opened();
    const requests = [world.signing(tenant, 'one'), world.signing(tenant, 'two')] as const;
    const [one, two] = await Promise.all(requests.map((raw) => world.submit(raw)));
    const takes = (raw: RawRequest, answer: Answered) => () => world.statement(raw, answer);
    assert.throws(takes(requests[0], two!), { code: 'answer-unverified' });
    assert.throws(takes(requests[1], one!), { code: 'answer-unverified' });
    assert.throws(takes(requests[0], { ...one!, body: two!.body }), { code: 'answer-unverified' });
    assert.throws(takes(requests[0], { ...one!, status: 403 }), { code: 'answer-unverified' });
    takes(requests[0], one!)();
    takes(requests[1], two!)();
  });
});

describe('a host that lies about time', () => {
  /** A member whose second key, the stranger's, has run out. */
  async function withExpiredKey() {
    const { world, tenant } = await opened();
    const { organizationId } = tenant;
    await world.addMember(organizationId);
    const authenticator = { ...keypair('m2', stranger), expiresInMs: 3_600_000 };
    await world.done(
      world.call('createAuthenticator', { organizationId, username: 'member', authenticator }),
    );
    const early = world.now;
    world.now += 3_700_000;
    await world.assertSigns(tenant, 'time goes on');
    return { world, tenant, early };
  }

  it('row 12: sets clocks back so that an expired key is young again; the certifier’s marks only go forward', async () => {
    const { world, tenant, early } = await withExpiredKey();
    const late = world.now;
    world.now = early;
    const again = () => world.signing(tenant, 'young again', stranger);
    assert.equal(await codeOf(world.submit(again())), 'stamp-expired');
    world.restart();
    assert.equal(await codeOf(world.submit(again())), 'authenticator-expired');
    world.skew.certifier = late - early;
    world.restart();
    assert.equal(await codeOf(world.submit(again())), 'authenticator-expired');
    assert.equal(await world.signatureCount(), 0);
    // Policy engine and certifier without marks, under their keys, take the clock's word.
    world.skew.certifier = 0;
    assert.equal((await useWithBothKeys(world, tenant, again())).status, 200);
  });

  it('row 12: dates an entry back under the policy engine’s key, and the certifier does not take it', async () => {
    const { world, tenant, early } = await withExpiredKey();
    const late = world.now;
    world.now = early;
    const raw = world.signing(tenant, 'dated back', stranger);
    world.now = late;
    const dated = await useWithPolicyKeys(world, tenant, raw, { changes: { time: early } });
    assert.deepEqual([dated.refused, dated.check], ['entry-time', 'receipt-item']);
    const now = await useWithPolicyKeys(world, tenant, raw);
    assert.deepEqual([now.refused, now.check], [undefined, 'expiry']);
    assert.equal((await useWithPolicyKeys(world, tenant, world.signing(tenant, 'of now'))).status, 200);
  });

  it('row 12: sets the clock far ahead across a restart, and the certifier believes it only when the operator does', async () => {
    const { world, tenant } = await opened({ settings: { largestClockJump: 86_400_000 } });
    const settle = (settings: { acceptedMark?: number; largestClockJump?: number }) => {
      const { certifier } = world.contexts;
      world.contexts.certifier = { ...certifier, settings: { ...certifier.settings, ...settings } };
      world.restart();
    };
    const mark = world.now;
    world.now += 40 * 86_400_000;
    world.restart();
    assert.equal(await world.answerTo(world.signing(tenant, 'in forty days')), undefined);
    const asked = world.logged.filter(({ event }) => event === 'operator-needed');
    assert.deepEqual(
      asked.map(({ fields }) => fields.accept),
      [`KEYSTEAD_ACCEPT_CLOCK=${new Date(mark).toISOString()}`],
    );
    // With the clock set right again nothing was lost.
    world.now = mark + 1000;
    world.restart();
    await world.assertSigns(tenant, 'of now');
    // The defence off: the same jump is taken, and no mark ever goes back.
    world.now += 40 * 86_400_000;
    settle({ largestClockJump: 0 });
    await world.assertSigns(tenant, 'in forty days');
    world.now -= 40 * 86_400_000;
    world.restart();
    assert.equal(
      await codeOf(world.submit(world.signing(tenant, 'of now'))),
      'request-expired-before-commit',
    );
  });

  it('row 12: sets one role’s clock forward, which stops the service and signs nothing', async () => {
    for (const role of ['signer', 'certifier', 'policy'] as const) {
      const { world, tenant } = await opened();
      world.skew[role] = 3_600_000;
      for (let attempt = 0; attempt < 2; attempt++) {
        const answer = await world.submit(world.signing(tenant, 'from the future'));
        assert.notEqual(answer.status, 200, role);
      }
      assert.equal(await world.signatureCount(), 0, role);
      const control = await opened();
      await control.world.assertSigns(control.tenant, 'of now');
    }
  });
});

type Step =
  | ToPolicy['type']
  | ToSigner['type']
  | ToCertifier['type']
  | FromPolicy['type']
  | FromCertifier['type'];

/** The messages by which a wallet is made in an organization that is cold, in their order. */
const steps: [keyof HostileWorld['stack']['host'], Step][] = [
  ['toSigner', 'requests'],
  ['toPolicy', 'requests'],
  ['toCertifier', 'queryHead'],
  ['fromCertifier', 'head'],
  ['toPolicy', 'head'],
  ['fromPolicy', 'queryRows'],
  ['toPolicy', 'rows'],
  ['fromPolicy', 'make'],
  ['toSigner', 'make'],
  ['toPolicy', 'made'],
  ['fromPolicy', 'batch'],
  ['toCertifier', 'advance'],
  ['fromCertifier', 'receipt'],
  ['toPolicy', 'receipt'],
  ['toSigner', 'tickets'],
  ['fromSigner', 'answers' as Step],
];

/** Does something at the first message of one step; `act` says what is carried. */
function atStep(
  world: HostileWorld,
  [hook, type]: (typeof steps)[number],
  act: (message: unknown) => unknown,
): () => boolean {
  const { host } = world.stack;
  let reached = false;
  const carry = host[hook] as (message: { type: string }) => unknown;
  world.stack.host = {
    ...host,
    [hook]: (message: { type: string }) => {
      if (reached || message.type !== type) return carry(message);
      reached = true;
      return act(message);
    },
  };
  return () => reached;
}

/** After whatever was done: the same request is answered, once in history, and the wallet that it made signs. */
async function assertMadeOnce(world: HostileWorld, tenant: Tenant, raw: RawRequest, what: string) {
  world.now += 2100;
  const { status, body } = await world.submit(raw);
  assert.equal(status, 200, `${what}: ${JSON.stringify(body)}`);
  assert.equal(await world.decisionsOf(tenant, raw), 1, what);
  assert.equal(await world.walletCount(tenant), 2, what);
  await world.assertSigns({ ...tenant, wallet: body as Tenant['wallet'] }, what);
}

describe('a host that drops, repeats, reorders, delays, truncates and floods', () => {
  const making = (world: HostileWorld, { organizationId }: Tenant) =>
    world.call('createWallet', { organizationId, walletName: 'Made' });

  it('row 13: drops any one message of a request, and the same request is answered later and counts once', async () => {
    for (const step of steps) {
      const { world, tenant } = await opened();
      world.restart(['policy']);
      const reached = atStep(world, step, () => null);
      const raw = making(world, tenant);
      const answer = await world.answerTo(raw);
      assert.ok(reached(), step.join(' '));
      // The signer has its own copy of the receipt, and may answer all the same.
      if (step.join() !== 'toPolicy,receipt') assert.notEqual(answer?.status, 200, step.join(' '));
      world.stack.resync();
      await settled();
      await assertMadeOnce(world, tenant, raw, `dropped ${step.join(' ')}`);
    }
  });

  it('row 13: repeats every message of a request, and it counts once', async () => {
    const { world, tenant } = await opened();
    const { host } = world.stack;
    world.stack.host = {
      ...host,
      toPolicy: (message) => {
        world.stack.give({ to: 'policy', message });
        return host.toPolicy!(message);
      },
      toSigner: (message) => {
        world.stack.give({ to: 'signer', message });
        return host.toSigner!(message);
      },
      toCertifier: (message) => {
        world.stack.give({ to: 'certifier', message });
        return host.toCertifier!(message);
      },
    };
    world.restart(['policy']);
    const raw = making(world, tenant);
    assert.equal((await world.submit(raw)).status, 200);
    await settled();
    assert.deepEqual(world.ended, []);
    await assertMadeOnce(world, tenant, raw, 'repeated');
  });

  it('row 13: delays receipts beyond their lifetime, and gives them in the wrong order', async () => {
    const { world, tenant } = await opened();
    const held: Extract<FromCertifier, { type: 'receipt' }>[] = [];
    const { host } = world.stack;
    world.stack.host = {
      ...host,
      fromCertifier: (message) => {
        if (message.type !== 'receipt') return host.fromCertifier!(message);
        held.push(message);
        return null;
      },
    };
    const requests = [
      world.signing(tenant, 'one'),
      world.signing(tenant, 'two'),
      world.signing(tenant, 'three'),
    ];
    const answers: Promise<Answered>[] = [];
    for (const raw of requests) {
      answers.push(world.submit(raw));
      await settled();
    }
    assert.equal(held.length, 3);
    for (const message of held.toReversed()) {
      world.noteCertified(message);
      await world.stack.hear(message);
      await settled();
    }
    const told = await Promise.all(answers);
    assert.ok(world.verifies(tenant, 'three', told[2]));
    assert.deepEqual([errorOf(told[0]!).check, errorOf(told[1]!).check], ['head', 'head']);

    const raw = world.signing(tenant, 'delayed');
    const late = world.submit(raw);
    await settled();
    world.now += 5001;
    await world.stack.hear(held[3]!);
    assert.equal(errorOf(await late).check, 'receipt-age');
    assert.equal(await world.signatureCount(), 1);
    // Told in time, the same requests are signatures.
    world.stack.host = host;
    for (const [index, message] of ['one', 'two'].entries())
      assert.ok(world.verifies(tenant, message, await world.submit(requests[index]!)));
  });

  it('row 13: truncates or lengthens a frame, which no enclave reads, and nothing comes of it', async () => {
    const { world, tenant } = await opened();
    await world.assertSigns(tenant, 'whole');
    const whole = ToSigner.encode(lastTickets(world));
    ToSigner.decode(whole);
    for (let length = 0; length < whole.length; length += 53)
      assert.throws(() => ToSigner.decode(whole.slice(0, length)));
    assert.throws(() => ToSigner.decode(new Uint8Array([...whole, 0])));
    const receipt = ToPolicy.encode(world.toPolicy.find(({ type }) => type === 'receipt')!);
    ToPolicy.decode(receipt);
    assert.throws(() => ToPolicy.decode(receipt.slice(0, -1)));
    for (const length of [0, 16 * 1024 * 1024 + 1, 0xffffffff]) {
      const head = new Uint8Array(4);
      new DataView(head.buffer).setUint32(0, length);
      assert.throws(() => new FrameReader().push(head), RangeError);
    }
    assert.equal(new FrameReader().push(frame(whole)).length, 1);
  });

  it('row 13: forges a receipt, a head, a made secret or a note of a floor, which is dropped and ends nothing', async () => {
    const { world, tenant } = await opened();
    const forged = { bytes: new Uint8Array(64), mac: new Uint8Array(32) };
    const attacks: ToPolicy[] = [
      { type: 'receipt', receipt: forged },
      { type: 'head', answer: forged },
      { type: 'made', made: forged },
      { type: 'noted', noted: forged },
    ];
    for (const message of attacks) {
      // While a request waits for the real one.
      const asked = world.submit(world.signing(tenant, `beside a forged ${message.type}`));
      world.stack.give({ to: 'policy', message });
      assert.ok(world.verifies(tenant, `beside a forged ${message.type}`, await asked));
    }
    assert.deepEqual(world.ended, []);
    assert.equal(world.logged.filter(({ fields }) => fields.code === 'frame-forged').length, attacks.length);
    // Under the certifier's key the same message is read, and what means nothing ends the process.
    const sealed = world.contexts.certifier.seal('certifier-to-policy', 'receipt', new Uint8Array(64));
    world.stack.give({ to: 'policy', message: { type: 'receipt', receipt: sealed } });
    await settled();
    assert.deepEqual(world.ended, ['policy']);
  });

  it('row 13: floods with requests that nobody stamped, and an honest one is signed', async () => {
    const { world, tenant } = await opened();
    const honest = world.signing(tenant, 'in the flood');
    const rubbish = Array.from({ length: 3000 }, (_, number) => {
      const { phantomStamp } = honest;
      return { ...honest, phantomStamp, body: new Uint8Array(Buffer.from(`{"n":${number}}`)) };
    });
    const all = await Promise.all([...rubbish, honest].map((raw) => world.submit(raw)));
    assert.ok(world.verifies(tenant, 'in the flood', all.at(-1)));
    assert.ok(all.slice(0, -1).every(({ status }) => status >= 400));
    assert.equal(await world.signatureCount(), 1);
  });

  it('row 14: kills every process before or after any message of a request, and it counts once', async () => {
    for (const step of steps)
      for (const moment of ['before', 'after'] as const) {
        const { world, tenant } = await opened();
        world.restart(['policy']);
        const reached = atStep(world, step, (message) => {
          if (moment === 'before') {
            world.restart();
            return null;
          }
          setImmediate(() => setImmediate(() => world.restart()));
          return message;
        });
        const raw = making(world, tenant);
        await world.answerTo(raw);
        assert.ok(reached(), step.join(' '));
        world.watch();
        world.stack.resync();
        await settled();
        await assertMadeOnce(world, tenant, raw, `${moment} ${step.join(' ')}`);
      }
  });

  it('row 14, control: the same wish under a new stamp is a second wallet', async () => {
    const { world, tenant } = await opened();
    assert.equal((await world.submit(making(world, tenant))).status, 200);
    world.restart();
    assert.equal((await world.submit(making(world, tenant))).status, 200);
    assert.equal(await world.walletCount(tenant), 3);
  });
});
