import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EvaluationContext } from '../evaluation.ts';
import type { PolicyRequest } from '../request.ts';
import { checkCondition } from './check-condition.ts';
import { compileCondition, isError, isFalse, isTrue } from './compile-condition.ts';
import { fieldNamed, listNamed } from './fields.ts';
import { parseCondition } from './parse-text.ts';

const NOW = Date.parse('2026-11-29T12:30:00Z');

/** A request that has every field, each with a value of its own. */
const full: PolicyRequest = {
  subject: {
    organizationId: 'acme',
    username: 'ann',
    root: true,
    authenticatorId: 'key-1',
    traits: { team: 'treasury' },
  },
  action: 'signTransaction',
  surface: 'compatibility',
  resource: {
    ownUser: true,
    rawPayload: true,
    origin: 'https://a.example',
    network: 'eip155:10',
    walletId: 'wallet-1',
    walletTags: ['hot', 'payroll'],
    owner: 'other-acme',
    derivationPaths: ["m/44'/0'"],
    address: 'own-1',
    addressFormat: 'BitcoinTaproot',
    ownAddresses: new Set(['own-1', 'own-2']),
  },
  effects: {
    chain: 'bitcoin',
    network: 'bip122:1',
    version: 'psbt-2',
    signers: ['own-1'],
    feePayer: 'payer',
    maxFee: { asset: 'x/fee', amount: 7n },
    outflows: [{ asset: 'x/out', amount: 5n, from: 'own-1', to: 'own-2', kind: 'transfer' }],
    grants: [{ kind: 'allowance', spender: 'spender', asset: 'x/out', amount: 6n, expires: 1_800_000_000n }],
    takeovers: [{ kind: 'stake-authorize', account: 'stake', by: 'thief' }],
    validity: { uniqueness: 'utxo', key: 'k', notBefore: 1_700_000_000n, notAfter: 1_900_000_000n },
    unresolved: [{ kind: 'program', field: 'instructions[0]', detail: 'unknown', subject: 'p' }],
    calls: [{ target: 'contract', name: 'transfer', arguments: { n: '9', text: 'nine' } }],
  },
};

/** The same without whatever may be missing. */
const bare: PolicyRequest = {
  ...full,
  subject: { ...full.subject, traits: {} },
  resource: {
    ...full.resource,
    origin: null,
    network: null,
    walletId: null,
    walletTags: null,
    owner: null,
    derivationPaths: null,
    address: null,
    addressFormat: null,
  },
  effects: {
    ...full.effects!,
    network: null,
    feePayer: null,
    maxFee: null,
    outflows: [{ ...full.effects!.outflows[0]!, to: null }],
    grants: [{ ...full.effects!.grants[0]!, expires: null }],
    takeovers: [{ ...full.effects!.takeovers[0]!, by: null }],
    validity: { ...full.effects!.validity, notBefore: null, notAfter: null },
    unresolved: [{ kind: 'program', field: 'instructions[0]', detail: 'unknown' }],
    calls: [{ target: 'contract', name: null, arguments: {} }],
  },
};

const truth = (text: string, request: PolicyRequest) =>
  compileCondition(
    parseCondition(text),
    {},
  )(new EvaluationContext(request, NOW, (limit) => (limit === 'daily' ? 3n : undefined)));

/** Of `full`: field, its value. The third: the request may lack it. */
const singles: readonly (readonly [string, string, 'optional'?])[] = [
  ['subject.organization', '"acme"'],
  ['subject.user', '"ann"'],
  ['subject.root', 'true'],
  ['subject.authenticator', '"key-1"'],
  ['subject.traits["team"]', '"treasury"', 'optional'],
  ['action.method', '"signTransaction"'],
  ['action.class', '"sign-transaction"'],
  ['action.surface', '"compatibility"'],
  ['action.origin', '"https://a.example"', 'optional'],
  ['action.network', '"eip155:10"', 'optional'],
  ['resource.wallet', '"wallet-1"', 'optional'],
  ['resource.owner', '"other-acme"', 'optional'],
  ['resource.address', '"own-1"', 'optional'],
  ['resource.addressFormat', '"BitcoinTaproot"', 'optional'],
  ['resource.ownUser', 'true'],
  ['resource.rawPayload', 'true'],
  ['resource.derivationPaths.size()', '1', 'optional'],
  ['effects.chain', '"bitcoin"'],
  ['effects.network', '"bip122:1"', 'optional'],
  ['effects.version', '"psbt-2"'],
  ['effects.feePayer', '"payer"', 'optional'],
  ['effects.fee', '7', 'optional'],
  ['effects.feeAsset', '"x/fee"', 'optional'],
  ['effects.uniqueness', '"utxo"'],
  ['effects.notBefore', 'timestamp("2023-11-14T22:13:20Z")', 'optional'],
  ['effects.notAfter', 'timestamp("2030-03-17T17:46:40Z")', 'optional'],
  ['effects.signers.size()', '1'],
  ['time.now', 'timestamp("2026-11-29T12:30:00Z")'],
  ['time.now.getHours("Europe/Berlin")', '13'],
  ['time.now.getDayOfWeek("UTC")', '0'],
  ['usage["daily"]', '3'],
];

const elements: readonly (readonly [list: string, field: string, value: string, 'optional'?])[] = [
  ['effects.signers', 'item', '"own-1"'],
  ['effects.outflows', 'item.asset', '"x/out"'],
  ['effects.outflows', 'item.amount', '5'],
  ['effects.outflows', 'item.from', '"own-1"'],
  ['effects.outflows', 'item.to', '"own-2"', 'optional'],
  ['effects.outflows', 'item.kind', '"transfer"'],
  ['effects.grants', 'item.kind', '"allowance"'],
  ['effects.grants', 'item.spender', '"spender"'],
  ['effects.grants', 'item.asset', '"x/out"'],
  ['effects.grants', 'item.amount', '6'],
  ['effects.grants', 'item.expires', 'timestamp("2027-01-15T08:00:00Z")', 'optional'],
  ['effects.takeovers', 'item.kind', '"stake-authorize"'],
  ['effects.takeovers', 'item.account', '"stake"'],
  ['effects.takeovers', 'item.by', '"thief"', 'optional'],
  ['effects.unresolved', 'item.kind', '"program"'],
  ['effects.unresolved', 'item.field', '"instructions[0]"'],
  ['effects.unresolved', 'item.subject', '"p"', 'optional'],
  ['effects.calls', 'item.target', '"contract"'],
  ['effects.calls', 'item.name', '"transfer"', 'optional'],
  ['effects.calls', 'item.arguments["n"]', '"9"', 'optional'],
  ['effects.calls', 'int(item.arguments["n"])', '9', 'optional'],
];

const otherThan = (value: string): string =>
  value === 'true'
    ? 'false'
    : value.startsWith('timestamp')
      ? 'timestamp("2000-01-01T00:00:00Z")'
      : value.startsWith('"')
        ? '"something else"'
        : '77';

describe('fields of conditions', () => {
  for (const [field, value, optional] of singles)
    it(`reads ${field} where it stands in the request, and nothing else`, () => {
      assert.equal(truth(`${field} == ${value}`, full), isTrue);
      assert.equal(truth(`${field} == ${otherThan(value)}`, full), isFalse);
      assert.equal(truth(`${field} == ${value}`, bare), optional === undefined ? isTrue : isError);
      const without = truth(`${field} == ${value}`, { ...full, effects: null });
      assert.equal(without, field.startsWith('effects.') ? isError : isTrue);
      // What may be missing can be asked for; a field of effects is missing without effects.
      if (!field.includes('(')) {
        assert.equal(truth(`has(${field})`, full), isTrue);
        assert.equal(truth(`has(${field})`, bare), optional === undefined ? isTrue : isFalse);
      }
      const found = fieldNamed(field, null)!;
      const isUsage = field.startsWith('usage');
      assert.equal(found.optional, optional !== undefined || isUsage);
      assert.equal(found.needsEffects, field.startsWith('effects.'));
    });

  for (const [list, field, value, optional] of elements)
    it(`reads ${field} of each element of ${list}`, () => {
      const asks = (of: string): string => `${list}.exists(item, ${field} == ${of})`;
      assert.equal(truth(asks(value), full), isTrue);
      assert.equal(truth(asks(otherThan(value)), full), isFalse);
      assert.equal(truth(asks(value), bare), optional === undefined ? isTrue : isError);
      assert.equal(truth(asks(value), { ...full, effects: null }), isError);
      assert.equal(truth(`has(${list})`, { ...full, effects: null }), isFalse);
      assert.equal(truth(`has(${list})`, full), isTrue);
      assert.equal(fieldNamed(field, listNamed(list)!)!.optional, optional !== undefined);
    });

  it('tells own addresses from others, and nobody’s from both', () => {
    const own = 'effects.outflows.exists(o, o.own)';
    assert.equal(truth(own, full), isTrue);
    assert.equal(truth(own, bare), isFalse);
    const [outflow] = full.effects!.outflows;
    const elsewhere = { ...full.effects!, outflows: [{ ...outflow!, to: 'bob' }] };
    assert.equal(truth(own, { ...full, effects: elsewhere }), isFalse);
  });

  it('sums what can leave by asset, the fee and grants included', () => {
    const exists = (asset: string, amount: string): string =>
      `effects.spending.exists(s, s.asset == "${asset}" && s.amount == ${amount})`;
    assert.equal(truth(exists('x/out', '11'), full), isTrue);
    assert.equal(truth(exists('x/fee', '7'), full), isTrue);
    assert.equal(truth('effects.spending.size() == 2', full), isTrue);
    assert.equal(truth(exists('x/fee', '7'), bare), isFalse);
    assert.equal(truth(exists('x/out', '11'), { ...full, effects: null }), isError);
  });

  it('holds what nothing bounds for more than every integer', () => {
    const unbounded = {
      ...full.effects!,
      outflows: [{ ...full.effects!.outflows[0]!, amount: 'unbounded' as const }],
      grants: [{ ...full.effects!.grants[0]!, amount: 'unbounded' as const }],
    };
    const most = (2n ** 256n - 1n).toString();
    for (const list of ['outflows', 'grants', 'spending']) {
      const exceeds = `effects.${list}.exists(e, e.amount > ${most})`;
      assert.equal(truth(exceeds, { ...full, effects: unbounded }), isTrue, list);
      assert.equal(truth(exceeds, full), isFalse, list);
    }
  });

  it('reads sets and paths', () => {
    assert.equal(truth('"hot" in resource.walletTags', full), isTrue);
    assert.equal(truth('"cold" in resource.walletTags', full), isFalse);
    assert.equal(truth('"hot" in resource.walletTags', bare), isError);
    assert.equal(truth(`resource.derivationPaths.all(p, p == "m/44'/0'")`, full), isTrue);
    assert.equal(truth('resource.derivationPaths.all(p, p == "m")', full), isFalse);
    assert.equal(truth('resource.derivationPaths.all(p, p == "m")', bare), isError);
    assert.equal(truth('has(resource.derivationPaths)', bare), isFalse);
  });

  it('compares a text by its beginning, and a truth by itself', () => {
    const accepts = (text: string): void => {
      assert.equal(truth(text, full), isTrue, text);
      assert.doesNotThrow(() => checkCondition(parseCondition(text), {}, 'when'), text);
    };
    for (const [text, start] of [
      ['subject.organization', 'ac'],
      ['subject.user', 'an'],
      ['subject.authenticator', 'key'],
      ['action.method', 'sign'],
      ['action.class', 'sign-'],
      ['action.surface', 'comp'],
      ['action.origin', 'https://'],
      ['action.network', 'eip155:'],
      ['resource.wallet', 'wallet-'],
      ['resource.owner', 'other-'],
      ['resource.addressFormat', 'Bitcoin'],
      ['effects.chain', 'bit'],
      ['effects.network', 'bip122:'],
      ['effects.version', 'psbt'],
      ['effects.uniqueness', 'ut'],
    ])
      accepts(`${text}.startsWith("${start}")`);
    for (const text of ['subject.root', 'resource.ownUser', 'resource.rawPayload']) accepts(text);
  });

  it('takes for a number only its one decimal text', () => {
    for (const [text, expected] of [
      ['9', isTrue],
      ['09', isError],
      ['+9', isError],
      ['9 ', isError],
      ['', isError],
      ['0', isFalse],
      [(2n ** 256n - 1n).toString(), isFalse],
      [(2n ** 256n).toString(), isError],
    ] as const) {
      const calls = [{ target: 't', name: null, arguments: { n: text } }];
      const request = { ...full, effects: { ...full.effects!, calls } };
      assert.equal(truth('effects.calls.exists(c, int(c.arguments["n"]) == 9)', request), expected, text);
    }
  });

  it('has no usage of a limit where nobody says it', () => {
    const test = compileCondition(parseCondition('usage["daily"] == 3'), {});
    assert.equal(test(new EvaluationContext(full, NOW)), isError);
  });

  it('knows no fields but these', () => {
    const calls = listNamed('effects.calls')!;
    for (const path of ['item', 'item.name', 'item.arguments["n"]', 'int(item.arguments["n"])'])
      assert.equal(fieldNamed(path, null), undefined, path);
    for (const path of [
      'item.other',
      'item.toString',
      'some.target',
      'some.arguments["n"]',
      'item.other["n"]',
      'other.arguments["n"]',
      'int(item.other)',
      'subject.other["k"]',
      'nothing.size()',
      'toString',
      'subject.traits[""]',
      'time.now.getMinutes("UTC")',
    ])
      assert.equal(fieldNamed(path, calls), undefined, path);
    // Only what is text can be a number.
    assert.equal(fieldNamed('int(item.amount)', listNamed('effects.outflows')!), undefined);
    assert.equal(fieldNamed('item.arguments["n"]', listNamed('effects.outflows')!), undefined);
    assert.equal(listNamed('toString'), undefined);
  });
});
