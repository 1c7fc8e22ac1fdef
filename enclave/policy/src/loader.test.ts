import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { checkpointInterval, type Entry } from '@keystead/protocol/entry';
import { parseUuid } from '@keystead/protocol/ids';
import {
  flipped,
  hexToUuid,
  metrics,
  PolicyBench,
  reading,
  withEntries,
  withWallets,
} from '../testing/policy-bench.ts';

/** What a cold start must not change of the entries: everything but what follows from the calls' own times. */
const withoutRequests = (chain: readonly Entry[]): unknown[] =>
  chain.map(({ position, kind, method, decision, cells }) => [
    position,
    kind,
    method,
    decision.outcome,
    cells.length,
  ]);

describe('a cold organization', () => {
  for (const count of [1, 63, 64, 65, 130])
    it(`is the same after a cold start with ${count} entries`, () => {
      const bench = count === 1 ? new PolicyBench() : withEntries(count).bench;
      const organizationId = count === 1 ? bench.found() : hexToUuid([...bench.entries.keys()][0]);
      const before = bench.ask(reading(bench, organizationId));
      bench.restart();
      const after = bench.ask(reading(bench, organizationId));
      assert.deepEqual(after.body, before.body);
      assert.equal(after.statement?.position, count);
      assert.equal(bench.addUser(organizationId, 'alice').statement?.position, count + 1);
    });

  it('writes the same checkpoint whether it was hot or cold before', () => {
    const hot = withEntries(127);
    const cold = withEntries(127);
    cold.bench.restart();
    for (const { bench, organizationId, walletId } of [hot, cold])
      bench.ticketFor(bench.signing(organizationId, walletId, 'the same'));
    const roots = [hot, cold].map(({ bench, organizationId }) => bench.chain(organizationId)[127].stateRoot);
    assert.ok(roots[0]);
    assert.equal(
      roots.every((root) => root !== undefined),
      true,
    );
    assert.deepEqual(
      [...withoutRequests(hot.bench.chain(hot.organizationId))],
      [...withoutRequests(cold.bench.chain(cold.organizationId))],
    );
  });

  it('asks on where the store answered a beginning only', () => {
    const { bench, organizationId } = withEntries(20);
    bench.restart();
    bench.plays.rows = (query, rows) => (query.kind === 'entries' ? rows.slice(0, 3) : rows);
    assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
    assert.ok(bench.queries.filter((query) => query.kind === 'entries').length >= 7);
  });

  it('fetches nodes that it lacks, once for all who wait, and starts the decision again', () => {
    const { bench, organizationId, walletId } = withEntries(70);
    bench.restart();
    const refs = [1, 2, 3].map((i) => bench.submit(bench.signing(organizationId, walletId, `cold ${i}`)));
    bench.run();
    for (const ref of refs) assert.equal(bench.ticketed(ref).entry.decision.outcome, 1);
    const nodes = bench.queries.filter((query) => query.kind === 'node').map(({ hash }) => hexEncode(hash));
    assert.ok(nodes.length > 0);
    assert.equal(new Set(nodes).size, nodes.length);
  });

  it('asks for no node of a chain that it has from its beginning', () => {
    const { bench, organizationId, walletId } = withEntries(20);
    bench.ask(bench.addingUser(organizationId, 'alice'));
    bench.ask(bench.call('deleteUserFromOrganization', { organizationId, username: 'alice' }));
    bench.restart();
    const ref = bench.submit(bench.signing(organizationId, walletId, 'cold'));
    bench.run();
    assert.equal(bench.ticketed(ref).entry.decision.outcome, 1);
    assert.deepEqual(
      bench.queries.filter(({ kind }) => kind === 'node'),
      [],
    );
    // The control: beyond the first checkpoint they lie in the store alone.
    const { bench: older, ...use } = withEntries(70);
    older.restart();
    older.submit(older.signing(use.organizationId, use.walletId, 'cold'));
    older.run();
    assert.ok(older.queries.some(({ kind }) => kind === 'node'));
  });

  const damages: Record<string, (rows: Uint8Array[]) => Uint8Array[]> = {
    'is changed by one bit': ([row, ...rest]) => [flipped(row), ...rest],
    'is missing at the end': (rows) => rows.slice(0, -1),
    'is missing altogether': () => [],
    'stands at another place': ([first, second, ...rest]) => [second, first, ...rest],
    'is empty': ([, ...rest]) => [new Uint8Array(0), ...rest],
    'is too short for its MAC': ([, ...rest]) => [new Uint8Array(7), ...rest],
  };
  for (const [what, damage] of Object.entries(damages))
    it(`locks the organization of which an entry row ${what}, and no other`, () => {
      const { bench, organizationId } = withEntries(5);
      const other = bench.found('other', 'Other');
      bench.restart();
      const id = parseUuid(organizationId)!;
      bench.plays.rows = (query, rows) => {
        if (query.kind !== 'entries' || !equalBytes(query.organization, id)) return rows;
        // What is left out once is left out of later answers too.
        return query.from === 1 || what === 'is missing altogether' ? damage(rows) : [];
      };
      const answer = bench.ask(reading(bench, organizationId));
      assert.deepEqual([answer.status, answer.body.code], [503, 'organization-locked']);
      assert.ok(bench.logged.includes('organization-locked'));
      assert.equal(bench.ask(reading(bench, other, 'other')).status, 200);
      bench.plays.rows = undefined;
      assert.equal(bench.ask(reading(bench, organizationId)).status, 503);
      bench.deliver({ type: 'resync' });
      bench.run();
      assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
    });

  it('locks on the rows of another organization under its own name', () => {
    const { bench, organizationId } = withEntries(3);
    const other = bench.found('other', 'Other');
    bench.entries.set(organizationId.replaceAll('-', ''), bench.entries.get(other.replaceAll('-', ''))!);
    bench.restart();
    assert.equal(bench.ask(reading(bench, organizationId)).body.code, 'organization-locked');
    assert.equal(bench.ask(reading(bench, other, 'other')).status, 200);
  });

  for (const later of [0, 1, 3])
    it(`locks on a row of its own that never became history, ${later} entries before the end`, () => {
      const bench = new PolicyBench();
      const organizationId = bench.found();
      const chain = bench.entries.get(organizationId.replaceAll('-', ''))!;
      bench.plays.refuse = () => 'head-moved';
      assert.equal(bench.addUser(organizationId, 'mallory').status, 503);
      const never = chain.get(2)!;
      bench.plays.refuse = undefined;
      for (let i = 0; i <= later; i += 1)
        assert.equal(bench.addUser(organizationId, `user ${i}`).status, 200);
      const right = chain.get(2)!;
      for (const [row, code] of [
        [never, 'organization-locked'],
        [right, undefined],
      ] as const) {
        chain.set(2, row);
        bench.restart();
        assert.equal(bench.ask(reading(bench, organizationId)).body.code, code);
      }
    });

  it('locks on an older world of the store', () => {
    const { bench, organizationId, walletId } = withEntries(10);
    const name = organizationId.replaceAll('-', '');
    const old = new Map(bench.entries.get(name));
    bench.ticketFor(bench.signing(organizationId, walletId));
    bench.entries.set(name, old);
    bench.restart();
    assert.equal(bench.ask(reading(bench, organizationId)).body.code, 'organization-locked');
  });

  for (const position of [3, 64, 2 ** 40, 2 ** 60])
    it(`locks when the store names ${position} as checkpoint of a chain that ends at 20`, () => {
      const { bench, organizationId } = withEntries(20);
      bench.restart();
      bench.plays.rows = (query, rows) => {
        if (query.kind !== 'newestCheckpoint') return rows;
        const row = new Uint8Array(8);
        new DataView(row.buffer).setBigUint64(0, BigInt(position));
        return [row];
      };
      assert.equal(bench.ask(reading(bench, organizationId)).body.code, 'organization-locked');
    });

  it('refuses for a node that is not what its hash says, and goes on when the right one comes', () => {
    const { bench, organizationId } = withEntries(70);
    bench.restart();
    bench.plays.rows = (query, rows) => (query.kind === 'node' ? rows.map(flipped) : rows);
    const call = bench.addingUser(organizationId, 'alice');
    const answer = bench.ask(call);
    assert.deepEqual([answer.status, answer.body.code], [503, 'organization-locked']);
    bench.plays.rows = undefined;
    assert.equal(bench.ask(call).status, 200);
  });

  it('refuses a repeat whose old row was changed, and decides nothing anew', () => {
    const { bench, organizationId, walletId } = withEntries(66);
    const call = bench.addingUser(organizationId, 'alice');
    bench.ask(call);
    for (let i = 0; i < 140; i += 1) bench.submit(bench.signing(organizationId, walletId, `later ${i}`));
    bench.run();
    bench.restart();
    bench.plays.rows = (query, rows) =>
      query.kind === 'entries' && query.from === 67 ? rows.map(flipped) : rows;
    assert.equal(bench.ask(call).body.code, 'organization-locked');
    bench.plays.rows = undefined;
    assert.equal(bench.ask(call).status, 200);
    assert.equal(bench.chain(organizationId).length, 207);
  });

  it('refuses a client that has seen more than there is, or something else', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.addUser(organizationId, 'alice');
    // The founder's key was registered on the compatibility surface, with both kinds of stamp.
    const { hash } = bench.head(organizationId);
    const seen = (position: number, of: Uint8Array) =>
      bench.ask(
        bench.nativeCall(
          'getOrganization',
          { organizationId },
          'root',
          `${organizationId};${position};${base64urlEncode(of)}`,
        ),
      );
    assert.equal(seen(2, hash).status, 200);
    assert.equal(seen(3, hash).body.code, 'state-rolled-back');
    assert.equal(seen(2, new Uint8Array(32)).body.code, 'state-rolled-back');
    assert.equal(seen(1, hash).body.code, 'state-rolled-back');
  });

  it('comes to its first checkpoint in as many round trips as its maps are deep', () => {
    const { bench, organizationId, walletId } = withWallets(5 * checkpointInterval - 2);
    bench.restart();
    bench.ticketFor(bench.signing(organizationId, walletId, 'first'));
    const rounds: number[] = [];
    const { send } = bench.engine;
    bench.engine.send = (message) => {
      if (message.type === 'queryRows') rounds.push(message.queries.length);
      send(message);
    };
    const { entry } = bench.ticketFor(bench.signing(organizationId, walletId));
    assert.equal(entry.position, 5 * checkpointInterval);
    assert.ok(entry.stateRoot);
    const nodes = rounds.reduce((sum, count) => sum + count, 0);
    assert.ok(nodes > 100, `${nodes} nodes`);
    // A path in a map of so many cells is about twice its logarithm long at most.
    assert.ok(rounds.length <= 24, `${rounds.length} round trips`);
  });

  it('gives up on a checkpoint of which one node of many is missing, and locks nobody else out', () => {
    const { bench, organizationId, walletId } = withWallets(3 * checkpointInterval - 1);
    bench.restart();
    bench.ask(reading(bench, organizationId));
    let asked = 0;
    bench.plays.rows = (query, rows) => (query.kind === 'node' && ++asked === 40 ? [] : rows);
    const refused = bench.ask(bench.signing(organizationId, walletId, 'first'));
    assert.deepEqual([refused.status, refused.body.code], [503, 'organization-locked']);
    assert.ok(asked >= 40);
    bench.plays.rows = undefined;
    const { entry } = bench.ticketFor(bench.signing(organizationId, walletId, 'second'));
    assert.equal(entry.position, 3 * checkpointInterval);
  });

  it('keeps no memory of organizations that do not exist', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    for (let i = 0; i < 50; i += 1)
      bench.submit(reading(bench, hexToUuid(`${String(i).padStart(12, '0')}80008000000000000000`)));
    bench.run();
    assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
    assert.equal(metrics(bench).organizations, 1);
  });
});
