import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Store } from '@keystead/host-storage/store';
import { StoreError } from '@keystead/host-storage/store-error';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import { AnswerSignature } from '@keystead/protocol/answer';
import { checkpointInterval, zeroHash } from '@keystead/protocol/entry';
import { KeptRow } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import { sealedRowHash, wrapRow } from '@keystead/protocol/sealed-row';
import { EnclavePeer } from './testing/enclave-peer.ts';
import {
  bodyOf,
  boot,
  identityOf,
  json,
  noRows,
  randomHash,
  type RunningGateway,
  runGateway,
  sealed,
} from './testing/running-gateway.ts';

const compatibility = '/v1/wallets/kms/rpc';
const organization = Buffer.alloc(16, 1);

/** What the policy engine sends for one decided request. */
function batchFor(refs: number[], identity: Uint8Array, number = 1, secret?: Uint8Array) {
  return {
    type: 'batch' as const,
    batch: number,
    rows: {
      ...noRows(),
      entries: [{ organization, position: number, bytes: Buffer.from(`entry ${number}`), checkpoint: false }],
    },
    advance: sealed(boot, `order ${number}`),
    query: undefined,
    tickets: sealed(boot, `tickets ${number}`),
    waiting: [{ identity, refs, secret }],
  };
}

function receiptFor(number: number, of = boot) {
  return {
    type: 'receipt' as const,
    batch: number,
    forPolicy: sealed(of, `receipt ${number} for policy`),
    forSigner: sealed(of, `receipt ${number} for signer`),
    checkpoint: '',
    inclusions: [],
  };
}

const answerOf = (identity: Uint8Array, result: unknown, status = 200) => ({
  identity,
  status,
  body: json(result),
  signature: new Uint8Array(0),
});

/** An answer signature as the gateway reads it: it verifies none. */
function statingOrganization(first: number): Uint8Array {
  return AnswerSignature.encode({
    statement: {
      version: 1,
      role: 1,
      deployment: zeroHash,
      identity: zeroHash,
      status: 200,
      resultDigest: zeroHash,
      organization: Buffer.alloc(16, first),
      position: 1,
      head: zeroHash,
      time: 0,
    },
    index: 0,
    size: 1,
    path: [],
    signature: new Uint8Array(64),
    inclusion: undefined,
  });
}

/** Takes every request through a whole tick with one ticket each; the signer answers with the body it got. */
function answerAll({ policy, signer, certifier }: RunningGateway): void {
  let number = 0;
  const bodies = new Map<string, string>();
  policy.react = (message) => {
    if (message.type !== 'requests') return;
    for (const item of message.items) {
      const body = bodyOf(item);
      const identity = identityOf(`${body}|`);
      bodies.set(Buffer.from(identity).toString('hex'), body);
      number += 1;
      policy.send(batchFor([item.ref], identity, number));
      order.push(identity);
    }
  };
  const order: Uint8Array[] = [];
  certifier.react = (message) => {
    if (message.type === 'advance')
      certifier.send(receiptFor(Number(Buffer.from(message.order.bytes.subarray(16)).toString().slice(6))));
  };
  signer.react = (message) => {
    if (message.type !== 'tickets' || message.tickets === undefined) return;
    const index = Number(Buffer.from(message.tickets.bytes.subarray(16)).toString().slice(8)) - 1;
    const identity = order[index]!;
    const body = bodies.get(Buffer.from(identity).toString('hex'));
    signer.send({ type: 'answers', answers: [answerOf(identity, { body })] });
  };
}

describe('tick', () => {
  it('hands the same frame with the untouched request to policy engine and signer', async (context) => {
    const running = await runGateway(context);
    const { policy, signer } = running;
    const body = ' {"method" : "x",\n"params":null}\u00e9 ';
    const answer = running.post('/v1/rpc', body, {
      'Signature-Input': 'keystead=(...)',
      'Keystead-Seen': 'none',
      'Content-Type': 'a b; c',
    });
    const [toPolicy, toSigner] = await Promise.all([policy.next('requests'), signer.next('requests')]);
    assert.deepEqual(toPolicy, toSigner);
    const { ref, owner } = toPolicy.items[0]!;
    assert.equal(owner, undefined);
    assert.equal(bodyOf(toPolicy.items[0]!), body);
    policy.send({ type: 'answers', answers: [{ refs: [ref], answer: answerOf(zeroHash, { ok: 1 }) }] });
    assert.deepEqual(await (await answer).json(), { result: { ok: 1 } });
  });

  it('puts all requests of one turn into one frame', async (context) => {
    const running = await runGateway(context);
    const { policy } = running;
    answerAll(running);
    const head = (body: string) =>
      `POST ${compatibility} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const { connect } = await import('node:net');
    const socket = connect(running.gateway.port, '127.0.0.1', () =>
      socket.write(head('a') + head('b') + head('c')),
    );
    context.after(() => socket.destroy());
    const requests = await policy.next('requests');
    assert.deepEqual(requests.items.map(bodyOf), ['a', 'b', 'c']);
    assert.equal(policy.messages.filter(({ type }) => type === 'requests').length, 1);
  });

  it('sends the orders of a turn and commits their rows in one go; nobody hears of a receipt before', async (context) => {
    const log: string[] = [];
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = await runGateway(context, {
      wrapStore: (store: Store) => ({
        ...bound(store),
        commit: async (batches) => {
          log.push(`commit of ${batches.length}`);
          await held;
          await store.commit(batches);
          log.push('kept');
        },
      }),
    });
    const { policy, signer, certifier } = running;
    policy.react = ({ type }) => void (type === 'receipt' && log.push('receipt'));
    signer.react = ({ type }) => void (type === 'tickets' && log.push('tickets'));
    certifier.react = (message) => {
      if (message.type !== 'advance') return;
      const number = Number(Buffer.from(message.order.bytes.subarray(16)).toString().slice(6));
      certifier.send(receiptFor(number));
    };
    policy.sendTogether([batchFor([], randomHash(), 1), batchFor([], randomHash(), 2)]);
    const first = await certifier.next('advance');
    await certifier.next('advance');
    const [kept] = first.rows.map((row) => KeptRow.decode(row));
    assert.equal(kept?.row === 'entry' && Buffer.from(kept.bytes).toString(), 'entry 1');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(log, ['commit of 2']);
    release();
    for (let count = 0; count < 2; count += 1) await signer.next('tickets');
    for (let count = 0; count < 2; count += 1) await policy.next('receipt');
    assert.deepEqual(log.slice(0, 2), ['commit of 2', 'kept']);
    assert.deepEqual(log.slice(2).sort(), ['receipt', 'receipt', 'tickets', 'tickets']);
    assert.equal(Buffer.from((await running.store.entry(organization, 2))!).toString(), 'entry 2');
  });

  it('keeps rows first that the heads log might not hold, and those beside a question for a head', async (context) => {
    const log: string[] = [];
    const running = await runGateway(context, {
      wrapStore: (store: Store) => ({
        ...bound(store),
        commit: async (batches) => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          await store.commit(batches);
          log.push('kept');
        },
      }),
    });
    const { policy, certifier } = running;
    certifier.react = ({ type }) => void (type === 'advance' && log.push(type));
    const nodes = Array.from({ length: 17 }, () => ({ hash: randomHash(), bytes: Buffer.alloc(262_144) }));
    const large = batchFor([], randomHash(), 1);
    const withoutOrder = { ...batchFor([], randomHash(), 2), advance: undefined, tickets: undefined };
    for (const together of [
      [{ ...large, rows: { ...large.rows, nodes } }],
      [
        { ...withoutOrder, rows: { ...noRows(), nodes: nodes.slice(0, 1) }, waiting: [] },
        batchFor([], randomHash(), 3),
      ],
      [batchFor([], randomHash(), 4), { type: 'queryHead' as const, query: sealed(boot, 'head') }],
      [batchFor([], randomHash(), 5)],
    ]) {
      policy.sendTogether(together);
      await certifier.next('advance');
    }
    while (log.length < 8) await new Promise(setImmediate);
    assert.deepEqual(log, ['kept', 'advance', 'kept', 'advance', 'kept', 'advance', 'advance', 'kept']);
  });

  it('gives the signer no ticket before the receipt, and then the sealed rows in order', async (context) => {
    const running = await runGateway(context);
    const { policy, signer, certifier } = running;
    const secrets = [randomHash(), randomHash()];
    await running.store.commit([
      {
        ...noRows(),
        owners: [],
        secrets: secrets.map((hash, index) => ({ hash, bytes: Buffer.from(`sealed ${index}`) })),
      },
    ]);
    const batch = batchFor([], randomHash());
    policy.send({
      ...batch,
      waiting: secrets.toReversed().map((secret) => ({ identity: randomHash(), refs: [], secret })),
    });
    await certifier.next('advance');
    assert.equal(signer.messages.length, 0);
    certifier.send(receiptFor(1));
    const tickets = await signer.next('tickets');
    assert.equal(Buffer.from(tickets.tickets!.bytes.subarray(16)).toString(), 'tickets 1');
    assert.equal(Buffer.from(tickets.receipt.bytes.subarray(16)).toString(), 'receipt 1 for signer');
    assert.deepEqual(
      tickets.secrets.map(({ sealed: row }) => Buffer.from(row).toString()),
      ['sealed 1', 'sealed 0'],
    );
    const receipt = await policy.next('receipt');
    assert.equal(Buffer.from(receipt.receipt.bytes.subarray(16)).toString(), 'receipt 1 for policy');
  });

  it('ignores a receipt of another start of the policy engine with the same number', async (context) => {
    const { policy, signer, certifier } = await runGateway(context);
    policy.send(batchFor([], randomHash()));
    await certifier.next('advance');
    certifier.sendTogether([receiptFor(1, new Uint8Array(16)), receiptFor(1)]);
    const tickets = await signer.next('tickets');
    assert.equal(Buffer.compare(tickets.receipt.bytes.subarray(0, 16), boot), 0);
  });

  it('answers each of many concurrent callers with its own answer', async (context) => {
    const running = await runGateway(context);
    answerAll(running);
    const bodies = Array.from({ length: 40 }, (_, index) => `request ${index}`);
    const answers = await Promise.all(
      bodies.map(async (body) => (await running.post(compatibility, body)).json()),
    );
    assert.deepEqual(
      answers,
      bodies.map((body) => ({ result: { body } })),
    );
  });

  it('gives no answer to a ref that is bound to another identity or that carried other bytes', async (context) => {
    const running = await runGateway(context, { patience: 700 });
    const { policy, signer, certifier } = running;
    const first = running.post(compatibility, 'first');
    const [a] = (await policy.next('requests')).items;
    const second = running.post(compatibility, 'second');
    const [b] = (await policy.next('requests')).items;
    const [one, two] = [identityOf('one'), identityOf('two')];
    policy.send(batchFor([a!.ref], one, 1));
    await certifier.next('advance');
    // The second batch names both refs, the first of which belongs to `one`.
    policy.send(batchFor([a!.ref, b!.ref], two, 2));
    await certifier.next('advance');
    policy.send({ type: 'answers', answers: [{ refs: [b!.ref], answer: answerOf(one, 'swapped') }] });
    signer.send({ type: 'answers', answers: [answerOf(two, 'two')] });
    assert.deepEqual(await (await second).json(), { result: 'two' });
    assert.equal((await first).status, 503);
  });

  it('answers all callers of identical bytes with one answer', async (context) => {
    const running = await runGateway(context);
    const { policy, signer, certifier } = running;
    const answers = [running.post(compatibility, 'same'), running.post(compatibility, 'same')];
    const refs: number[] = [];
    while (refs.length < 2) refs.push(...(await policy.next('requests')).items.map(({ ref }) => ref));
    policy.send(batchFor(refs, identityOf('same')));
    await certifier.next('advance');
    signer.send({ type: 'answers', answers: [answerOf(identityOf('same'), 'one')] });
    for (const answer of answers) assert.deepEqual(await (await answer).json(), { result: 'one' });
  });

  it('adds request id and signature to an error and changes nothing else of it', async (context) => {
    const running = await runGateway(context);
    const { policy } = running;
    const answer = running.post(compatibility, '{}');
    const [item] = (await policy.next('requests')).items;
    const stated = { code: 'policy-denied', detail: 'd', rule: 'r' };
    policy.send({
      type: 'answers',
      answers: [
        {
          refs: [item!.ref],
          answer: { ...answerOf(identityOf('x'), stated, 403), signature: Buffer.from('s') },
        },
      ],
    });
    const response = await answer;
    assert.equal(response.status, 403);
    const requestId = response.headers.get('x-request-id');
    assert.deepEqual(await response.json(), { ...stated, requestId, signature: 'cw' });
  });

  it('answers prepare and simulations with the bare result and the signature in a header', async (context) => {
    const running = await runGateway(context);
    const { policy } = running;
    for (const path of ['/v1/wallets/prepare', '/v1/wallets/simulations']) {
      const answer = running.post(path, '{}');
      const [item] = (await policy.next('requests')).items;
      const stated = { ...answerOf(identityOf(path), { transaction: 'x' }), signature: Buffer.from('s') };
      policy.send({ type: 'answers', answers: [{ refs: [item!.ref], answer: stated }] });
      const response = await answer;
      assert.deepEqual(await response.json(), { transaction: 'x' });
      assert.equal(response.headers.get('keystead-signature'), 'cw');
    }
  });
});

describe('rows', () => {
  it('answers row queries from the store', async (context) => {
    const { policy, store } = await runGateway(context);
    const [node, walletId] = [randomHash(), Buffer.alloc(16, 5)];
    policy.send({
      ...batchFor([], randomHash()),
      rows: {
        entries: [3, 4, 5].map((position) => ({
          organization,
          position,
          bytes: Buffer.from(`e${position}`),
          checkpoint: position === 4,
        })),
        nodes: [{ hash: node, bytes: Buffer.from('node') }],
        secrets: [],
        owners: [{ walletId, organization }],
      },
    });
    while ((await store.entry(organization, 5)) === undefined) await new Promise(setImmediate);
    policy.send({
      type: 'queryRows',
      queries: [
        { id: 1, query: { kind: 'entries', organization, from: 4, limit: 9 } },
        { id: 2, query: { kind: 'newestCheckpoint', organization, atMost: 99 } },
        { id: 3, query: { kind: 'node', hash: node } },
        { id: 4, query: { kind: 'ownerOf', walletId } },
        { id: 5, query: { kind: 'node', hash: randomHash() } },
        { id: 6, query: { kind: 'newestCheckpoint', organization, atMost: 3 } },
      ],
    });
    const { answers } = await policy.next('rows');
    const shown = answers.map(({ id, rows }) => [id, rows.map((row) => Buffer.from(row).toString('hex'))]);
    const hex = (text: string) => Buffer.from(text).toString('hex');
    assert.deepEqual(shown, [
      [1, [hex('e4'), hex('e5')]],
      [2, ['0000000000000004']],
      [3, [hex('node')]],
      [4, [organization.toString('hex')]],
      [5, []],
      [6, []],
    ]);
  });

  it('attaches the sealed row that a make names, and passes made and heads on', async (context) => {
    const { policy, signer, certifier, store } = await runGateway(context);
    const hash = randomHash();
    await store.commit([{ ...noRows(), owners: [], secrets: [{ hash, bytes: Buffer.from('row') }] }]);
    policy.send({ type: 'make', make: sealed(boot, 'make'), secret: hash });
    assert.equal(Buffer.from((await signer.next('make')).sealed!).toString(), 'row');
    policy.send({ type: 'make', make: sealed(boot, 'make'), secret: undefined });
    assert.equal((await signer.next('make')).sealed, undefined);
    signer.send({ type: 'made', made: sealed(boot, 'made') });
    assert.equal(Buffer.from((await policy.next('made')).made.bytes.subarray(16)).toString(), 'made');
    policy.send({ type: 'queryHead', query: sealed(boot, 'query') });
    await certifier.next('queryHead');
    certifier.send({ type: 'head', answer: sealed(boot, 'head') });
    await policy.next('head');
  });

  it('hands the certifier every row of a batch, and ahead of the order what its frame has no room for', async (context) => {
    const { policy, certifier } = await runGateway(context);
    const rows = {
      entries: [{ organization, position: 64, bytes: Buffer.from('entry'), checkpoint: true }],
      nodes: [{ hash: randomHash(), bytes: Buffer.from('node') }],
      secrets: [{ hash: randomHash(), bytes: Buffer.from('secret') }],
      owners: [{ walletId: randomHash().subarray(0, 16), organization }],
    };
    policy.send({ ...batchFor([], randomHash(), 1), rows });
    const decoded = (bytes: readonly Uint8Array[]) => bytes.map((row) => KeptRow.decode(row));
    const alone = decoded((await certifier.next('advance')).rows);
    assert.deepEqual(
      alone.map((row) => row.row),
      ['entry', 'node', 'secret', 'owner'],
    );
    assert.deepEqual(alone[0]!.row === 'entry' && [alone[0]!.position, alone[0]!.checkpoint], [64, true]);

    const node = () => ({ hash: randomHash(), bytes: Buffer.alloc(262144) });
    const before = { ...noRows(), nodes: [node()] };
    const none = { advance: undefined, tickets: undefined, waiting: [] };
    policy.send({ ...batchFor([], randomHash(), 2), ...none, rows: before });
    const together = { ...batchFor([], randomHash(), 3).rows, nodes: Array.from({ length: 40 }, node) };
    policy.send({ ...batchFor([], randomHash(), 3), rows: together });
    const received: Uint8Array[] = [];
    received.push(...(await certifier.next('rows')).rows);
    assert.equal(received.length, 1);
    received.push(...(await certifier.next('rows')).rows);
    received.push(...(await certifier.next('advance')).rows);
    const hashes = decoded(received).flatMap((row) => (row.row === 'node' ? [row.hash] : []));
    const sent = [...before.nodes, ...together.nodes].map(({ hash }) => new Uint8Array(hash));
    assert.deepEqual(hashes, sent);
    assert.equal(received.length, 42);
  });

  it('rolls the store forward by the certifier’s tail before it takes requests', async (context) => {
    const running = await runGateway(context);
    const entry = (position: number, text: string) => ({
      organization,
      position,
      bytes: Buffer.from(text),
      checkpoint: position % checkpointInterval === 0,
    });
    const rowOf = (position: number, text: string) =>
      KeptRow.encode({ row: 'entry', ...entry(position, text) });
    await running.store.commit([
      { ...noRows(), owners: [], entries: [entry(1, 'kept'), entry(2, 'never certified')] },
    ]);
    const wallet = Buffer.alloc(16, 9);
    const nodes = ['node', 'other node'].map((text) => Buffer.from(text));
    const wrapping = { generation: 1, nonce: Buffer.alloc(12), wrappedKey: Buffer.alloc(48) };
    const secret = wrapRow(wrapping, Buffer.from('sealed row'));
    const secretHash = sealedRowHash(secret);
    running.certifier.close();
    while ((await fetch(`${running.url}/readyz`)).status === 200) await new Promise(setImmediate);
    const certifier = await EnclavePeer.connect('certifier', running.socket);
    context.after(() => certifier.close());
    certifier.send({ type: 'tail', rows: [rowOf(1, 'kept'), rowOf(2, 'certified')], last: false });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await running.post(compatibility, 'early')).status, 503);
    certifier.send({
      type: 'tail',
      rows: [
        rowOf(checkpointInterval, 'checkpoint'),
        KeptRow.encode({ row: 'node', hash: mapNodeHash(nodes[0]!), bytes: nodes[0]! }),
        KeptRow.encode({ row: 'node', hash: mapNodeHash(nodes[1]!), bytes: Buffer.from('forged') }),
        KeptRow.encode({ row: 'secret', hash: secretHash, bytes: secret }),
        KeptRow.encode({ row: 'secret', hash: randomHash(), bytes: secret }),
        KeptRow.encode({ row: 'owner', walletId: wallet, organization }),
        KeptRow.encode({ row: 'owner', walletId: wallet, organization: Buffer.alloc(16, 3) }),
        Buffer.from('no row'),
      ],
      last: true,
    });
    await running.ready();
    const { store } = running;
    assert.equal(Buffer.from((await store.entry(organization, 2))!).toString(), 'certified');
    assert.equal(await store.newestCheckpoint(organization, checkpointInterval), checkpointInterval);
    assert.equal(Buffer.from((await store.node(mapNodeHash(nodes[0]!)))!).toString(), 'node');
    assert.equal(await store.node(mapNodeHash(nodes[1]!)), undefined);
    assert.deepEqual(await store.secret(secretHash), secret);
    assert.deepEqual(Buffer.from((await store.ownerOf(formatUuid(wallet)))!), organization);
    await running.policy.next('resync');
  });

  it('takes requests after the first frame that the store has whole, and puts back what is missing further back', async (context) => {
    const running = await runGateway(context);
    const entry = (position: number) => ({
      organization,
      position,
      bytes: Buffer.from(`entry ${position}`),
      checkpoint: position % checkpointInterval === 0,
    });
    const rowOf = (position: number) => KeptRow.encode({ row: 'entry', ...entry(position) });
    const wallet = Buffer.alloc(16, 9);
    const owners = [{ walletId: formatUuid(wallet), organization }];
    await running.store.commit([{ ...noRows(), owners, entries: [entry(1), entry(4)] }]);
    running.certifier.close();
    while ((await fetch(`${running.url}/readyz`)).status === 200) await new Promise(setImmediate);
    const certifier = await EnclavePeer.connect('certifier', running.socket);
    context.after(() => certifier.close());
    const node = Buffer.from('node');
    // A node says nothing of what else the store has.
    await running.store.commit([
      { ...noRows(), owners: [], nodes: [{ hash: mapNodeHash(node), bytes: node }] },
    ]);
    certifier.send({
      type: 'tail',
      rows: [KeptRow.encode({ row: 'node', hash: mapNodeHash(node), bytes: node })],
      last: false,
    });
    certifier.send({ type: 'tail', rows: [rowOf(3)], last: false });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await running.post(compatibility, 'early')).status, 503);
    certifier.send({ type: 'tail', rows: [rowOf(4)], last: false });
    await running.ready();
    await running.policy.next('resync');
    // Older hints do not take the place of those that the store has by now.
    certifier.send({
      type: 'tail',
      rows: [rowOf(2), KeptRow.encode({ row: 'owner', walletId: wallet, organization: Buffer.alloc(16, 3) })],
      last: true,
    });
    await running.policy.next('resync');
    const { store } = running;
    for (const position of [1, 2, 3, 4])
      assert.equal(Buffer.from((await store.entry(organization, position))!).toString(), `entry ${position}`);
    assert.deepEqual(Buffer.from((await store.ownerOf(formatUuid(wallet)))!), organization);
  });
});

describe('order', () => {
  /** A store whose commits wait until `release`. */
  function heldStore() {
    let held: Promise<void> = Promise.resolve();
    let release: () => void = () => {};
    return {
      begun: 0,
      hold() {
        held = new Promise((resolve) => (release = resolve));
      },
      release: () => release(),
      wrap(store: Store): Store {
        return {
          ...bound(store),
          commit: async (batches) => {
            this.begun += 1;
            await held;
            await store.commit(batches);
          },
        };
      },
    };
  }

  const told = ({ messages }: EnclavePeer<'certifier'>) =>
    messages.map((message) => {
      const sealed =
        message.type === 'advance' ? message.order : message.type === 'queryHead' && message.query;
      return sealed ? Buffer.from(sealed.bytes.subarray(16)).toString() : message.type;
    });

  async function again(context: TestContext, running: RunningGateway, role: 'signer' | 'certifier') {
    running[role].close();
    while ((await fetch(`${running.url}/healthz`)).status === 200) await new Promise(setImmediate);
    const peer = await EnclavePeer.connect(role, running.socket);
    context.after(() => peer.close());
    return peer;
  }

  const query = (text: string) => ({ type: 'queryHead' as const, query: sealed(boot, text) });

  it('lets no question for a head pass the batch that came before it', async (context) => {
    const store = heldStore();
    const running = await runGateway(context, { wrapStore: (inner) => store.wrap(inner) });
    const { policy, certifier } = running;
    store.hold();
    policy.sendTogether([query('head 0'), batchFor([], randomHash(), 1), query('head 1')]);
    await certifier.next('queryHead');
    while (store.begun === 0) await new Promise(setImmediate);
    policy.sendTogether([query('head 2'), batchFor([], randomHash(), 2), query('head 3')]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(told(certifier), ['head 0']);
    store.release();
    for (let count = 0; count < 3; count++) await certifier.next('queryHead');
    assert.deepEqual(told(certifier), ['head 0', 'order 1', 'head 1', 'head 2', 'order 2', 'head 3']);
  });

  for (const role of ['signer', 'certifier'] as const)
    it(`sends no order of before the resync after the loss of the ${role}, and answers no head before the rows of one that had left`, async (context) => {
      const store = heldStore();
      const running = await runGateway(context, { wrapStore: (inner) => store.wrap(inner) });
      const { policy } = running;
      store.hold();
      policy.send(batchFor([], randomHash(), 1));
      while (store.begun === 0) await new Promise(setImmediate);
      policy.sendTogether([batchFor([], randomHash(), 2), query('of the tail before')]);
      const peer = await again(context, running, role);
      const certifier = role === 'certifier' ? (peer as EnclavePeer<'certifier'>) : running.certifier;
      if (role === 'certifier') {
        certifier.send({ type: 'tail', rows: [], last: true });
        // The tail waits for what is being committed.
        await new Promise((resolve) => setTimeout(resolve, 50));
        store.release();
      }
      await policy.next('resync');
      store.release();
      policy.sendTogether([query('head'), batchFor([], randomHash(), 3)]);
      for (;;) {
        const { order } = await certifier.next('advance');
        if (Buffer.from(order.bytes.subarray(16)).toString() === 'order 3') break;
      }
      const before = role === 'signer' ? ['order 1'] : [];
      assert.deepEqual(told(certifier), [...before, 'head', 'order 3']);
      assert.equal(Buffer.from((await running.store.entry(organization, 1))!).toString(), 'entry 1');
      assert.equal(await running.store.entry(organization, 2), undefined);
    });

  it('puts no row in the place of a certified one: drops the batch and resyncs', async (context) => {
    const running = await runGateway(context);
    const { policy, certifier, store } = running;
    const changed = (number: number) => {
      const batch = batchFor([], randomHash(), number);
      const [entry] = batch.rows.entries;
      return { ...batch, rows: { ...noRows(), entries: [{ ...entry!, bytes: Buffer.from('another') }] } };
    };
    for (const number of [1, 2]) policy.send(batchFor([], randomHash(), number));
    await certifier.next('advance');
    await certifier.next('advance');
    certifier.send({
      ...receiptFor(1),
      inclusions: [{ organization, position: 1, index: 1, proof: new Uint8Array(0) }],
    });
    await policy.next('receipt');
    // What is not history yet may be replaced, and what is may come again as it was.
    policy.sendTogether([changed(2), batchFor([], randomHash(), 1)]);
    await certifier.next('advance');
    await certifier.next('advance');
    assert.equal(Buffer.from((await store.entry(organization, 2))!).toString(), 'another');

    const waiting = running.post(compatibility, 'x');
    const [item] = (await policy.next('requests')).items;
    policy.sendTogether([
      { ...changed(1), waiting: [{ identity: randomHash(), refs: [item!.ref], secret: undefined }] },
    ]);
    assert.equal((await waiting).status, 503);
    await policy.next('resync');
    assert.equal(Buffer.from((await store.entry(organization, 1))!).toString(), 'entry 1');
    policy.send(batchFor([], randomHash(), 3));
    await certifier.next('advance');
    assert.deepEqual(told(certifier), ['order 1', 'order 2', 'order 2', 'order 1', 'order 3']);
  });
});

describe('failure', () => {
  /** Rows that are committed together with a question for a head are committed before their order leaves. */
  const besideHead = { type: 'queryHead' as const, query: sealed(boot, 'head') };

  it('answers 503 when no answer comes in time, and drops the late one', async (context) => {
    const running = await runGateway(context, { patience: 300 });
    const response = await running.post(compatibility, 'x');
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('retry-after'), '1');
    assert.equal(((await response.json()) as { code: string }).code, 'unavailable');
    const [item] = (await running.policy.next('requests')).items;
    running.policy.send({
      type: 'answers',
      answers: [{ refs: [item!.ref], answer: answerOf(zeroHash, 'late') }],
    });
    answerAll(running);
    assert.deepEqual(await (await running.post(compatibility, 'y')).json(), { result: { body: 'y' } });
  });

  it('sheds what is above the bound with overloaded, and finishes what it accepted', async (context) => {
    const running = await runGateway(context, { limits: { callers: 2 } });
    const { policy } = running;
    const accepted = [running.post(compatibility, 'a'), running.post(compatibility, 'b')];
    const items: { ref: number }[] = [];
    while (items.length < 2) items.push(...(await policy.next('requests')).items);
    const shed = await running.post(compatibility, 'c');
    assert.equal(shed.status, 503);
    assert.equal(shed.headers.get('retry-after'), '1');
    assert.equal(((await shed.json()) as { code: string }).code, 'overloaded');
    for (const { ref } of items)
      policy.send({ type: 'answers', answers: [{ refs: [ref], answer: answerOf(zeroHash, 'done') }] });
    for (const answer of accepted) assert.equal((await answer).status, 200);
  });

  const stampOf = (publicKey: string) => ({
    'x-phantom-stamp': Buffer.from(JSON.stringify({ publicKey })).toString('base64url'),
  });
  /** Requests as they leave; each is answered when the test says so. */
  async function floodable(
    context: TestContext,
    options: {
      readonly window: number;
      readonly callers?: number;
      /** Keys, and the first bytes of the organization that the answers to them name. */
      readonly keys?: Readonly<Record<string, number>>;
    },
  ) {
    const { window, callers = 2000, keys = { a: 0, b: 0 } } = options;
    const running = await runGateway(context, { window, limits: { callers }, hold: { refusals: 0 } });
    const { policy } = running;
    const left: string[] = [];
    const answers = new Map<string, () => void>();
    policy.react = (message) => {
      if (message.type !== 'requests') return;
      for (const item of message.items) {
        const body = bodyOf(item);
        left.push(body);
        answers.set(body, () =>
          policy.send({
            type: 'answers',
            answers: [
              {
                refs: [item.ref],
                answer: { ...answerOf(zeroHash, body), signature: signatures.get(body) ?? unsigned },
              },
            ],
          }),
        );
      }
    };
    const unsigned = new Uint8Array(0);
    const signatures = new Map(
      Object.entries(keys).map(([key, organization]) => [
        `first of ${key}`,
        organization === 0 ? unsigned : statingOrganization(organization),
      ]),
    );
    const send = (key: string, body: string) => running.post(compatibility, body, stampOf(key));
    const until = async (holds: () => boolean | Promise<boolean>) => {
      while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const waiting = async (count: number) =>
      until(async () => {
        const text = await (await fetch(`${running.url}/metrics`)).text();
        return text.includes(`\nkeystead_gateway_waiting ${count}\n`);
      });
    /** Answers whatever leaves until everything was answered. */
    const answerRest = () => {
      const { react } = policy;
      policy.react = (message) => {
        react(message);
        for (const answer of answers.values()) answer();
      };
      for (const answer of answers.values()) answer();
    };
    for (const key of Object.keys(keys)) {
      const first = send(key, `first of ${key}`);
      await until(() => left.includes(`first of ${key}`));
      answers.get(`first of ${key}`)!();
      assert.equal((await first).status, 200);
    }
    left.length = 0;
    return { send, left, answers, until, waiting, answerRest };
  }

  it('lets one sender’s flood delay another by one request for each of its own', async (context) => {
    const { send, left, waiting, answerRest } = await floodable(context, { window: 2 });
    const flood = Array.from({ length: 12 }, (_, index) => send('a', `flood ${index}`));
    await waiting(12);
    const other = [send('b', 'other 0'), send('b', 'other 1')];
    await waiting(14);
    answerRest();
    for (const answer of [...flood, ...other]) assert.equal((await answer).status, 200);
    assert.equal(left.length, 14);
    assert.ok(left.indexOf('other 0') <= 3 && left.indexOf('other 1') <= 5, left.join(', '));
  });

  it('lets one tenant’s flood under many keys delay another by one request for each of its own', async (context) => {
    const { send, left, waiting, answerRest } = await floodable(context, {
      window: 2,
      keys: { a1: 1, a2: 1, a3: 1, b: 2 },
    });
    const flood = Array.from({ length: 12 }, (_, index) => send(`a${1 + (index % 3)}`, `flood ${index}`));
    await waiting(12);
    const other = [send('b', 'other 0'), send('b', 'other 1')];
    await waiting(14);
    answerRest();
    for (const answer of [...flood, ...other]) assert.equal((await answer).status, 200);
    assert.equal(left.length, 14);
    assert.ok(left.indexOf('other 0') <= 3 && left.indexOf('other 1') <= 5, left.join(', '));
  });

  it('sheds from the longest line when all room is taken, never what the enclaves have', async (context) => {
    const { send, left, waiting, until, answerRest } = await floodable(context, { window: 1, callers: 4 });
    const flood: Promise<Response>[] = [];
    for (let index = 0; index < 4; index += 1) {
      flood.push(send('a', `flood ${index}`));
      await waiting(index + 1);
    }
    assert.equal(((await (await send('a', 'one more')).json()) as { code: string }).code, 'overloaded');
    const other = send('b', 'other');
    const shed = (await flood[3]!) as Response;
    assert.equal(shed.status, 503);
    assert.equal(shed.headers.get('retry-after'), '1');
    assert.equal(((await shed.json()) as { code: string }).code, 'overloaded');
    await until(() => left.length > 0);
    answerRest();
    for (const answer of [...flood.slice(0, 3), other]) assert.equal((await answer).status, 200);
    assert.ok(!left.includes('flood 3') && !left.includes('one more'));
  });

  it('takes nothing more of a line that does not move, and others meanwhile', async (context) => {
    const { send, answerRest } = await floodable(context, { window: 1 });
    const accepted: Promise<Response>[] = [send('a', 'the first')];
    let refused: Response | undefined;
    for (let index = 0; refused === undefined; index += 1) {
      const sent = send('a', `flood ${index}`);
      accepted.push(sent);
      refused = await Promise.race([sent, new Promise<undefined>((done) => setTimeout(done, 100))]);
    }
    assert.equal(refused.status, 503);
    assert.equal(((await refused.json()) as { code: string }).code, 'overloaded');
    const other = send('b', 'other');
    answerRest();
    assert.equal((await other).status, 200);
    const statuses = await Promise.all(accepted.map(async (answer) => (await answer).status));
    // On a busy machine more were sent before the first refusal came back.
    assert.ok(statuses.every((status) => status === 200 || status === 503));
    assert.ok(statuses[0] === 200 && statuses.at(-1) === 503, statuses.join(' '));
  });

  it('gives the place of a request that waits for something else to the next', async (context) => {
    const { send, left, until, answerRest } = await floodable(context, { window: 1 });
    const both = [send('a', 'slow'), send('a', 'next')];
    await until(() => left.length === 2);
    answerRest();
    for (const answer of both) assert.equal((await answer).status, 200);
  });

  for (const role of ['policy', 'signer', 'certifier'] as const)
    it(`fails the waiting when the ${role}'s stream is lost, and goes on after resync`, async (context) => {
      const running = await runGateway(context);
      const waiting = running.post(compatibility, 'x');
      await running.policy.next('requests');
      running[role].close();
      const response = await waiting;
      assert.equal(response.status, 503);
      assert.equal(response.headers.get('retry-after'), '1');
      assert.equal((await fetch(`${running.url}/healthz`)).status, 503);
      assert.equal((await running.post(compatibility, 'y')).status, 503);
      const peer = await EnclavePeer.connect(role, running.socket);
      context.after(() => peer.close());
      if (role === 'certifier')
        (peer as EnclavePeer<'certifier'>).send({ type: 'tail', rows: [], last: true });
      await running.ready();
      const again = { ...running, [role]: peer } as RunningGateway;
      await again.policy.next('resync');
      answerAll(again);
      assert.deepEqual(await (await running.post(compatibility, 'z')).json(), { result: { body: 'z' } });
    });

  it('takes no request for a new policy engine before the old one’s advances have their receipt', async (context) => {
    const running = await runGateway(context);
    running.policy.send(batchFor([], randomHash()));
    await running.certifier.next('advance');
    running.policy.close();
    while ((await fetch(`${running.url}/healthz`)).status === 200) await new Promise(setImmediate);
    const policy = await EnclavePeer.connect('policy', running.socket);
    context.after(() => policy.close());
    while ((await fetch(`${running.url}/healthz`)).status !== 200) await new Promise(setImmediate);
    assert.equal((await fetch(`${running.url}/readyz`)).status, 503);
    assert.equal((await running.post(compatibility, 'x')).status, 503);
    running.certifier.send(receiptFor(1));
    await running.ready();
  });

  it('commits rows whose order has left until the store takes them, and takes no request meanwhile', async (context) => {
    let full = true;
    const running = await runGateway(context, {
      wrapStore: (store: Store) => ({
        ...bound(store),
        commit: async (batches) => {
          if (full) throw new StoreError('store-full', 'no room');
          await store.commit(batches);
        },
      }),
    });
    const { policy, signer, certifier } = running;
    const waiting = running.post(compatibility, 'x');
    const [item] = (await policy.next('requests')).items;
    policy.send(batchFor([item!.ref], identityOf('x')));
    await certifier.next('advance');
    certifier.send(receiptFor(1));
    assert.equal((await waiting).status, 503);
    assert.equal((await fetch(`${running.url}/readyz`)).status, 503);
    assert.equal((await running.post(compatibility, 'y')).status, 503);
    assert.ok(!policy.messages.some(({ type }) => type === 'receipt'));
    assert.ok(!signer.messages.some(({ type }) => type === 'tickets'));
    full = false;
    await policy.next('receipt');
    await signer.next('tickets');
    assert.equal(Buffer.from((await running.store.entry(organization, 1))!).toString(), 'entry 1');
    await running.ready();
    assert.ok(!policy.messages.some(({ type }) => type === 'resync'));
  });

  it('answers as if nothing had been when the second commit of rows whose order has left succeeds', async (context) => {
    let failures = 1;
    const running = await runGateway(context, {
      wrapStore: (store: Store) => ({
        ...bound(store),
        commit: async (batches) => {
          failures -= 1;
          if (failures >= 0) throw new StoreError('store-failed', 'no write');
          await store.commit(batches);
        },
      }),
    });
    answerAll(running);
    assert.deepEqual(await (await running.post(compatibility, 'x')).json(), { result: { body: 'x' } });
    assert.equal((await fetch(`${running.url}/readyz`)).status, 200);
  });

  it('sends no advance that waits for rows which the store did not keep, and resyncs', async (context) => {
    let full = true;
    const running = await runGateway(context, {
      wrapStore: (store: Store) => ({
        ...bound(store),
        commit: async (batches) => {
          if (full) throw new StoreError('store-full', 'no room');
          await store.commit(batches);
        },
      }),
    });
    const { policy, certifier } = running;
    const waiting = running.post(compatibility, 'x');
    const [item] = (await policy.next('requests')).items;
    policy.sendTogether([batchFor([item!.ref], identityOf('x')), besideHead]);
    assert.equal((await waiting).status, 503);
    await policy.next('resync');
    assert.equal(certifier.messages.length, 0);
    assert.equal((await fetch(`${running.url}/readyz`)).status, 503);
    full = false;
    policy.send(batchFor([], randomHash(), 2));
    await certifier.next('advance');
    assert.equal((await fetch(`${running.url}/readyz`)).status, 200);
  });

  it('takes nothing to the certifier that the policy engine decided before it read of a commit that failed', async (context) => {
    let fails = false;
    const running = await runGateway(context, {
      wrapStore: (store: Store) => ({
        ...bound(store),
        commit: async (batches) => {
          if (fails) throw new StoreError('store-full', 'no room');
          await store.commit(batches);
        },
      }),
    });
    const { policy, certifier } = running;
    const both = [running.post(compatibility, 'x'), running.post(compatibility, 'y')];
    const items: { ref: number; request: Uint8Array }[] = [];
    while (items.length < 2) items.push(...(await policy.next('requests')).items);
    const refOf = (body: string) => items.find((item) => bodyOf(item) === body)!.ref;
    policy.answersPings = false;
    fails = true;
    policy.sendTogether([batchFor([refOf('x')], identityOf('x')), besideHead]);
    await policy.next('resync');
    fails = false;
    // Under way when the resync was sent.
    policy.send(batchFor([refOf('y')], identityOf('y'), 2));
    for (const answer of both) {
      const { status, code } = {
        status: (await answer).status,
        ...((await (await answer).json()) as { code: string }),
      };
      assert.deepEqual([status, code], [503, 'unavailable']);
    }
    assert.equal(certifier.messages.length, 0);
    policy.send({ type: 'pong', id: policy.ping, metrics: new Uint8Array(0) });
    policy.answersPings = true;
    policy.send(batchFor([], randomHash(), 3));
    assert.equal(
      Buffer.from((await certifier.next('advance')).order.bytes.subarray(16)).toString(),
      'order 3',
    );
  });

  it('drops an enclave whose bytes are no frames of its role', async (context) => {
    const running = await runGateway(context);
    running.policy.socket.write(Buffer.from([0, 0, 0, 1, 250]));
    await new Promise((resolve) => running.policy.socket.once('close', resolve));
    assert.equal((await fetch(`${running.url}/healthz`)).status, 503);
  });

  it('finishes what it accepted when it is stopped, and accepts nothing more', async (context) => {
    const running = await runGateway(context);
    const waiting = running.post(compatibility, 'x');
    const [item] = (await running.policy.next('requests')).items;
    const stopped = running.gateway.stop(5000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await assert.rejects(running.post(compatibility, 'y'));
    running.policy.send({
      type: 'answers',
      answers: [{ refs: [item!.ref], answer: answerOf(zeroHash, 'done') }],
    });
    assert.deepEqual(await (await waiting).json(), { result: 'done' });
    await stopped;
  });

  it('answers what is still waiting with 503 when the time to drain is over', async (context) => {
    const running = await runGateway(context);
    const waiting = running.post(compatibility, 'x');
    await running.policy.next('requests');
    await running.gateway.stop(50);
    assert.equal((await waiting).status, 503);
  });
});

/** The store's methods as own members, so that a test can replace one. */
function bound(store: Store): Store {
  return {
    commit: (batches) => store.commit(batches),
    entries: (...given) => store.entries(...given),
    entry: (...given) => store.entry(...given),
    newestCheckpoint: (...given) => store.newestCheckpoint(...given),
    node: (hash) => store.node(hash),
    secret: (hash) => store.secret(hash),
    secrets: (after, limit) => store.secrets(after, limit),
    ownerOf: (walletId) => store.ownerOf(walletId),
    organizations: (...given) => store.organizations(...given),
    usage: () => store.usage(),
    close: () => store.close(),
  };
}
