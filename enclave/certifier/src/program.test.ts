import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leafHash, verifyInclusion } from '@keystead/crypto/merkle-tree';
import { openNote, parseCheckpoint } from '@keystead/crypto/signed-note';
import { authenticatorLeafKey, grantLeafKey, keyHashOf, walletLeafKey } from '@keystead/protocol/authority';
import { formatUuid, walletIdOf } from '@keystead/protocol/ids';
import { type Advance, HeadAnswer, Receipt } from '@keystead/protocol/receipt';
import { parseStamp, requestIdentity } from '@keystead/protocol/stamp';
import { keypair, TestEngine, testKey, type TestOrganization } from '../testing/engine.ts';
import { Harness, refusal, settled } from '../testing/harness.ts';
import { checkpointOrigin } from './program.ts';

const root = testKey(1);
const user = testKey(2);
const stranger = testKey(3);

interface Founded {
  readonly engine: TestEngine;
  readonly harness: Harness;
  readonly organization: TestOrganization;
}

async function founded(engine = new TestEngine()): Promise<Founded> {
  const harness = await Harness.started(engine);
  const request = engine.founding(root);
  const organization = engine.organizationOf(request);
  const receipt = await harness.advance([engine.change(organization, request)]);
  assert.deepEqual(receipt.refused, []);
  return { engine, harness, organization };
}

const addUser = ({ engine, organization }: Founded, by = root, added = user, username = 'user') =>
  engine.stamped(by, 'addUserToOrganization', {
    organizationId: organization.idText,
    user: { username, policy: { type: 'CEL', preset: 'ALLOW_ALL' }, authenticators: [keypair(added)] },
  });

/** The same organization for an engine that goes another way from here. */
const forked = (organization: TestOrganization): TestOrganization => ({
  ...organization,
  nodes: new Map(organization.nodes),
});

describe('a receipt', () => {
  it('has the same bytes for policy engine and signer, under the MAC of either edge', async () => {
    const { engine, harness, organization } = await founded();
    await harness.advance([engine.plain(organization, 3)]);
    const frame = harness.frames('receipt').at(-1)!;
    const forPolicy = engine.contexts.policy.open('certifier-to-policy', 'receipt', frame.forPolicy);
    const forSigner = engine.contexts.signer.open('certifier-to-signer', 'receipt', frame.forSigner);
    assert.deepEqual(forPolicy, forSigner);
    assert.throws(
      () => engine.contexts.signer.open('certifier-to-signer', 'receipt', frame.forPolicy),
      /MAC/,
    );
    const receipt = Receipt.decode(forSigner);
    assert.deepEqual(receipt.boot, engine.contexts.policy.boot);
    assert.equal(receipt.time, engine.now);
    assert.deepEqual(
      receipt.items.map(({ position }) => position),
      [2, 3, 4],
    );
    for (const item of receipt.items) assert.deepEqual(item.head, organization.head);
  });

  it('names the authority roots before and after a change', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const before = organization.head.authority;
    const receipt = await harness.advance([engine.change(organization, addUser(world))]);
    assert.deepEqual(receipt.items[0].authorityBefore, before);
    assert.deepEqual(receipt.items[0].authorityAfter, organization.head.authority);
    assert.notDeepEqual(before, organization.head.authority);
  });

  it('comes with a checkpoint that the certifier signed, and with proofs of inclusion under it', async () => {
    const { engine, harness, organization } = await founded();
    const origin = checkpointOrigin(engine.contexts.certifier.deploymentId);
    const verifier = { name: origin, publicKey: engine.contexts.policy.deployment.certifier.sign };
    for (const count of [1, 5, 2, 8, 3]) {
      const advance = engine.plain(organization, count);
      const receipt = await harness.advance([advance]);
      const frame = harness.frames('receipt').at(-1)!;
      const checkpoint = parseCheckpoint(openNote(frame.checkpoint, [verifier]).text);
      assert.deepEqual(checkpoint, { origin, size: receipt.size, root: receipt.root });
      assert.equal(frame.inclusions.length, count);
      for (const [index, inclusion] of frame.inclusions.entries()) {
        const leaf = leafHash(advance.entries[index].leaf);
        const proof = Array.from({ length: inclusion.proof.length / 32 }, (_, at) =>
          inclusion.proof.slice(at * 32, at * 32 + 32),
        );
        assert.ok(verifyInclusion(leaf, inclusion.index, receipt.size, proof, receipt.root));
        const other = leafHash(new Uint8Array(65));
        assert.ok(!verifyInclusion(other, inclusion.index, receipt.size, proof, receipt.root));
      }
    }
  });

  it('is given again for an entry of the last six minutes, with the present head, and for no other', async () => {
    const { engine, harness, organization } = await founded();
    const [first] = (await harness.advance([engine.plain(organization)])).items;
    await harness.advance([engine.plain(organization, 2)]);
    const { items } = await harness.query([first]);
    assert.deepEqual(items, [{ ...first, head: organization.head }]);
    assert.equal(refusal(await harness.query([{ ...first, hash: new Uint8Array(32) }])), 'not-recent');
    assert.equal(refusal(await harness.query([{ ...first, position: 3 }])), 'not-recent');
    const appends = (await harness.metrics()).appends;
    engine.now += 6 * 60_000 + 1;
    assert.equal(refusal(await harness.query([first])), 'not-recent');
    assert.equal((await harness.metrics()).appends, appends);
  });

  it('never leaves before the record is durable, and neither does a head', async () => {
    const { engine, harness, organization } = await founded();
    harness.heads.held = true;
    const before = harness.sent.length;
    harness.give(engine.order([[engine.plain(organization)]]));
    harness.giveHeadQuery(organization.id);
    await settled();
    assert.equal(harness.sent.length, before);
    harness.heads.release();
    await settled();
    assert.equal(harness.lastReceipt().items[0].position, 2);
    assert.equal((await harness.head(organization.id)).head?.position, 2);
  });

  it('that is asked for comes, as a head does, after all that every earlier order came to', async () => {
    const { engine, harness, organization } = await founded();
    const other = engine.organizationOf(engine.founding(stranger, 'Other'));
    const [first] = (await harness.advance([engine.plain(organization)])).items;
    const before = harness.sent.length;
    harness.heads.held = true;
    // Four records are on their way: the last order is not judged yet when the questions come.
    for (let index = 0; index < 4; index++) harness.give(engine.order([[engine.plain(organization)]]));
    const { policy } = engine.contexts;
    harness.give(
      engine.order([[engine.plain(organization)]]),
      harness.headQuery(organization.id, 5),
      harness.receiptQuery([first]),
      harness.headQuery(other.id, 6),
    );
    await settled();
    assert.equal(harness.sent.length, before);
    harness.heads.held = false;
    harness.heads.release();
    await settled();
    const told = harness.sent.slice(before).map((message) => {
      if (message.type === 'head')
        return HeadAnswer.decode(policy.open('certifier-to-policy', 'head-answer', message.answer));
      assert.ok(message.type === 'receipt');
      return Receipt.decode(policy.open('certifier-to-policy', 'receipt', message.forPolicy));
    });
    assert.deepEqual(
      told.map((each) => ('nonce' in each ? `head ${each.nonce}` : `receipt ${each.batch}`)),
      ['receipt 3', 'receipt 4', 'receipt 5', 'receipt 6', 'receipt 7', 'head 5', 'receipt 9999', 'head 6'],
    );
    const [head, query, absent] = told.slice(-3);
    assert.ok('nonce' in head && 'items' in query && 'nonce' in absent);
    assert.deepEqual(head.head, organization.head);
    assert.deepEqual(query.items[0].head, organization.head);
    assert.equal(absent.head, undefined);
  });

  it('shares its record with the next order although a head was asked for between them', async () => {
    const { engine, harness, organization } = await founded();
    const records = harness.heads.records.length;
    const orders = [1, 2].map(() => engine.order([[engine.plain(organization)]]));
    const before = harness.sent.length;
    harness.give(orders[0], harness.headQuery(organization.id), orders[1]);
    await settled();
    assert.deepEqual(
      harness.sent.slice(before).map(({ type }) => type),
      ['receipt', 'head', 'receipt'],
    );
    // Both orders share one record, and the question costs none.
    assert.equal(harness.heads.records.length, records + 1);
  });

  it('is decided ahead of durable records, at most four of them at a time', async () => {
    const { engine, harness, organization } = await founded();
    harness.heads.held = true;
    const before = harness.frames('receipt').length;
    for (let index = 0; index < 6; index++) harness.give(engine.order([[engine.plain(organization)]]));
    assert.equal(harness.heads.waiting, 4);
    harness.heads.held = false;
    harness.heads.release();
    await settled();
    const receipts = harness.frames('receipt').slice(before);
    assert.equal(receipts.length, 6);
    assert.deepEqual(
      receipts.map(({ batch }) => batch),
      [2, 3, 4, 5, 6, 7],
    );
    assert.deepEqual(harness.lastReceipt().refused, []);
  });

  it('shares one record with the other orders of its turn', async () => {
    const { engine, harness, organization } = await founded();
    const records = harness.heads.records.length;
    const orders = [1, 2, 3].map(() => engine.order([[engine.plain(organization)]]));
    harness.give(...orders);
    await settled();
    assert.equal(harness.heads.records.length, records + 1);
    assert.equal(harness.frames('receipt').length, 4);
  });
});

describe('an advance', () => {
  it('is not made by an order whose MAC is forged', async () => {
    const { engine, harness, organization } = await founded();
    const order = engine.order([[engine.plain(organization)]]);
    const mac = order.order.mac.slice();
    mac[0] ^= 1;
    const before = harness.sent.length;
    harness.give({ ...order, order: { ...order.order, mac } });
    await settled();
    assert.equal(harness.sent.length, before);
    assert.equal((await harness.metrics()).refused['frame-forged'], 1);
    harness.give(order);
    await settled();
    assert.deepEqual(harness.lastReceipt().refused, []);
  });

  const spoiled: [string, string, (advance: Advance) => Advance][] = [
    [
      'that skips a position',
      'entries',
      (a) => ({
        ...a,
        entries: a.entries.map((e) => ({ ...e, position: e.position + 1 })),
        to: { ...a.to, position: a.to.position + 1 },
      }),
    ],
    ['without entries', 'entries', (a) => ({ ...a, entries: [] })],
    [
      'whose end is not its last entry',
      'entries',
      (a) => ({ ...a, to: { ...a.to, hash: new Uint8Array(32) } }),
    ],
    ['from another head', 'head-moved', (a) => ({ ...a, from: { ...a.from, hash: new Uint8Array(32) } })],
    ['from a lower floor', 'head-moved', (a) => ({ ...a, from: { ...a.from, floor: a.from.floor + 1 } })],
    [
      'whose leaf commits to another entry',
      'leaf',
      (a) => ({ ...a, entries: a.entries.map((e) => ({ ...e, opening: new Uint8Array(16) })) }),
    ],
    [
      'whose leaf is of another type',
      'leaf',
      (a) => ({ ...a, entries: a.entries.map((e) => ({ ...e, leaf: e.leaf.with(0, 2) })) }),
    ],
    [
      'from the future',
      'entry-time',
      (a) => ({ ...a, entries: a.entries.map((e) => ({ ...e, time: e.time + 10_001 })) }),
    ],
    [
      'behind the newest mark',
      'entry-time',
      (a) => ({ ...a, entries: a.entries.map((e) => ({ ...e, time: e.time - 10_001 })) }),
    ],
    ['whose floor is above its end', 'floor', (a) => ({ ...a, to: { ...a.to, floor: a.to.position + 1 } })],
    [
      'that changes the authority set without evidence',
      'evidence-missing',
      (a) => ({ ...a, to: { ...a.to, authority: new Uint8Array(32).fill(1) } }),
    ],
  ];
  for (const [what, code, spoil] of spoiled) {
    it(`${what} is refused`, async () => {
      const { engine, harness, organization } = await founded();
      const advance = engine.plain(organization);
      const { head } = await harness.head(organization.id);
      assert.equal(refusal(await harness.advance([spoil(advance)])), code);
      assert.deepEqual((await harness.head(organization.id)).head, head);
      assert.equal(refusal(await harness.advance([advance])), undefined);
    });
  }

  it('is refused when its time lies before that of the entry before it', async () => {
    const { engine, harness, organization } = await founded();
    await harness.advance([engine.plain(organization)]);
    engine.now -= 1;
    assert.equal(refusal(await harness.advance([engine.plain(organization)])), 'entry-time');
  });

  it('is refused when its entry is dated back to a time at which nothing was recorded', async () => {
    const { engine, harness, organization } = await founded();
    const later = forked(organization);
    const old = engine.plain(organization);
    engine.now += 60_001;
    assert.equal(refusal(await harness.advance([old])), 'entry-time');
    assert.equal(refusal(await harness.advance([engine.plain(later)])), undefined);
  });

  it('wins once when two start from the same head', async () => {
    const { engine, harness, organization } = await founded();
    const other = forked(organization);
    const one = engine.plain(organization);
    engine.now += 1;
    const two = engine.plain(other);
    harness.give(engine.order([[one]]), engine.order([[two]]));
    await settled();
    const codes = harness
      .frames('receipt')
      .slice(-2)
      .map(({ forPolicy }) =>
        refusal(Receipt.decode(engine.contexts.policy.open('certifier-to-policy', 'receipt', forPolicy))),
      );
    assert.deepEqual(codes, [undefined, 'head-moved']);
    assert.deepEqual((await harness.head(organization.id)).head?.hash, one.to.hash);
  });

  it('moves with its group or not at all, and a refused group refuses no other', async () => {
    const { engine, harness, organization } = await founded();
    const request = engine.founding(stranger, 'Other');
    const other = engine.organizationOf(request);
    await harness.advance([engine.change(other, request)]);
    const bystander = forked(other);
    const before = (await harness.head(organization.id)).head;
    const good = engine.plain(organization);
    const bad = { ...engine.plain(other), from: { ...other.head } };
    const receipt = await harness.advance([good, bad], [engine.plain(bystander)]);
    assert.deepEqual(
      receipt.refused.map(({ code }) => code),
      ['head-moved', 'head-moved'],
    );
    assert.deepEqual(
      receipt.items.map(({ organization: id }) => formatUuid(id)),
      [other.idText],
    );
    assert.deepEqual((await harness.head(organization.id)).head, before);
    assert.equal(refusal(await harness.advance([good])), undefined);
  });

  it('may raise the floor and never lower it', async () => {
    const { engine, harness, organization } = await founded();
    assert.equal(refusal(await harness.advance([engine.plain(organization, 2, 3)])), undefined);
    assert.equal((await harness.head(organization.id)).head?.floor, 3);
    const lowered = forked(organization);
    assert.equal(refusal(await harness.advance([engine.plain(lowered, 1, 2)])), 'floor');
    assert.equal(refusal(await harness.advance([engine.plain(organization, 1, 3)])), undefined);
  });
});

describe('a founding', () => {
  it('makes an organization exist, once', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const request = engine.founding(root);
    const organization = engine.organizationOf(request);
    assert.equal((await harness.head(organization.id)).head, undefined);
    const advance = engine.change(organization, request);
    assert.equal(refusal(await harness.advance([advance])), undefined);
    assert.deepEqual((await harness.head(organization.id)).head, organization.head);
    assert.equal(refusal(await harness.advance([advance])), 'head-moved');
    assert.equal((await harness.metrics()).organizations, 1);
  });

  it('is refused under an id that does not follow from the request', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const request = engine.founding(root);
    const organization = { ...engine.organizationOf(request), id: new Uint8Array(16).fill(7) };
    assert.equal(refusal(await harness.advance([engine.change(organization, request)])), 'genesis-id');
  });

  it('is refused when the stamp is not by the key that it names', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const good = engine.founding(root);
    const forged = { ...good, phantomStamp: engine.founding(root, 'Other').phantomStamp };
    const organization = engine.organizationOf(forged);
    assert.equal(refusal(await harness.advance([engine.change(organization, forged)])), 'stamp-invalid');
  });

  it('is refused without evidence, and an organization that does not exist goes nowhere', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const organization = engine.organizationOf(engine.founding(root));
    const other = forked(organization);
    assert.equal(refusal(await harness.advance([engine.plain(organization)])), 'genesis-missing');
    assert.equal(refusal(await harness.advance([engine.plain(other, 2)])), 'genesis-missing');
  });

  it('is for operators alone where the operator says so', async () => {
    const key = Buffer.from(root.publicKey).toString('base64url');
    for (const [operatorKeys, code] of [
      [[], 'organization-creation-closed'],
      [[key], undefined],
    ] as const) {
      const engine = new TestEngine({ organizationCreation: 'operators', operatorKeys });
      const harness = await Harness.started(engine);
      const request = engine.founding(root);
      const advance = engine.change(engine.organizationOf(request), request);
      assert.equal(refusal(await harness.advance([advance])), code);
    }
  });
});

describe('a change of the authority set', () => {
  it('is accepted for a root stamp: a user, a wallet', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    assert.equal(refusal(await harness.advance([engine.change(organization, addUser(world))])), undefined);
    const make = engine.stamped(user, 'createWallet', {
      organizationId: organization.idText,
      walletName: 'W',
    });
    const made = { secret: new Uint8Array(32).fill(5), kind: 1 };
    assert.equal(refusal(await harness.advance([engine.change(organization, make, { made })])), undefined);
    const id = walletIdOf(organization.id, requestIdentity(parseStamp(make), make.body));
    const leaf = engine.leaf(organization, walletLeafKey(id));
    assert.deepEqual(leaf?.leaf === 'wallet' && leaf.secret, made.secret);
    assert.deepEqual((await harness.head(organization.id)).head, organization.head);
  });

  it('is refused for an authenticator that a policy engine adds without a root stamp', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    await harness.advance([engine.change(organization, addUser(world))]);
    const hostile = forked(organization);
    const add = (by: typeof root) =>
      engine.stamped(by, 'createAuthenticator', {
        organizationId: organization.idText,
        username: 'root',
        authenticator: keypair(stranger),
      });
    // What the rules would give if the user were root, written by an engine that does not ask them.
    const wanted = engine.change(forked(organization), add(root));
    const writes = engine.writesOf(wanted);
    const advance = engine.change(hostile, add(user), { change: { writes, narrowing: false } });
    assert.equal(refusal(await harness.advance([advance])), 'root-required');
    assert.equal(refusal(await harness.advance([engine.change(organization, add(root))])), undefined);
    assert.ok(engine.leaf(organization, authenticatorLeafKey(keyHashOf(1, stranger.publicKey))));
  });

  it('is refused when nobody stamped its request', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const request = addUser(world);
    const other = addUser(world, root, stranger);
    const hostile = forked(organization);
    const forged = engine.change(hostile, { ...request, phantomStamp: other.phantomStamp });
    assert.equal(refusal(await harness.advance([forged])), 'stamp-invalid');
    const control = engine.change(organization, request);
    assert.equal(refusal(await harness.advance([control])), undefined);
  });

  it('is refused with one write more, one less or another than the rule gives', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const request = addUser(world);
    const writes = engine.writesOf(engine.change(forked(organization), request));
    const extra = engine.writesOf(
      engine.change(forked(organization), addUser(world, root, stranger, 'other')),
    );
    const asRoot = writes.map(({ key, leaf }) => ({
      key,
      leaf: leaf?.leaf === 'user' ? { ...leaf, root: true } : leaf,
    }));
    const wrong = [[...writes, extra[0]], writes.slice(1), asRoot, [...writes.slice(0, -1), writes[0]]];
    for (const set of wrong) {
      const advance = engine.change(forked(organization), request, {
        change: { writes: set, narrowing: false },
      });
      assert.equal(refusal(await harness.advance([advance])), 'authority-writes');
    }
    const same = engine.change(organization, request, { change: { writes, narrowing: false } });
    assert.equal(refusal(await harness.advance([same])), undefined);
  });

  it('is refused when its writes do not give the root that it states', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const advance = engine.change(organization, addUser(world), {
      edit: (entry) => ({ ...entry, authorityAfter: new Uint8Array(32).fill(1) }),
    });
    assert.equal(refusal(await harness.advance([advance])), 'authority-root');
  });

  it('is refused when the entry says something else than the advance or the request', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const request = addUser(world);
    const other = addUser(world, root, stranger);
    const cases: [string, Parameters<TestEngine['change']>[2]][] = [
      ['evidence-entry', { edit: (entry) => ({ ...entry, decision: { ...entry.decision, outcome: 2 } }) }],
      ['evidence-entry', { edit: (entry) => ({ ...entry, previous: new Uint8Array(32) }) }],
      ['evidence-entry', { edit: (entry) => ({ ...entry, time: entry.time - 1 }) }],
      ['evidence-entry', { edit: (entry) => ({ ...entry, organization: new Uint8Array(16) }) }],
      ['evidence-entry', { edit: (entry) => ({ ...entry, authorityBefore: new Uint8Array(32) }) }],
      ['evidence-entry', { kind: 1 }],
      ['evidence-entry', { counterpart: new Uint8Array(16) }],
      ['evidence-entry', { editEvidence: (evidence) => ({ ...evidence, entry: new Uint8Array(8) }) }],
      ['evidence-request', { edit: (entry) => ({ ...entry, bodyDigest: new Uint8Array(32) }) }],
      ['evidence-request', { edit: (entry) => ({ ...entry, method: 'createWallet' }) }],
      ['evidence-request', { edit: (entry) => ({ ...entry, surface: 1 }) }],
      ['evidence-request', { edit: (entry) => ({ ...entry, authenticator: new Uint8Array(32) }) }],
      [
        'evidence-request',
        { edit: (entry) => ({ ...entry, identity: requestIdentity(parseStamp(other), other.body) }) },
      ],
      ['evidence-malformed', { editEvidence: (evidence) => ({ ...evidence, request: new Uint8Array(3) }) }],
      [
        'witness-incomplete',
        { editEvidence: (evidence) => ({ ...evidence, witness: evidence.witness.slice(1) }) },
      ],
      [
        'witness-incomplete',
        {
          editEvidence: (evidence) => ({
            ...evidence,
            witness: evidence.witness.map((node) => node.with(-1, 1)),
          }),
        },
      ],
      ['transfer-unmatched', { kind: 5 }],
    ];
    for (const [code, decision] of cases) {
      const advance = engine.change(forked(organization), request, decision);
      assert.equal(refusal(await harness.advance([advance])), code);
    }
    assert.equal(refusal(await harness.advance([engine.change(organization, request)])), undefined);
  });

  it('is refused for a request that names another organization', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const request = engine.founding(root, 'Other');
    const other = engine.organizationOf(request);
    await harness.advance([engine.change(other, request)]);
    const forOther = addUser({ ...world, organization: other });
    assert.equal(refusal(await harness.advance([engine.change(organization, forOther)])), 'evidence-request');
    assert.equal(refusal(await harness.advance([engine.change(other, forOther)])), undefined);
  });

  it('is refused for a stamp that is too old at the time of the entry', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const request = addUser(world);
    engine.now += 300_001;
    const late = engine.change(forked(organization), request);
    assert.equal(refusal(await harness.advance([late])), 'stamp-expired');
    engine.now -= 1;
    assert.equal(refusal(await harness.advance([engine.change(organization, request)])), undefined);
  });

  it('is refused a second time for the same request, also after a restart', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    const request = addUser(world);
    await harness.advance([engine.change(organization, request)]);
    const remove = engine.stamped(root, 'deleteUserFromOrganization', {
      organizationId: organization.idText,
      username: 'user',
    });
    await harness.advance([engine.change(organization, remove)]);
    const again = engine.change(forked(organization), request);
    assert.equal(refusal(await harness.advance([again])), 'request-used');
    const restarted = await Harness.started(engine, harness.heads);
    assert.equal(refusal(await restarted.advance([again])), 'request-used');
    engine.now += 1;
    const fresh = engine.change(organization, addUser(world));
    assert.equal(refusal(await restarted.advance([fresh])), undefined);
  });

  it('moves the floor to its own position when it takes something away', async () => {
    const world = await founded();
    const { engine, harness, organization } = world;
    await harness.advance([engine.change(organization, addUser(world))]);
    const remove = engine.stamped(root, 'deleteUserFromOrganization', {
      organizationId: organization.idText,
      username: 'user',
    });
    const kept = engine.change(forked(organization), remove, { floor: organization.head.floor });
    assert.equal(refusal(await harness.advance([kept])), 'floor');
    assert.equal(refusal(await harness.advance([engine.change(organization, remove)])), undefined);
    assert.equal((await harness.head(organization.id)).head?.floor, 3);
  });
});

describe('a transfer', () => {
  async function withWallet(receiving = root) {
    const world = await founded();
    const { engine, harness, organization } = world;
    const founding = engine.founding(receiving, 'Receiver');
    const receiver = engine.organizationOf(founding);
    await harness.advance([engine.change(receiver, founding)]);
    const make = engine.stamped(root, 'createWallet', {
      organizationId: organization.idText,
      walletName: 'W',
    });
    const made = { secret: new Uint8Array(32).fill(5), kind: 1 };
    await harness.advance([engine.change(organization, make, { made })]);
    const walletId = walletIdOf(organization.id, requestIdentity(parseStamp(make), make.body));
    const request = engine.stamped(root, 'transferOrganizationWallet', {
      ownerOrganizationId: organization.idText,
      targetOrganizationId: receiver.idText,
      walletId: formatUuid(walletId),
      retainPolicy: { version: 'v0', scopes: ['signatureTransaction'] },
    });
    return { ...world, receiver, walletId, request };
  }

  it('moves both organizations in one group', async () => {
    const { engine, harness, organization, receiver, walletId, request } = await withWallet();
    const receipt = await harness.advance(engine.transfer(organization, receiver, request));
    assert.deepEqual(receipt.refused, []);
    assert.equal(engine.leaf(organization, walletLeafKey(walletId)), undefined);
    assert.ok(engine.leaf(receiver, walletLeafKey(walletId)));
    assert.deepEqual((await harness.head(receiver.id)).head, receiver.head);
  });

  it('goes to no organization of which the stamping key is not a root key, too', async () => {
    const { engine, harness, organization, receiver, request } = await withWallet(stranger);
    const group = engine.transfer(organization, receiver, request);
    assert.equal(refusal(await harness.advance(group)), 'receiver-root-required');
  });

  it('is refused without the receiver, without the giver, and in two groups', async () => {
    const { engine, harness, organization, receiver, request } = await withWallet();
    const [given, received] = engine.transfer(organization, receiver, request);
    assert.equal(refusal(await harness.advance([given])), 'transfer-unmatched');
    assert.equal(refusal(await harness.advance([received])), 'transfer-unmatched');
    const apart = await harness.advance([given], [received]);
    assert.deepEqual(
      apart.refused.map(({ code }) => code),
      ['transfer-unmatched', 'transfer-unmatched'],
    );
    assert.equal(refusal(await harness.advance([given, received])), undefined);
  });

  it('writes into the receiver exactly what the giver may give', async () => {
    const { engine, harness, organization, receiver, request } = await withWallet();
    const hostile = engine.transfer(forked(organization), forked(receiver), request, (writes) =>
      writes.map(({ key, leaf }) => ({
        key,
        leaf: leaf?.leaf === 'grant' ? { ...leaf, scopes: ['owner'] } : leaf,
      })),
    );
    assert.equal(refusal(await harness.advance(hostile)), 'authority-writes');
    assert.equal(refusal(await harness.advance(engine.transfer(organization, receiver, request))), undefined);
  });

  it('takes grants of the wallet along, and no other leaf', async () => {
    const world = await withWallet();
    const { engine, harness, organization, receiver, walletId, request } = world;
    const make = engine.stamped(root, 'createWallet', {
      organizationId: organization.idText,
      walletName: 'Other',
    });
    const made = { secret: new Uint8Array(32).fill(6), kind: 1 };
    await harness.advance([engine.change(organization, make, { made })]);
    const otherId = walletIdOf(organization.id, requestIdentity(parseStamp(make), make.body));
    const grants = [];
    for (const id of [walletId, otherId]) {
      const grant = engine.stamped(root, 'grantOrganizationAccess', {
        ownerOrganizationId: organization.idText,
        targetOrganizationId: receiver.idText,
        walletId: formatUuid(id),
        policy: { version: 'v0', scopes: ['owner'] },
      });
      await harness.advance([engine.change(organization, grant)]);
      grants.push(grantLeafKey(id, receiver.id, ''));
    }
    const [own, foreign] = grants;
    const writes = [{ key: walletLeafKey(walletId), leaf: undefined }];
    const deleting = (...keys: Uint8Array[]) =>
      engine.transfer(forked(organization), forked(receiver), request, (all) => all, {
        walletGrants: [own],
        counterpart: receiver.id,
        change: { writes: [...writes, ...keys.map((key) => ({ key, leaf: undefined }))], narrowing: true },
      });
    assert.equal(refusal(await harness.advance(deleting(own, foreign))), 'grant-not-found');
    const key = authenticatorLeafKey(keyHashOf(1, root.publicKey));
    assert.equal(refusal(await harness.advance(deleting(own, key))), 'authority-writes');
    const group = engine.transfer(organization, receiver, request, (all) => all, { walletGrants: [own] });
    assert.equal(refusal(await harness.advance(group)), undefined);
    assert.equal(engine.leaf(organization, own), undefined);
    assert.ok(engine.leaf(organization, foreign));
  });

  it('does not make a receiver exist', async () => {
    const { engine, harness, organization, walletId } = await withWallet();
    const absent = engine.organizationOf(engine.founding(user, 'Nobody'));
    const request = engine.stamped(root, 'transferOrganizationWallet', {
      ownerOrganizationId: organization.idText,
      targetOrganizationId: absent.idText,
      walletId: formatUuid(walletId),
    });
    const group = engine.transfer(organization, absent, request);
    assert.equal(refusal(await harness.advance(group)), 'genesis-missing');
    assert.equal((await harness.head(absent.id)).head, undefined);
  });
});

describe('a log that was anchored anew', () => {
  /** A chain that this certifier's log does not know, as another log had it. */
  async function unknown(reanchorEpoch: number) {
    const world = await founded();
    const { engine, harness, organization } = world;
    await harness.advance([engine.plain(organization, 3)]);
    const { certifier } = engine.contexts;
    engine.contexts.certifier = { ...certifier, settings: { ...certifier.settings, reanchorEpoch } };
    organization.head = { ...organization.head, floor: organization.head.position };
    engine.now += 60_000;
    return { ...world, harness: await Harness.started(engine) };
  }

  it('takes no advance of an unknown chain but the confirmation of its root', async () => {
    const { engine, harness, organization } = await unknown(1);
    engine.now += 1000;
    const freeze = engine.stamped(root, 'freeze', { organizationId: organization.idText });
    const advances = [
      engine.plain(forked(organization)),
      engine.change(forked(organization), addUser({ engine, harness, organization })),
      // Of the root, but its stamp has no place for the end of the chain that it confirms.
      engine.change(forked(organization), freeze),
    ];
    for (const advance of advances) assert.equal(refusal(await harness.advance([advance])), 'unconfirmed');
    const { head, unconfirmed, since } = await harness.head(organization.id);
    assert.deepEqual([head, unconfirmed, since], [undefined, true, engine.now - 1000]);
    // A new organization has nothing to confirm.
    const request = engine.founding(user, 'New');
    const fresh = engine.organizationOf(request);
    assert.equal(refusal(await harness.advance([engine.change(fresh, request)])), undefined);
    assert.equal(refusal(await harness.advance([engine.plain(fresh)])), undefined);
    assert.equal((await harness.head(fresh.id)).unconfirmed, false);
  });

  it('without the operators’ word takes no unknown chain at all', async () => {
    const { engine, harness, organization } = await unknown(0);
    assert.equal(refusal(await harness.advance([engine.plain(organization)])), 'head-moved');
  });

  it('counts no stamp from before the epoch', async () => {
    const { engine, harness } = await unknown(1);
    const early = engine.stamped(root, 'createOrganization', foundingOf('Early'), engine.now - 1);
    const organization = engine.organizationOf(early);
    assert.equal(refusal(await harness.advance([engine.change(organization, early)])), 'stamp-expired');
    const later = engine.stamped(root, 'createOrganization', foundingOf('Later'), engine.now);
    const founding = engine.change(engine.organizationOf(later), later);
    assert.equal(refusal(await harness.advance([founding])), undefined);
  });
});

const foundingOf = (organizationName: string) => ({
  organizationName,
  users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair(root)] }],
});
