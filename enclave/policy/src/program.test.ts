import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { Entry, entryHash, entryKind, zeroHash } from '@keystead/protocol/entry';
import { parseUuid } from '@keystead/protocol/ids';
import {
  hexToUuid,
  PolicyBench,
  reading,
  seedOf,
  solanaPath,
  uuidText,
  withEntries,
  withWallet,
} from '../testing/policy-bench.ts';

describe('founding and changing an organization', () => {
  it('founds an organization by one genesis entry that its own key stamps', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const [genesis, ...rest] = bench.chain(organizationId);
    assert.equal(rest.length, 0);
    assert.equal(genesis.kind, entryKind.genesis);
    assert.equal(genesis.position, 1);
    assert.ok(equalBytes(genesis.previous, zeroHash));
    assert.ok(equalBytes(genesis.authorityBefore, zeroHash));
    assert.ok(equalBytes(genesis.authorityAfter, bench.head(organizationId).authority));
  });

  it('states a change with the position, hash and time of its own entry', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const { status, statement } = bench.addUser(organizationId, 'alice');
    const entry = bench.chain(organizationId)[1];
    assert.equal(status, 200);
    assert.equal(statement?.position, 2);
    assert.equal(statement?.time, entry.time);
    assert.deepEqual(statement?.head, entryHash(Entry.encode(entry)));
  });

  it('founds nothing under a stamp that does not verify, and leaves no trace of it', () => {
    const bench = new PolicyBench();
    const { body } = bench.founding();
    const answer = bench.ask(bench.stamped(body, 'root', new Uint8Array(64)));
    assert.deepEqual([answer.status, answer.body.code, answer.statement], [401, 'stamp-invalid', null]);
    assert.equal(bench.batches.length, 0);
    assert.equal(bench.ask(bench.stamped(body)).status, 200);
  });

  it('lets a new user act in the turn in which it is added, and nobody after its deletion', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const added = bench.submit(bench.addingUser(organizationId, 'alice'));
    const before = bench.submit(reading(bench, organizationId, 'alice'));
    const deleted = bench.submit(
      bench.call('deleteUserFromOrganization', { organizationId, username: 'alice' }),
    );
    const after = bench.submit(reading(bench, organizationId, 'alice'));
    bench.run();
    assert.deepEqual(
      [added, before, deleted, after].map((ref) => bench.answered(ref).status),
      [200, 200, 200, 401],
    );
  });

  it('moves the floor to an entry that takes something away, and to no other', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.addUser(organizationId, 'alice');
    assert.equal(bench.head(organizationId).floor, 0);
    bench.ask(bench.call('deleteUserFromOrganization', { organizationId, username: 'alice' }));
    assert.equal(bench.head(organizationId).floor, 3);
    bench.addUser(organizationId, 'bob');
    assert.equal(bench.head(organizationId).floor, 3);
  });

  it('shows the certifier the leaves of the caller, and not those of users who do not matter', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    for (let i = 0; i < 40; i += 1) bench.submit(bench.addingUser(organizationId, `user ${i}`));
    bench.run();
    const evidence = bench.groups.map(([advance]) => advance.evidence?.length ?? 0);
    assert.ok(evidence.at(-1)! > evidence[1]);
    const entries = bench.chain(organizationId).map((entry) => Entry.encode(entry).length);
    // What is left when the entry is taken away grows with the depth of the map only.
    assert.ok(evidence.at(-1)! - entries.at(-1)! < 6000, String(evidence.at(-1)! - entries.at(-1)!));
  });

  it('refuses a change whose consequences no entry can hold, and decides nothing', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const traits = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`trait ${i}`, '€'.repeat(128)]));
    const adding = (username: string) => {
      const user = { username, policy: { type: 'CEL', preset: 'ALLOW_ALL' }, traits, authenticators: [] };
      return bench.call('addUserToOrganization', { organizationId, user });
    };
    const refs = Array.from({ length: 90 }, (_, i) => bench.submit(adding(`user ${i}`)));
    bench.run();
    const statuses = refs.map((ref) => bench.answered(ref).status);
    const fit = statuses.indexOf(413);
    assert.ok(fit > 50, String(fit));
    assert.deepEqual([...new Set(statuses.slice(fit))], [413]);
    assert.equal(bench.head(organizationId).position, 1 + fit);
    // Something smaller is decided as before.
    assert.equal(bench.ask(bench.call('getOrganizationWallets', { organizationId })).status, 200);
    bench.makeWallet(organizationId);
  });
});

describe('who may found', () => {
  const quota = (organizationQuota: number) => new PolicyBench({ settings: { organizationQuota } });

  it('counts a founding once however often the same request comes', () => {
    const bench = quota(2);
    const founding = bench.founding();
    for (let i = 0; i < 4; i += 1) assert.equal(bench.ask(founding).status, 200);
    assert.equal(bench.ask(bench.founding('root', 'Second')).status, 200);
    const third = bench.ask(bench.founding('root', 'Third'));
    assert.deepEqual([third.status, third.body.code], [429, 'organization-quota']);
    assert.equal(bench.ask(bench.founding('other', 'Of another key')).status, 200);
  });

  it('does not count a founding that is sent again because it did not become history', () => {
    const bench = quota(1);
    const founding = bench.founding();
    bench.plays.refuse = () => 'head-moved';
    for (let i = 0; i < 3; i += 1) assert.equal(bench.ask(founding).status, 503);
    bench.plays.refuse = undefined;
    assert.equal(bench.ask(bench.founding('root', 'Second')).status, 429);
    assert.equal(bench.ask(founding).status, 200);
  });

  it('counts no founding that was refused', () => {
    const bench = quota(1);
    const rootless = bench.call('createOrganization', { organizationName: 'A', users: [], tags: [] });
    assert.equal(bench.ask(rootless).status, 400);
    assert.equal(bench.ask(bench.founding()).status, 200);
    assert.equal(bench.ask(bench.founding('root', 'Second')).status, 429);
  });

  it('lets operators alone found where creation is closed', () => {
    const operatorKeys = [base64urlEncode(ed25519.publicKey(seedOf('operator')))];
    const closed = new PolicyBench({ settings: { organizationCreation: 'operators', operatorKeys } });
    const answer = closed.ask(closed.founding());
    assert.deepEqual([answer.status, answer.body.code], [403, 'organization-creation-closed']);
    assert.equal(closed.batches.length, 0);
    assert.equal(closed.ask(closed.founding('operator')).status, 200);
  });
});

describe('wallets and tickets', () => {
  it('asks the signer for a secret first, and the entry names the row that came back', () => {
    const { bench, organizationId, walletId } = withWallet();
    const [, entry] = bench.chain(organizationId);
    assert.equal(bench.makes.length, 1);
    assert.deepEqual(bench.makes[0].walletId, parseUuid(walletId));
    assert.equal(entry.method, 'createWallet');
    assert.deepEqual(bench.batches.at(-1)?.rows.secrets.length, 1);
    const list = bench.ask(bench.call('getOrganizationWallets', { organizationId, limit: 5, offset: 0 }));
    assert.equal(list.body.totalCount, 1);
  });

  it('makes no secret for a request that is denied', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.addUser(organizationId, 'alice', 'DENY_ALL');
    const denied = bench.ask(
      bench.call('createWallet', { organizationId, walletName: 'W', accounts: [solanaPath] }, 'alice'),
    );
    assert.equal(denied.status, 403);
    assert.equal(bench.makes.length, 0);
    bench.makeWallet(organizationId);
    assert.equal(bench.makes.length, 1);
  });

  it('makes one secret for a request that comes again while the signer is at work', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = bench.call('createWallet', { organizationId, walletName: 'W', accounts: [solanaPath] });
    bench.plays.hold = new Set(['made']);
    const first = bench.submit(call);
    bench.run();
    const second = bench.submit(call);
    bench.run();
    bench.release();
    bench.run();
    assert.equal(bench.makes.length, 1);
    assert.equal(bench.ticketed(first), bench.ticketed(second));
    assert.equal(bench.chain(organizationId).length, 2);
  });

  it('makes one secret for two stamps of one request', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = bench.call('createWallet', { organizationId, walletName: 'W', accounts: [solanaPath] });
    const stamp = JSON.parse(Buffer.from(call.phantomStamp!, 'base64url').toString('utf8'));
    const spaced = utf8Encode(JSON.stringify(stamp, null, 1));
    const refs = [bench.submit(call), bench.submit({ ...call, phantomStamp: base64urlEncode(spaced) })];
    bench.run();
    assert.equal(bench.makes.length, 1);
    assert.deepEqual(bench.ticketed(refs[0]).entry, bench.ticketed(refs[1]).entry);
    assert.equal(bench.chain(organizationId).length, 2);
  });

  it('keeps the refusal of the signer as the denial of the request', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const refusal = utf8Encode('{"code":"import-disabled","detail":"off"}');
    bench.plays.made = (made) => ({ ...made, refusal });
    const call = bench.call('createWallet', { organizationId, walletName: 'W', accounts: [solanaPath] });
    const denied = bench.ask(call);
    assert.deepEqual([denied.status, denied.body.code], [403, 'import-disabled']);
    bench.plays.made = undefined;
    assert.deepEqual(bench.ask(call).body, denied.body);
    assert.equal(bench.chain(organizationId).length, 2);
  });

  it('hands the signer the entry, the receipt of exactly that entry, and the hash of the row', () => {
    const { bench, organizationId, walletId } = withWallet();
    const { ticket, entry, items } = bench.ticketFor(bench.signing(organizationId, walletId));
    const item = items.find(({ hash }) => equalBytes(hash, entryHash(ticket.entry)));
    assert.equal(item?.position, 3);
    assert.deepEqual(item?.authorityBefore, entry.authorityBefore);
    assert.equal(entry.keyUse?.derivationPath, solanaPath);
    assert.ok(!equalBytes(entry.keyUse!.bytesDigest, zeroHash));
    assert.equal(entry.result.length, 0);
    assert.ok(ticket.secret);
  });

  it('asks for an account that was never derived, once, and remembers it', () => {
    const { bench, organizationId, walletId } = withWallet();
    const other = "m/44'/501'/1'/0'";
    const signing = (message: string) =>
      bench.call('signUtf8Message', {
        organizationId,
        walletId,
        message,
        algorithm: 'Ed25519',
        derivationInfo: { derivationPath: other, curve: 'Ed25519', addressFormat: 'Solana' },
      });
    assert.equal(bench.ticketFor(signing('one')).entry.keyUse?.derivationPath, other);
    assert.equal(bench.makes.length, 2);
    assert.ok(bench.makes[1].secret);
    bench.ticketFor(signing('two'));
    assert.equal(bench.makes.length, 2);
  });

  it('gives up when the signer tells another account than the one that was asked for', () => {
    const { bench, organizationId, walletId } = withWallet();
    bench.plays.made = (made) => ({ ...made, accounts: utf8Encode('{"accounts":[],"type":"MNEMONIC"}') });
    const answer = bench.ask(
      bench.call('signUtf8Message', {
        organizationId,
        walletId,
        message: 'x',
        algorithm: 'Ed25519',
        derivationInfo: { derivationPath: "m/44'/501'/9'/0'", curve: 'Ed25519', addressFormat: 'Solana' },
      }),
    );
    assert.deepEqual([answer.status, answer.statement], [503, null]);
    assert.equal(bench.makes.length, 2);
    assert.equal(bench.chain(organizationId).length, 2);
  });

  it('decides nothing for a stamp that is out of its window when the entry would be made', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = () =>
      bench.nativeCall('createWallet', {
        organizationId,
        walletName: 'W',
        accounts: [{ derivationPath: solanaPath, curve: 'Ed25519', addressFormat: 'Solana' }],
      });
    const stamped = call();
    bench.now += 59_000;
    bench.plays.hold = new Set(['made']);
    const ref = bench.submit(stamped);
    bench.run();
    bench.now += 2_000;
    bench.release();
    bench.run();
    const answer = bench.answered(ref);
    assert.deepEqual([answer.status, answer.body.code], [503, 'request-expired-before-commit']);
    assert.equal(bench.chain(organizationId).length, 1);
    bench.ticketFor(call());
  });
});

describe('repeats', () => {
  it('decides a request once that comes twice in one turn', () => {
    const { bench, organizationId, walletId } = withWallet();
    const call = bench.signing(organizationId, walletId);
    const refs = [bench.submit(call), bench.submit(call)];
    bench.run();
    assert.deepEqual(bench.ticketed(refs[0]).entry, bench.ticketed(refs[1]).entry);
    assert.equal(bench.chain(organizationId).length, 3);
  });

  it('lets a repeat before the receipt wait for it', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = bench.addingUser(organizationId, 'alice');
    bench.plays.hold = new Set(['receipt']);
    const first = bench.submit(call);
    bench.run();
    const second = bench.submit(call);
    bench.run();
    assert.deepEqual([bench.answers.has(first), bench.answers.has(second)], [false, false]);
    bench.release();
    bench.run();
    assert.deepEqual(bench.answered(second), bench.answered(first));
    assert.equal(bench.chain(organizationId).length, 2);
  });

  it('answers a repeat after the receipt with the same statement of the same entry', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = bench.addingUser(organizationId, 'alice');
    const first = bench.ask(call);
    bench.addUser(organizationId, 'bob');
    bench.now += 60_000;
    assert.deepEqual(bench.ask(call), first);
    assert.equal(bench.chain(organizationId).length, 3);
  });

  it('answers a repeat from stored rows after a cold start, and from a stored row that left memory', () => {
    const { bench, organizationId, walletId } = withEntries(66);
    const call = bench.addingUser(organizationId, 'alice');
    const first = bench.ask(call);
    const signing = bench.signing(organizationId, walletId, 'early');
    const ticket = bench.ticketFor(signing);
    for (let i = 0; i < 70; i += 1) bench.submit(bench.signing(organizationId, walletId, `later ${i}`));
    bench.run();
    bench.restart();
    assert.deepEqual(bench.ask(call), first);
    assert.deepEqual(bench.ticketFor(signing).ticket, ticket.ticket);
    assert.ok(bench.queries.some((query) => query.kind === 'entries' && query.from === 67));
  });

  it('writes one entry for an authenticated denial and repeats it word for word', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.addUser(organizationId, 'alice');
    const call = bench.call('deleteUserFromOrganization', { organizationId, username: 'root' }, 'alice');
    const first = bench.ask(call);
    assert.deepEqual([first.status, first.body.code, first.statement?.position], [403, 'policy-denied', 3]);
    assert.deepEqual(bench.ask(call), first);
    bench.restart();
    assert.deepEqual(bench.ask(call), first);
    const chain = bench.chain(organizationId);
    assert.equal(chain.length, 3);
    assert.equal(chain[2].decision.code, 'policy-denied');
    assert.ok(!equalBytes(chain[2].identity, zeroHash));
  });

  it('answers nothing to bytes whose stamp does not verify, whatever else waits with the same identity', () => {
    for (const forgedFirst of [true, false]) {
      const bench = new PolicyBench();
      const organizationId = bench.found();
      bench.restart();
      const call = bench.addingUser(organizationId, 'alice');
      const forged = bench.stamped(call.body, 'root', new Uint8Array(64));
      const refs = (forgedFirst ? [forged, call] : [call, forged]).map((raw) => bench.submit(raw));
      bench.run();
      const [bad, good] = forgedFirst ? refs : [refs[1], refs[0]];
      assert.deepEqual([bench.answered(bad).status, bench.answered(bad).statement], [401, null]);
      assert.equal(bench.answered(good).status, 200);
    }
  });

  it('repeats nothing that the certifier no longer names as history', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = bench.addingUser(organizationId, 'alice');
    assert.equal(bench.ask(call).status, 200);
    bench.history.clear();
    const answer = bench.ask(call);
    assert.deepEqual([answer.status, answer.statement], [503, null]);
    assert.equal(bench.chain(organizationId).length, 2);
  });
});

describe('what waits for a receipt', () => {
  it('lets no answer leave before the receipt, reads of the new state included', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.plays.hold = new Set(['receipt']);
    const change = bench.submit(bench.addingUser(organizationId, 'alice'));
    const read = bench.submit(reading(bench, organizationId));
    bench.run();
    assert.deepEqual([bench.answers.has(change), bench.answers.has(read)], [false, false]);
    bench.release();
    bench.run();
    const { body, statement } = bench.answered(read);
    assert.equal((body.users as unknown[]).length, 2);
    assert.equal(statement?.position, 2);
    assert.deepEqual(statement?.head, bench.head(organizationId).hash);
  });

  it('states a read at the position that it shows, not at a later one', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const read = bench.submit(reading(bench, organizationId));
    bench.submit(bench.addingUser(organizationId, 'alice'));
    bench.run();
    const { body, statement } = bench.answered(read);
    assert.equal((body.users as unknown[]).length, 1);
    assert.equal(statement?.position, 1);
  });

  it('states a read that waited at the position that it shows, although more has become history since', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.plays.hold = new Set(['receipt']);
    bench.submit(bench.addingUser(organizationId, 'alice'));
    const read = bench.submit(reading(bench, organizationId));
    bench.turn();
    bench.submit(bench.addingUser(organizationId, 'bob'));
    bench.turn();
    bench.release();
    bench.run();
    const { body, statement } = bench.answered(read);
    assert.equal((body.users as unknown[]).length, 2);
    assert.equal(statement?.position, 2);
    assert.deepEqual(statement?.head, entryHash(Entry.encode(bench.chain(organizationId)[1])));
  });

  it('answers only what the receipt names', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.plays.receipt = (receipt) => ({ ...receipt, items: [] });
    const answer = bench.addUser(organizationId, 'alice');
    assert.deepEqual([answer.status, answer.statement], [503, null]);
    bench.plays.receipt = (receipt) => ({
      ...receipt,
      items: receipt.items.map((item) => ({ ...item, hash: new Uint8Array(32).fill(1) })),
    });
    assert.equal(bench.addUser(organizationId, 'bob').status, 503);
    bench.plays.receipt = undefined;
    assert.equal(bench.addUser(organizationId, 'carol').status, 200);
  });

  it('drops a receipt that the certifier did not write, and ignores one of another start', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.plays.receipt = (receipt) => ({ ...receipt, boot: new Uint8Array(16) });
    const ref = bench.submit(bench.addingUser(organizationId, 'alice'));
    bench.run();
    assert.equal(bench.answers.has(ref), false);
    const forged = { bytes: new Uint8Array(8), mac: new Uint8Array(32) };
    bench.engine.receive({ type: 'receipt', receipt: forged });
    assert.ok(bench.logged.includes('message-refused'));
    assert.equal(bench.answers.has(ref), false);
    bench.plays.receipt = undefined;
    assert.equal(bench.addUser(organizationId, 'bob').status, 200);
  });

  it('starts again from the certified head when an advance is refused', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const call = bench.addingUser(organizationId, 'alice');
    bench.plays.refuse = () => 'head-moved';
    const refused = bench.ask(call);
    assert.deepEqual([refused.status, refused.statement], [503, null]);
    bench.plays.refuse = undefined;
    const again = bench.ask(call);
    assert.deepEqual([again.status, again.statement?.position], [200, 2]);
    assert.equal(bench.chain(organizationId).length, 2);
  });

  it('refuses what built on a refused tail, and keeps a tail that was begun since', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.plays.hold = new Set(['receipt']);
    let asked = 0;
    bench.plays.refuse = () => (++asked === 1 ? 'entry-time' : undefined);
    const first = bench.submit(bench.addingUser(organizationId, 'alice'));
    bench.turn();
    const second = bench.submit(bench.addingUser(organizationId, 'bob'));
    bench.turn();
    bench.releaseOne();
    bench.run();
    const third = bench.submit(bench.addingUser(organizationId, 'carol'));
    const read = bench.submit(reading(bench, organizationId));
    bench.run();
    bench.release();
    bench.run();
    assert.deepEqual([bench.answered(first).status, bench.answered(second).status], [503, 503]);
    assert.equal(bench.answered(third).status, 200);
    assert.equal((bench.answered(read).body.users as unknown[]).length, 2);
  });

  it('abandons a tail when history turns out to be another one', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.addUser(organizationId, 'alice');
    bench.plays.receipt = (receipt) => ({
      ...receipt,
      items: receipt.items.map((item) => ({
        ...item,
        head: { ...item.head, hash: new Uint8Array(32).fill(9) },
      })),
    });
    bench.addUser(organizationId, 'bob');
    assert.ok(bench.logged.includes('tail-abandoned'));
    bench.plays.receipt = undefined;
    const { body } = bench.ask(reading(bench, organizationId));
    assert.equal((body.users as unknown[]).length, 3);
  });

  it('fills no message beyond its bounds however many requests one turn holds', () => {
    const { bench, organizationId, walletId } = withWallet();
    const same = bench.signing(organizationId, walletId, 'x'.repeat(4000));
    const refs = Array.from({ length: 2500 }, (_, i) =>
      bench.submit(i % 2 === 0 ? same : bench.founding('root', `Number ${i}`)),
    );
    bench.plays.hold = new Set(['receipt']);
    bench.run();
    bench.deliver({ type: 'resync' });
    bench.lose();
    bench.run();
    assert.ok(refs.filter((ref) => bench.answers.has(ref)).length > 2000);
    const largest = Math.max(...bench.batches.map(({ rows }) => rows.entries.length));
    assert.ok(largest <= 2048);
  });
});

describe('resync', () => {
  it('answers everybody who waits with 503 and begins again from the certified head', () => {
    const { bench, organizationId, walletId } = withWallet();
    bench.plays.hold = new Set(['receipt']);
    const change = bench.submit(bench.addingUser(organizationId, 'alice'));
    const read = bench.submit(reading(bench, organizationId));
    bench.run();
    bench.lose();
    const queued = bench.submit(bench.addingUser(organizationId, 'bob'));
    bench.deliver({ type: 'resync' });
    bench.run();
    for (const ref of [change, read, queued]) {
      assert.equal(bench.answered(ref).status, 503);
      assert.equal(bench.answered(ref).statement, null);
    }
    bench.now += 2_000;
    bench.ask(reading(bench, organizationId));
    // The change was history before it was given up: its repeat finds it.
    const { body } = bench.ask(reading(bench, organizationId));
    assert.equal((body.users as unknown[]).length, 2);
    bench.ticketFor(bench.signing(organizationId, walletId));
  });

  it('builds on what was out and became history, and its receipt changes nothing any more', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.plays.hold = new Set(['receipt']);
    const change = bench.submit(bench.addingUser(organizationId, 'alice'));
    bench.run();
    const { hold } = bench.plays;
    bench.plays.hold = undefined;
    bench.deliver({ type: 'resync' });
    bench.run();
    assert.equal(bench.answered(change).status, 503);
    const added = bench.addUser(organizationId, 'bob');
    assert.equal(added.statement?.position, 3);
    bench.plays.hold = hold;
    bench.release();
    bench.run();
    assert.equal(bench.addUser(organizationId, 'carol').statement?.position, 4);
    const { users } = bench.ask(reading(bench, organizationId)).body;
    assert.equal((users as unknown[]).length, 4);
    assert.ok(!bench.logged.includes('advance-refused'));
  });

  it('forgets what was asked for: an answer that comes late changes nothing', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    bench.restart();
    bench.plays.hold = new Set(['head', 'rows']);
    const ref = bench.submit(reading(bench, organizationId));
    bench.run();
    bench.deliver({ type: 'resync' });
    bench.run();
    assert.equal(bench.answered(ref).status, 503);
    bench.release();
    bench.run();
    assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
  });
});

describe('policies that change', () => {
  const always = { constant: true };
  const reads = { id: 'reads', effect: 'allow', on: ['read'], when: always };
  const messages = { id: 'messages', effect: 'allow', on: ['sign-message'], when: always };
  const twice = { id: 'twice', meter: 'count', per: ['user'], window: { kind: 'lifetime' }, max: '2' };
  const setting = (bench: PolicyBench, organizationId: string, policy: object) =>
    bench.nativeCall('updateUserInOrganization', {
      organizationId,
      username: 'alice',
      newPolicy: { type: 'POLICY', policy: { version: 1, ...policy } },
    });

  it('E14: what a deleted user was allowed is nobody’s, and who gets its name has the new policy and the old counters', () => {
    const { bench, organizationId, walletId } = withWallet();
    const add = (preset?: string) => assert.equal(bench.addUser(organizationId, 'alice', preset).status, 200);
    const set = () =>
      assert.equal(
        bench.ask(setting(bench, organizationId, { rules: [messages], limits: [twice] })).status,
        200,
      );
    const sign = (message: string) => bench.signing(organizationId, walletId, message, 'alice');
    const refused = (message: string) => bench.ask(sign(message)).body.code;
    add();
    set();
    bench.ticketFor(sign('one'));
    assert.equal(
      bench.ask(bench.call('deleteUserFromOrganization', { organizationId, username: 'alice' })).status,
      200,
    );
    assert.equal(bench.ask(sign('of nobody')).status, 401);
    // The same name and key: the old policy would allow.
    add('DENY_ALL');
    assert.equal(refused('under none'), 'policy-denied');
    set();
    bench.ticketFor(sign('two'));
    assert.equal(refused('three'), 'rate-limit-exceeded');
  });

  it('E14: each request of one turn is decided under the policy that stands at its place, whatever came before', () => {
    const { bench, organizationId } = withWallet();
    bench.addUser(organizationId, 'alice');
    const read = () => reading(bench, organizationId, 'alice');
    const refs = [
      read(),
      setting(bench, organizationId, { rules: [messages] }),
      read(),
      setting(bench, organizationId, { rules: [messages, reads] }),
      read(),
      // A denial beats what allows, wherever it stands.
      setting(bench, organizationId, { rules: [{ ...reads, id: 'never', effect: 'deny' }, reads] }),
      read(),
      setting(bench, organizationId, { rules: [reads, { ...reads, id: 'never', effect: 'deny' }] }),
      read(),
    ].map((request) => bench.submit(request));
    bench.run();
    assert.deepEqual(
      refs.map((ref) => bench.answered(ref).status),
      [200, 200, 403, 200, 200, 200, 403, 200, 403],
    );
  });
});

describe('bytes of unknown meaning', () => {
  const signing = (bench: PolicyBench, organizationId: string, walletId: string, key = 'root') => {
    const payload = base64urlEncode(utf8Encode('anything'));
    const how = { algorithm: 'Ed25519', derivationInfo: solanaPath };
    return bench.nativeCall('signRawPayload', { organizationId, walletId, payload, ...how }, key);
  };
  const permit = (bench: PolicyBench, organizationId: string, permissions: string[]) =>
    bench.ask(
      bench.nativeCall('updateUserInOrganization', {
        organizationId,
        username: 'root',
        newPolicy: { type: 'ROOT', permissions },
      }),
    );

  it('are signed for nobody without the permission on the native surface, and the code says so', () => {
    const { bench, organizationId, walletId } = withWallet();
    const request = signing(bench, organizationId, walletId);
    const refused = bench.ask(request);
    assert.deepEqual([refused.status, refused.body.code], [403, 'raw-payload-not-permitted']);
    assert.equal(refused.body.field, 'params.payload');
    assert.equal(bench.chain(organizationId).at(-1)?.decision.code, 'raw-payload-not-permitted');
    assert.equal(permit(bench, organizationId, ['signRawPayload']).status, 200);
    bench.ticketFor(signing(bench, organizationId, walletId));
    // The first decision stays.
    assert.equal(bench.ask(request).body.code, 'raw-payload-not-permitted');
    assert.equal(permit(bench, organizationId, []).status, 200);
    assert.equal(bench.ask(signing(bench, organizationId, walletId)).status, 403);
  });

  it('are refused by the code of the policy where the policy refuses them first', () => {
    const { bench, organizationId, walletId } = withWallet();
    bench.addUser(organizationId, 'alice', 'DENY_ALL');
    const refused = bench.ask(signing(bench, organizationId, walletId, 'alice'));
    assert.deepEqual([refused.status, refused.body.code], [403, 'policy-denied']);
  });
});

describe('two organizations', () => {
  function withGrant(scopes = ['signaturePayload']) {
    const made = withWallet();
    const { bench, organizationId, walletId } = made;
    const guest = bench.found('guest', 'Guest');
    const granting = bench.call('grantOrganizationAccess', {
      ownerOrganizationId: organizationId,
      targetOrganizationId: guest,
      walletId,
      policy: { version: 'v0', scopes },
    });
    assert.equal(bench.ask(granting).status, 200);
    return { ...made, guest };
  }

  it('writes the use of a granted wallet into both chains, in one group that moves whole', () => {
    const { bench, organizationId, walletId, guest } = withGrant();
    const { entry, ownerEntry, ticket, items } = bench.ticketFor(
      bench.signing(guest, walletId, 'by grant', 'guest'),
    );
    assert.equal(uuidText(entry.organization), guest);
    assert.equal(entry.kind, entryKind.decision);
    assert.equal(ownerEntry?.kind, entryKind.grantedUse);
    assert.equal(uuidText(ownerEntry!.organization), organizationId);
    assert.equal(uuidText(entry.counterpart!), organizationId);
    assert.equal(uuidText(ownerEntry!.counterpart!), guest);
    assert.deepEqual(ownerEntry?.keyUse, entry.keyUse);
    assert.deepEqual(ownerEntry?.identity, entry.identity);
    assert.deepEqual(
      bench.groups.at(-1)?.map(({ organization }) => uuidText(organization)),
      [guest, organizationId],
    );
    const named = new Set(items.map(({ hash }) => hexEncode(hash)));
    assert.ok(named.has(hexEncode(entryHash(ticket.entry))));
    assert.ok(named.has(hexEncode(entryHash(ticket.ownerEntry!))));
  });

  it('repeats a granted use with both entries, also after a cold start', () => {
    const { bench, walletId, guest } = withGrant();
    const call = bench.signing(guest, walletId, 'by grant', 'guest');
    const first = bench.ticketFor(call).ticket;
    const again = bench.ticketFor(call).ticket;
    assert.deepEqual([again.entry, again.ownerEntry], [first.entry, first.ownerEntry]);
    bench.restart();
    const cold = bench.ticketFor(call).ticket;
    assert.deepEqual([cold.entry, cold.ownerEntry], [first.entry, first.ownerEntry]);
  });

  it('moves neither head when the owner’s advance is refused', () => {
    const { bench, organizationId, walletId, guest } = withGrant();
    const heads = () => [bench.head(organizationId), bench.head(guest)];
    const before = heads();
    const call = bench.signing(guest, walletId, 'by grant', 'guest');
    bench.plays.refuse = (group) => (group.length === 2 ? 'head-moved' : undefined);
    bench.submit(call);
    bench.run();
    assert.deepEqual(heads(), before);
    bench.plays.refuse = undefined;
    assert.equal(bench.ticketFor(call).entry.position, before[1].position + 1);
  });

  it('denies what the grant does not cover, and everything after it is revoked', () => {
    const { bench, organizationId, walletId, guest } = withGrant(['ethereumSignMessage']);
    const denied = bench.ask(bench.signing(guest, walletId, 'x', 'guest'));
    assert.deepEqual([denied.status, denied.body.rule], [403, 'grant']);
    const revoking = bench.call('revokeOrganizationAccess', {
      ownerOrganizationId: organizationId,
      targetOrganizationId: guest,
      walletId,
    });
    const accounts = () =>
      bench.call('getAccounts', { organizationId: guest, walletId, accounts: [solanaPath] }, 'guest');
    bench.ticketFor(accounts());
    assert.equal(bench.ask(revoking).status, 200);
    assert.equal(bench.ask(accounts()).status, 404);
  });

  it('believes no store that names an owner who is none', () => {
    const { bench, walletId, guest } = withGrant();
    const stranger = bench.found('stranger', 'Stranger');
    bench.plays.rows = (query, rows) => (query.kind === 'ownerOf' ? [parseUuid(stranger)!] : rows);
    assert.equal(bench.ask(bench.signing(guest, walletId, 'x', 'guest')).status, 404);
    bench.plays.rows = undefined;
    bench.ticketFor(bench.signing(guest, walletId, 'y', 'guest'));
  });

  it('transfers a wallet by an entry in each chain, and the giver loses it', () => {
    const { bench, organizationId, walletId } = withWallet();
    const receiver = bench.found('root', 'Receiver');
    const answer = bench.ask(
      bench.call('transferOrganizationWallet', {
        ownerOrganizationId: organizationId,
        targetOrganizationId: receiver,
        walletId,
      }),
    );
    assert.equal(answer.status, 200);
    const arrived = bench.chain(receiver)[1];
    assert.equal(arrived.kind, entryKind.transferIn);
    assert.equal(uuidText(arrived.counterpart!), organizationId);
    assert.equal(bench.groups.at(-1)?.length, 2);
    assert.equal(bench.head(organizationId).floor, 3);
    assert.equal(bench.head(receiver).floor, 0);
    assert.equal(bench.ask(bench.signing(organizationId, walletId)).status, 404);
    bench.ticketFor(bench.signing(receiver, walletId, 'mine'));
    bench.restart();
    bench.ticketFor(bench.signing(receiver, walletId, 'still mine'));
    const count = bench.ask(bench.call('getOrganizationWallets', { organizationId })).body.totalCount;
    assert.equal(count, 0);
  });

  it('leaves no grant behind that would stand again when the wallet comes back', () => {
    const { bench, organizationId, walletId, guest } = withGrant();
    const receiver = bench.found('root', 'Receiver');
    const transfer = (from: string, to: string) =>
      bench.ask(
        bench.call('transferOrganizationWallet', {
          ownerOrganizationId: from,
          targetOrganizationId: to,
          walletId,
        }),
      );
    bench.ticketFor(bench.signing(guest, walletId, 'before', 'guest'));
    bench.restart();
    assert.equal(transfer(organizationId, receiver).status, 200);
    const gone = bench
      .chain(organizationId)
      .at(-1)!
      .authority.filter(({ value }) => value === undefined);
    assert.equal(gone.length, 2);
    assert.equal(transfer(receiver, organizationId).status, 200);
    bench.ticketFor(bench.signing(organizationId, walletId, 'back'));
    assert.equal(bench.ask(bench.signing(guest, walletId, 'after', 'guest')).status, 404);
    const granting = bench.call('grantOrganizationAccess', {
      ownerOrganizationId: organizationId,
      targetOrganizationId: guest,
      walletId,
      policy: { version: 'v0', scopes: ['signaturePayload'] },
    });
    assert.equal(bench.ask(granting).status, 200);
    bench.ticketFor(bench.signing(guest, walletId, 'granted anew', 'guest'));
  });

  it('gives no wallet to an organization that has not registered the stamping key as a root key', () => {
    const { bench, organizationId, walletId } = withWallet();
    const stranger = bench.found('stranger', 'Stranger');
    const params = { ownerOrganizationId: organizationId, targetOrganizationId: stranger, walletId };
    const retainPolicy = { version: 'v0', scopes: ['owner'] };
    for (const more of [{}, { retainPolicy }]) {
      const answer = bench.ask(bench.call('transferOrganizationWallet', { ...params, ...more }));
      assert.deepEqual([answer.status, answer.body.code], [403, 'receiver-root-required']);
    }
    assert.equal(bench.chain(stranger).length, 1);
    bench.ticketFor(bench.signing(organizationId, walletId));
  });

  it('denies a transfer to an organization that does not exist', () => {
    const { bench, organizationId, walletId } = withWallet();
    const answer = bench.ask(
      bench.call('transferOrganizationWallet', {
        ownerOrganizationId: organizationId,
        targetOrganizationId: hexToUuid('00'.repeat(6) + '8000'.repeat(5)),
        walletId,
      }),
    );
    assert.deepEqual([answer.status, answer.body.code], [404, 'organization-not-found']);
    assert.equal(bench.chain(organizationId).length, 3);
    bench.ticketFor(bench.signing(organizationId, walletId));
  });
});

describe('outcomes', () => {
  const outcome = (organizationId: string, position: number) => ({
    type: 'outcome' as const,
    organization: parseUuid(organizationId)!,
    position,
    network: 'solana:devnet',
    outcome: utf8Encode('{"status":"sent"}'),
  });

  it('writes what the network said as an entry that changes no state', () => {
    const { bench, organizationId, walletId } = withWallet();
    const before = bench.head(organizationId);
    bench.deliver(outcome(organizationId, 2));
    bench.run();
    const entry = bench.chain(organizationId)[2];
    assert.deepEqual([entry.kind, entry.decision.rule], [entryKind.outcome, 'position 2']);
    assert.deepEqual([entry.cells, entry.authority, entry.reservations], [[], [], []]);
    assert.deepEqual(bench.head(organizationId).authority, before.authority);
    bench.ticketFor(bench.signing(organizationId, walletId));
  });

  it('writes a checkpoint for an outcome too, and goes on in the same turn', () => {
    const { bench, organizationId, walletId } = withEntries(63);
    bench.deliver(outcome(organizationId, 2));
    const ref = bench.submit(bench.signing(organizationId, walletId, 'after'));
    bench.run();
    assert.ok(bench.chain(organizationId)[63].stateRoot);
    assert.equal(bench.ticketed(ref).entry.decision.outcome, 1);
    bench.restart();
    bench.ticketFor(bench.signing(organizationId, walletId, 'cold'));
  });

  it('drops the outcome of an organization that is not there', () => {
    const bench = new PolicyBench();
    bench.deliver(outcome(hexToUuid('11'.repeat(16)), 1));
    bench.plays.hold = new Set(['head']);
    const ref = bench.submit(reading(bench, hexToUuid('11'.repeat(16))));
    bench.run();
    bench.release();
    bench.deliver(outcome(hexToUuid('11'.repeat(16)), 1));
    bench.run();
    assert.equal(bench.answered(ref).status, 401);
    assert.equal(bench.batches.length, 0);
  });
});

describe('requests that mean nothing', () => {
  const bench = new PolicyBench();
  const organizationId = bench.found();
  const signed = (text: string) => bench.stamped(utf8Encode(text));
  const cases: Record<string, [() => ReturnType<PolicyBench['call']>, number, string]> = {
    'is not JSON': [() => signed('{'), 400, 'json-malformed'],
    'names an unknown method': [() => bench.call('mint', {}), 400, 'method-unknown'],
    'lacks a parameter': [() => bench.call('getOrganization', {}), 400, 'parameter-invalid'],
    'carries no stamp': [
      () => ({ ...reading(bench, organizationId), phantomStamp: undefined }),
      401,
      'stamp-missing',
    ],
    'is old': [
      () => bench.call('getOrganization', { organizationId }, 'root', { timestampMs: bench.now - 300_001 }),
      401,
      'stamp-expired',
    ],
    'is of an unknown key': [() => reading(bench, organizationId, 'nobody'), 401, 'authenticator-unknown'],
    'is about a path that cannot be read': [
      () => bench.call('getAccounts', { organizationId, walletId: organizationId, accounts: ['m/x'] }),
      400,
      'derivation-path-invalid',
    ],
  };
  for (const [what, [make, status, code]] of Object.entries(cases))
    it(`leave no trace: one that ${what}`, () => {
      const { length } = bench.batches;
      const answer = bench.ask(make());
      assert.deepEqual([answer.status, answer.body.code, answer.statement], [status, code, null]);
      assert.equal(bench.batches.length, length);
    });

  it('are told from a denial, which does', () => {
    const { length } = bench.batches;
    const call = bench.call('deleteUserFromOrganization', { organizationId, username: 'nobody' });
    assert.deepEqual([bench.ask(call).status, bench.batches.length], [404, length + 1]);
  });

  it('leave the engine running when they are no request at all', () => {
    bench.engine.receive({
      type: 'requests',
      items: [{ ref: 9_000, owner: undefined, request: new Uint8Array(3) }],
    });
    bench.run();
    assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
    assert.equal(bench.answered(9_000).status, 500);
  });
});

describe('answers that a caller makes too large or unwritable', () => {
  const always = { constant: true };
  const setPolicy = (bench: PolicyBench, organizationId: string, username: string, rules: object[]) => {
    const newPolicy = { type: 'POLICY', policy: { version: 1, rules } };
    const changing = { organizationId, username, newPolicy };
    assert.equal(bench.ask(bench.nativeCall('updateUserInOrganization', changing)).status, 200);
  };

  it('refuse one read that would not fit into an answer, and the next request is answered', () => {
    const bench = new PolicyBench();
    const organizationId = bench.found();
    const filler = { effect: 'allow', on: ['read'], when: always, comment: 'x'.repeat(256) };
    const rules = Array.from({ length: 160 }, (_, i) => ({ ...filler, id: `${i}` }));
    const asking = { id: 'asks', effect: 'allow', on: ['change-policies'], when: always, approvals: 1 };
    for (const username of ['alice', 'bob', 'carol']) {
      bench.addUser(organizationId, username);
      setPolicy(bench, organizationId, username, [asking]);
      for (let i = 0; i < 16; i += 1) {
        const policyName = `${username} ${i}`;
        const large = { organizationId, policyName, policy: { version: 1, rules } };
        const waits = bench.ask(bench.nativeCall('updatePolicy', large, username));
        assert.equal(waits.body.code, 'approval-required');
      }
    }
    const all = bench.ask(bench.nativeCall('getApprovals', { organizationId }));
    assert.deepEqual([all.status, all.body.code], [413, 'request-too-large']);
    assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
  });

  for (const lead of ['', 'a'])
    it(`say a refusal that quotes a policy up to the ${lead === '' ? 'end' : 'middle'} of a character`, () => {
      const bench = new PolicyBench();
      const organizationId = bench.found();
      bench.addUser(organizationId, 'bob');
      const when = { field: 'subject.user', operator: '==', value: lead + '😀'.repeat(100) };
      setPolicy(bench, organizationId, 'bob', [{ id: 'reads', effect: 'allow', on: ['read'], when }]);
      const denied = bench.ask(reading(bench, organizationId, 'bob'));
      assert.deepEqual([denied.status, denied.body.code], [403, 'policy-denied']);
      assert.equal(bench.ask(reading(bench, organizationId)).status, 200);
    });
});
