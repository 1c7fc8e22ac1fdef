import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';
import {
  type AuthorityLeaf,
  authenticatorLeafKey,
  grantLeafKey,
  organizationLeafKey,
  stampKindPki,
  userLeafKey,
  walletLeafKey,
} from '@keystead/protocol/authority';
import { Entry, entryHash, entryKind } from '@keystead/protocol/entry';
import type { Sealed } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { formatSeen } from '@keystead/protocol/stamp';
import bs58 from 'bs58';
import nacl from 'tweetnacl';
import {
  type Answered,
  type BenchWallet,
  type Call,
  organizationLeaf,
  SignerBench,
  walletLeaf,
} from '../testing/signer-bench.ts';
import { checkNames } from './refusal.ts';

/** Every check of spec/signer.md §3 fails alone here, beside the same request that passes. */

type UseOptions = Parameters<SignerBench['use']>[1];

interface Scene {
  readonly bench: SignerBench;
  readonly wallet: BenchWallet;
}

const derivationPath = "m/44'/501'/0'/0'";
const message = utf8Encode('pay nobody');
const keyUse = {
  derivationPath,
  curve: 'Ed25519',
  addressFormat: 'Solana',
  bytesDigest: signedBytesDigest([{ algorithm: 'ed25519', bytes: message }]),
};

function scene(): Scene {
  const bench = new SignerBench();
  return { bench, wallet: bench.createWallet().wallet };
}

type CallOptions = NonNullable<Parameters<SignerBench['call']>[2]>;

function messageCall({ bench, wallet }: Scene, options: CallOptions = {}, params: object = {}): Call {
  return bench.call(
    'signUtf8Message',
    {
      walletId: formatUuid(wallet.walletId),
      derivationInfo: derivationPath,
      message: 'pay nobody',
      algorithm: 'Ed25519',
      ...params,
    },
    options,
  );
}

const use = ({ bench, wallet }: Scene, call: Call, options: UseOptions = {}): Answered =>
  bench.use(call, { wallet, keyUse, ...options });

function assertSigned(answer: Answered, wallet: BenchWallet): void {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { address } = wallet.told.accounts![0]!;
  assert.ok(
    nacl.sign.detached.verify(message, base64urlDecode(String(answer.body.signature)), bs58.decode(address)),
  );
  assert.ok(answer.statement !== null && answer.statement.position > 0);
}

function assertRefused(answer: Answered, check: string): void {
  assert.equal(answer.body.check, check, JSON.stringify(answer.body));
  const final = check === 'floor';
  assert.equal(answer.status, final ? 409 : 503);
  assert.equal(answer.body.code, final ? 'request-superseded' : 'signer-refused');
  assert.equal(answer.body.signature, undefined);
}

/** Fails with `check` when altered, and signs when not. */
function fails(
  check: (typeof checkNames)[number],
  options: UseOptions | ((scene: Scene) => UseOptions),
  callOptions?: CallOptions,
): void {
  const one = scene();
  assertRefused(
    use(one, messageCall(one, callOptions), typeof options === 'function' ? options(one) : options),
    check,
  );
  const refused = one.bench.metrics();
  assert.deepEqual([refused.signatures, refused.refused], [0, { [check]: 1 }]);
  const control = scene();
  assertSigned(use(control, messageCall(control)), control.wallet);
}

const flipped = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
const forged = (sealed: Sealed): Sealed => ({ ...sealed, mac: flipped(sealed.mac) });

describe('tickets and receipts', () => {
  test('refuses tickets that the policy engine did not write, and states nothing of them', () => {
    fails('ticket-mac', { sealedTickets: forged });
    const one = scene();
    assert.equal(use(one, messageCall(one), { sealedTickets: forged }).statement, null);
  });

  test('refuses a receipt that the certifier did not write', () => {
    fails('receipt-mac', { sealedReceipt: forged });
    fails('receipt-mac', {
      sealedReceipt: (sealed) => ({ ...sealed, bytes: flipped(sealed.bytes) }),
    });
  });

  test('refuses tickets under the key of another edge', () => {
    fails('ticket-mac', ({ bench }) => ({
      sealedTickets: (sealed) => bench.roles.policy.seal('policy-to-certifier', 'ticket-batch', sealed.bytes),
    }));
  });

  test('refuses a receipt older or newer than 5 s, and takes one of 5 s', () => {
    for (const shift of [-5001, 5001])
      fails('receipt-age', { receipt: (receipt) => ({ ...receipt, time: receipt.time + shift }) });
    const one = scene();
    one.bench.now += 6000;
    assertSigned(
      use(one, messageCall(one), { receipt: (receipt) => ({ ...receipt, time: receipt.time - 5000 }) }),
      one.wallet,
    );
  });

  test('refuses a receipt from before its own start: what it permitted may have been taken back since', () => {
    fails('receipt-age', { receipt: (receipt) => ({ ...receipt, time: receipt.time - 1 }) });
  });

  test('refuses an entry that the receipt does not contain, and states no position for it', () => {
    const swap = (entry: Entry) => Entry.encode({ ...entry, time: entry.time + 1 });
    fails('receipt-item', { ticket: (ticket) => ({ ...ticket, entry: swap(Entry.decode(ticket.entry)) }) });
    fails('receipt-item', { receipt: (receipt) => ({ ...receipt, items: [] }) });
    fails('receipt-item', { ticket: (ticket) => ({ ...ticket, entry: new Uint8Array(0) }) });
    const one = scene();
    const { statement } = use(one, messageCall(one), { receipt: (receipt) => ({ ...receipt, items: [] }) });
    assert.equal(statement?.position, 0);
  });

  test('refuses when policy engine and certifier name different authority roots', () => {
    for (const root of ['authorityBefore', 'authorityAfter'])
      fails('receipt-item', { item: (item) => ({ ...item, [root]: new Uint8Array(32).fill(1) }) });
  });

  test('refuses a receipt whose head is before the entry or beside it', () => {
    fails('receipt-item', {
      item: (item) => ({ ...item, head: { ...item.head, position: item.position - 1 } }),
    });
    fails('receipt-item', {
      item: (item) => ({ ...item, head: { ...item.head, hash: new Uint8Array(32) } }),
    });
  });

  test('refuses an old receipt that is played again after a newer one was seen', () => {
    const one = scene();
    const call = messageCall(one);
    const kept: { tickets?: Sealed; receipt?: Sealed } = {};
    const first = use(one, call, {
      sealedTickets: (sealed) => (kept.tickets = sealed),
      sealedReceipt: (sealed) => (kept.receipt = sealed),
    });
    assertSigned(first, one.wallet);
    const again = () =>
      use(one, call, { held: true, sealedTickets: () => kept.tickets!, sealedReceipt: () => kept.receipt! });
    assertSigned(use(one, messageCall(one)), one.wallet);
    assertRefused(again(), 'head');
  });

  test('counts heads of receipts without tickets as seen', () => {
    const one = scene();
    const call = messageCall(one);
    const later = { ...one.bench.organization.head, position: 9, hash: new Uint8Array(32).fill(9) };
    const { bench } = one;
    bench.deliver(
      [],
      [
        {
          organization: bench.organization.id,
          position: 9,
          hash: later.hash,
          authorityBefore: later.authority,
          authorityAfter: later.authority,
          head: later,
        },
      ],
    );
    assertRefused(use(one, call), 'head');
  });

  test('refuses an entry below the floor of a narrowing change', () => {
    const raised = (floor: number) => ({
      item: (item: Parameters<NonNullable<UseOptions['item']>>[0]) => ({
        ...item,
        head: {
          ...item.head,
          position: item.position + 1,
          hash: new Uint8Array(32),
          floor: item.position + floor,
        },
      }),
    });
    fails('floor', raised(1));
    const one = scene();
    assertSigned(use(one, messageCall(one), raised(0)), one.wallet);
  });

  test('refuses what is no allowed decision on this request', () => {
    fails('decision', { entry: (entry) => ({ ...entry, decision: { ...entry.decision, outcome: 2 } }) });
    fails('decision', {
      entry: (entry) => ({ ...entry, decision: { ...entry.decision, code: 'policy-denied' } }),
    });
    fails('decision', { entry: (entry) => ({ ...entry, kind: entryKind.outcome }) });
    fails('decision', { entry: (entry) => ({ ...entry, kind: entryKind.grantedUse }) });
    fails('decision', { entry: (entry) => ({ ...entry, result: utf8Encode('{}') }) });
    fails('decision', { entry: (entry) => ({ ...entry, identity: sha256(message) }) });
  });

  test('refuses a ticket that hands the entry of one request to another', () => {
    const one = scene();
    const other = messageCall(one, {}, { message: 'pay somebody' });
    one.bench.hold(other);
    assertRefused(
      use(one, messageCall(one), { ticket: (ticket) => ({ ...ticket, identity: other.identity }) }),
      'decision',
    );
  });
});

describe('the request', () => {
  test('refuses what the signer did not get itself, and forgets after 30 s', () => {
    fails('request', { held: true });
    for (const [wait, signed] of [
      [30_000, true],
      [30_001, false],
    ] as const) {
      const one = scene();
      const call = messageCall(one);
      one.bench.hold(call);
      one.bench.now += wait;
      const answer = use(one, call, { held: true });
      if (signed) assertSigned(answer, one.wallet);
      else assertRefused(answer, 'request');
    }
  });

  test('refuses an entry on another body or surface', () => {
    fails('body', { entry: (entry) => ({ ...entry, bodyDigest: sha256(message) }) });
    fails('body', { entry: (entry) => ({ ...entry, surface: 2 }) });
  });

  test('refuses a stamp for another deployment', () => {
    fails('deployment', {}, { deployment: new Uint8Array(32).fill(3) });
  });

  test('refuses a key that the authority set does not have, though policy engine says so', () => {
    const stranger = new Uint8Array(32).fill(4);
    fails('authenticator', {}, { seed: stranger });
    fails('authenticator', { entry: (entry) => ({ ...entry, authenticator: sha256(message) }) });
    fails('authenticator', ({ bench }) => {
      bench.organization.write([[userLeafKey('root'), bench.userLeaf({ authenticators: [] })]]);
      return {};
    });
    fails('authenticator', ({ bench }) => {
      bench.organization.write([[authenticatorLeafKey(bench.keyHash), undefined]]);
      return {};
    });
  });

  test('refuses when a node of the witness is missing or altered', () => {
    fails('authenticator', { ticket: (ticket) => ({ ...ticket, witness: [] }) });
    fails('authenticator', { ticket: (ticket) => ({ ...ticket, witness: ticket.witness.map(flipped) }) });
  });

  test('refuses a stamp that does not verify or is of a kind that is not allowed', () => {
    const one = scene();
    const call = messageCall(one);
    const signature = Buffer.from(call.raw.signature!.slice('keystead=:'.length, -1), 'base64');
    signature[0]! ^= 1;
    const raw = { ...call.raw, signature: `keystead=:${signature.toString('base64')}:` };
    assertRefused(use(one, { ...call, raw }), 'stamp');
    fails('stamp', ({ bench }) => {
      const leaf = bench.authenticatorLeaf({ stampKinds: stampKindPki });
      bench.organization.write([[authenticatorLeafKey(bench.keyHash), leaf]]);
      return {};
    });
  });

  test('a bad signature under the same identity does not take the place of a good one', () => {
    const one = scene();
    const call = messageCall(one);
    one.bench.hold(call);
    const signature = Buffer.from(call.raw.signature!.slice('keystead=:'.length, -1), 'base64');
    signature[0]! ^= 1;
    one.bench.hold({
      ...call,
      raw: { ...call.raw, signature: `keystead=:${signature.toString('base64')}:` },
    });
    assertSigned(use(one, call, { held: true }), one.wallet);
  });

  test('refuses an authenticator or user that expired before the entry or before the receipt', () => {
    const expiring = (whose: 'user' | 'authenticator', after: number) => (one: Scene) => {
      const { bench } = one;
      const expiresAt = bench.now + after;
      bench.organization.write([
        whose === 'user'
          ? [userLeafKey('root'), bench.userLeaf({ expiresAt })]
          : [authenticatorLeafKey(bench.keyHash), bench.authenticatorLeaf({ expiresAt })],
      ]);
      return { entry: (entry: Entry) => ({ ...entry, time: entry.time - 3000 }) };
    };
    for (const whose of ['user', 'authenticator'] as const) {
      fails('expiry', expiring(whose, -3000));
      fails('expiry', expiring(whose, 0));
      const one = scene();
      assertSigned(use(one, messageCall(one), expiring(whose, 1)(one)), one.wallet);
    }
  });

  test('refuses an entry of another method or organization than the body', () => {
    fails('parse', { entry: (entry) => ({ ...entry, method: 'signRawPayload' }) });
    const one = scene();
    const other = one.bench.newOrganization('another');
    assertRefused(use(one, messageCall(one, { organization: other })), 'parse');
  });

  test('refuses a body that the strict parser refuses, whatever the policy engine read in it', () => {
    const one = scene();
    assertRefused(use(one, messageCall(one, {}, { unknown: 1 })), 'parse');
  });

  test('refuses an entry that was decided outside the window of the stamp', () => {
    fails('fresh', { entry: (entry) => ({ ...entry, time: entry.time + 61_000 }) });
    const one = scene();
    const { now } = one.bench;
    const late = messageCall(one, { surface: 'compatibility', timestampMs: now - 300_001 });
    assertRefused(use(one, late), 'fresh');
    const control = scene();
    const intime = messageCall(control, { surface: 'compatibility', timestampMs: now - 300_000 });
    assertSigned(use(control, intime), control.wallet);
  });

  test('refuses an entry that does not continue the history its client has seen', () => {
    const seen = (shift: number, hash?: Uint8Array) => {
      const one = scene();
      const { organization } = one.bench;
      const { position } = organization.head;
      const known = {
        organizationId: organization.text,
        position: position + shift,
        hash: hash ?? organization.head.hash,
      };
      return { one, answer: use(one, messageCall(one, { seen: formatSeen(known) })) };
    };
    assertRefused(seen(1).answer, 'seen');
    assertRefused(seen(0, new Uint8Array(32)).answer, 'seen');
    const { one, answer } = seen(0);
    assertSigned(answer, one.wallet);
  });

  test('holds the caller to the ceiling of the authenticator, whatever the policy says', () => {
    const ceiling = (one: Scene, changes: object) => {
      const { bench } = one;
      const full = { actions: undefined, wallets: undefined, approvals: 0, ...changes };
      bench.organization.write([
        [authenticatorLeafKey(bench.keyHash), bench.authenticatorLeaf({ ceiling: full })],
      ]);
      return {};
    };
    fails('ceiling', (one) => ceiling(one, { actions: ['getAccounts'] }));
    fails('ceiling', (one) => ceiling(one, { wallets: [new Uint8Array(16)] }));
    fails('ceiling', (one) => ceiling(one, { approvals: 1 }));
    const one = scene();
    ceiling(one, { actions: ['signUtf8Message'], wallets: [one.wallet.walletId] });
    assertSigned(use(one, messageCall(one)), one.wallet);
  });
});

describe('the key', () => {
  test('refuses a key use that is not the request’s', () => {
    const changed = (changes: object): UseOptions => ({
      entry: (entry) => ({ ...entry, keyUse: { ...entry.keyUse!, ...changes } }),
    });
    fails('key-use', { entry: (entry) => ({ ...entry, keyUse: undefined }) });
    fails('key-use', changed({ walletId: new Uint8Array(16) }));
    fails('key-use', changed({ derivationPath: "m/44'/501'/1'/0'" }));
    fails('key-use', changed({ curve: 'Secp256k1' }));
    fails('key-use', changed({ addressFormat: 'Sui' }));
  });

  test('refuses a wallet that the authority set does not have', () => {
    fails('wallet', ({ bench, wallet }) => {
      bench.organization.write([[walletLeafKey(wallet.walletId), undefined]]);
      return {};
    });
  });

  test('refuses a row that is missing, altered, or another wallet’s', () => {
    fails('row', { row: () => undefined });
    fails('row', { row: flipped });
    fails('row', ({ bench }) => {
      const other = bench.createWallet().wallet;
      return { row: () => other.row };
    });
  });

  test('refuses another wallet’s row even when the authority set names it', () => {
    fails('row', ({ bench, wallet }) => {
      const other = bench.createWallet().wallet;
      bench.organization.write([
        [walletLeafKey(wallet.walletId), walletLeaf({ ...other, walletId: wallet.walletId })],
      ]);
      return { wallet: { ...other, walletId: wallet.walletId } };
    });
  });

  test('refuses a row of another kind than the leaf', () => {
    fails('row', ({ bench, wallet }) => {
      bench.organization.write([[walletLeafKey(wallet.walletId), walletLeaf({ ...wallet, kind: 2 })]]);
      return {};
    });
  });

  test('refuses a frozen user, organization and wallet, whatever the policy engine decided', () => {
    const frozen = true;
    fails('expiry', ({ bench }) => {
      bench.organization.write([[userLeafKey('root'), bench.userLeaf({ frozen })]]);
      return {};
    });
    fails('frozen', ({ bench }) => {
      bench.organization.write([[organizationLeafKey, organizationLeaf(frozen)]]);
      return {};
    });
    fails('frozen', ({ bench, wallet }) => {
      const leaf = { ...walletLeaf(wallet), frozen } as AuthorityLeaf;
      bench.organization.write([[walletLeafKey(wallet.walletId), leaf]]);
      return {};
    });
  });

  test('refuses when the witness does not show whether the organization is frozen', () => {
    fails('frozen', ({ bench }) => {
      bench.organization.write([[organizationLeafKey, undefined]]);
      return {};
    });
  });

  test('refuses when the entry committed to other bytes', () => {
    fails('bytes', { keyUse: { ...keyUse, bytesDigest: sha256(message) } });
    fails('bytes', { keyUse: { ...keyUse, bytesDigest: new Uint8Array(32) } });
    const one = scene();
    const read = one.bench.call('getAccounts', {
      walletId: formatUuid(one.wallet.walletId),
      accounts: [derivationPath],
    });
    assertRefused(
      one.bench.use(read, { wallet: one.wallet, keyUse: { bytesDigest: sha256(message) } }),
      'bytes',
    );
  });
});

describe('a wallet of another organization', () => {
  function granted(changes: Partial<Extract<AuthorityLeaf, { leaf: 'grant' }>> = {}, name = '') {
    const one = scene();
    const { bench, wallet } = one;
    const owner = bench.organization;
    const requester = bench.newOrganization('requester');
    owner.write([
      [
        grantLeafKey(wallet.walletId, requester.id, name),
        {
          leaf: 'grant',
          walletId: wallet.walletId,
          target: requester.id,
          name,
          scopes: ['signaturePayload'],
          derivationAllowlist: undefined,
          createdAt: 1,
          ...changes,
        },
      ],
    ]);
    const call = messageCall(one, { organization: requester });
    const attempt = (options: UseOptions = {}) =>
      use(one, call, { organization: requester, owner, ...options });
    return { one, wallet, owner, requester, attempt };
  }

  test('is signed for under a grant that covers method and path', () => {
    for (const changes of [{}, { scopes: ['owner'] }, { derivationAllowlist: [derivationPath] }]) {
      const { attempt, wallet } = granted(changes);
      assertSigned(attempt(), wallet);
    }
    const named = granted({}, 'trading');
    assertSigned(named.attempt({ display: { grant: 'trading' } }), named.wallet);
  });

  test('is refused without a grant, or under one that does not cover the use', () => {
    assertRefused(granted({ scopes: ['signatureTransaction'] }).attempt(), 'grant');
    assertRefused(granted({ scopes: [] }).attempt(), 'grant');
    assertRefused(granted({ derivationAllowlist: ["m/44'/501'/1'/0'"] }).attempt(), 'grant');
    assertRefused(granted({ target: new Uint8Array(16) }).attempt(), 'grant');
    assertRefused(granted({ walletId: new Uint8Array(16) }).attempt(), 'grant');
    assertRefused(granted({}, 'trading').attempt(), 'grant');
  });

  test('is refused while the owner or the wallet is frozen', () => {
    const owned = granted();
    owned.owner.write([[organizationLeafKey, organizationLeaf(true)]]);
    assertRefused(owned.attempt(), 'frozen');
    const lent = granted();
    const leaf = { ...walletLeaf(lent.wallet), frozen: true } as AuthorityLeaf;
    lent.owner.write([[walletLeafKey(lent.wallet.walletId), leaf]]);
    assertRefused(lent.attempt(), 'frozen');
  });

  test('is refused after the grant was revoked', () => {
    const { owner, requester, wallet, attempt } = granted();
    owner.write([[grantLeafKey(wallet.walletId, requester.id, ''), undefined]]);
    assertRefused(attempt(), 'grant');
  });

  test('is refused without the owner’s entry, and without its receipt', () => {
    assertRefused(granted().attempt({ ticket: (ticket) => ({ ...ticket, ownerEntry: undefined }) }), 'grant');
    assertRefused(
      granted().attempt({ receipt: (receipt) => ({ ...receipt, items: receipt.items.slice(0, 1) }) }),
      'receipt-item',
    );
    const raised = granted();
    const answer = raised.attempt({
      ownerItem: (item) => ({
        ...item,
        head: {
          ...item.head,
          position: item.position + 1,
          hash: new Uint8Array(32),
          floor: item.position + 1,
        },
      }),
    });
    assertRefused(answer, 'floor');
  });

  test('is refused when the owner’s entry is of another use', () => {
    for (const changes of [
      { kind: entryKind.decision },
      { decision: { outcome: 2, code: '', rule: '', trace: [] } },
      { counterpart: undefined },
      { counterpart: new Uint8Array(16) },
      { identity: sha256(message) },
      { bodyDigest: sha256(message) },
      { method: 'exportWallet' },
      { keyUse: undefined },
    ])
      assertRefused(granted().attempt({ ownerEntry: (entry) => ({ ...entry, ...changes }) }), 'grant');
    const other = granted();
    const changed = (entry: Entry): Entry => ({
      ...entry,
      keyUse: { ...entry.keyUse!, derivationPath: 'm/1' },
    });
    assertRefused(other.attempt({ ownerEntry: changed }), 'grant');
  });

  test('is not reached by naming the owner without being it', () => {
    const one = scene();
    const stranger = one.bench.newOrganization('stranger');
    const call = messageCall(one, { organization: stranger });
    assertRefused(
      use(one, call, { organization: stranger, keyUse: { ...keyUse, owner: stranger.id } }),
      'wallet',
    );
  });
});

describe('answers', () => {
  test('a repeat gets the same bytes under a fresh receipt, and is not counted again', () => {
    const one = scene();
    const { bench, wallet } = one;
    const call = messageCall(one);
    let encoded = new Uint8Array(0) as Uint8Array;
    const first = use(one, call, { ticket: (ticket) => ({ ...ticket, entry: (encoded = ticket.entry) }) });
    assertSigned(first, wallet);
    assert.equal(bench.metrics().signatures, 1);
    const entry = Entry.decode(encoded);
    const deliver = () =>
      bench.deliver(
        [
          {
            identity: call.identity,
            entry: encoded,
            ownerEntry: undefined,
            witness: bench.organization.witness,
            secret: wallet.secret,
            display: new Uint8Array(0),
          },
        ],
        [
          {
            organization: entry.organization,
            position: entry.position,
            hash: entryHash(encoded),
            authorityBefore: entry.authorityBefore,
            authorityAfter: entry.authorityAfter,
            head: bench.organization.head,
          },
        ],
        { wallet },
      )[0]!;
    bench.now += 4000;
    bench.hold(call);
    const repeated = deliver();
    assert.deepEqual(repeated.finished, first.finished);
    assert.equal(bench.metrics().signatures, 1);

    bench.startSigner();
    assertRefused(deliver(), 'request');
    bench.hold(call);
    const restarted = deliver();
    assert.deepEqual(restarted.body, first.body);
    assert.deepEqual(restarted.statement, first.statement);
  });

  test('all answers of a turn stand under one signature', () => {
    const { bench } = scene();
    const refuse = (text: string) => {
      const call = bench.call('getAccounts', { text });
      return {
        identity: call.identity,
        entry: new Uint8Array(0),
        ownerEntry: undefined,
        witness: [],
        secret: undefined,
        display: new Uint8Array(0),
      };
    };
    const answers = bench.deliver([refuse('a'), refuse('b'), refuse('c')], []);
    assert.equal(answers.length, 3);
    assert.ok(answers.every(({ statement }) => statement !== null));
  });

  test('requests that are no requests are dropped, and nothing throws', () => {
    const { bench } = scene();
    const request = new Uint8Array(300_000);
    bench.receive({ type: 'requests', items: [{ ref: 1, owner: undefined, request }] });
    const held = bench.metrics().requestsHeld;
    const call = bench.call('getAccounts', {});
    bench.hold({ ...call, raw: { ...call.raw, route: 2 } });
    bench.hold({ ...call, raw: { ...call.raw, surface: 7 } });
    bench.hold({ ...call, raw: { ...call.raw, signature: undefined } });
    assert.equal(bench.metrics().requestsHeld, held);
    bench.hold(call);
    assert.equal(bench.metrics().requestsHeld, Number(held) + 1);
  });
});

test('every check of the list is a name of the counters', () => {
  assert.equal(new Set(checkNames).size, 24);
});
