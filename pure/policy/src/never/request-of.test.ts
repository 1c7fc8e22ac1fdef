import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MethodName } from '@keystead/protocol/method-table';
import { compilePolicy } from '../compile-policy.ts';
import { EvaluationContext, infinite } from '../evaluation.ts';
import { fieldNamed, listNamed } from '../language/fields.ts';
import { PolicyGoals } from './policy-goals.ts';
import { requestOf, type Values } from './request-of.ts';

const goalsOf = (action: MethodName) =>
  new PolicyGoals(compilePolicy('p', { version: 1, rules: [] }), action);
const made = (
  of: Readonly<Record<string, NonNullable<ReturnType<Values['of']['get']>> | null>>,
  elements: Readonly<Record<string, readonly string[]>> = {},
  action: MethodName = 'signTransaction',
) =>
  requestOf(goalsOf(action), {
    of: new Map(Object.entries(of)),
    elements: new Map(Object.entries(elements)),
  });

/** What a condition reads of a field, of a request in which it has a value. */
function read(path: string, value: Parameters<typeof made>[0][string], elements = {}): unknown {
  return fieldNamed(path, null)!.read(new EvaluationContext(made({ [path]: value }, elements), 0));
}

function readItem(list: string, name: string, of: Parameters<typeof made>[0]): unknown {
  const request = made(of, { [list]: [`${list}[0]`, `${list}[1]`] });
  const context = new EvaluationContext(request, 0);
  [, context.item] = listNamed(list)!.read(context)!;
  return fieldNamed(name === '' ? 'item' : `item.${name}`, listNamed(list)!)!.read(context);
}

describe('a request out of values', () => {
  it('is one that nothing is known of, where nothing is', () => {
    assert.deepEqual(made({}), {
      subject: {
        organizationId: 'organization',
        username: 'user',
        root: false,
        authenticatorId: 'authenticator',
        traits: {},
      },
      action: 'signTransaction',
      surface: 'native',
      resource: {
        ownUser: false,
        rawPayload: false,
        origin: 'https://origin.example',
        network: 'eip155:1',
        walletId: 'wallet',
        walletTags: [],
        owner: 'organization',
        derivationPaths: [],
        address: 'address',
        addressFormat: 'Solana',
        ownAddresses: new Set(),
      },
      effects: {
        chain: 'solana',
        network: null,
        version: 'v0',
        signers: [],
        feePayer: null,
        maxFee: null,
        outflows: [],
        grants: [],
        takeovers: [],
        unresolved: [],
        calls: [],
        validity: { uniqueness: 'nonce', key: '0', notBefore: null, notAfter: null },
      },
    });
    assert.equal(made({}, {}, 'exportWallet').effects, null);
  });

  const fields: readonly (readonly [string, string | boolean | bigint | readonly string[], 'optional'?])[] = [
    ['subject.organization', 'acme'],
    ['subject.user', 'ann'],
    ['subject.root', true],
    ['subject.authenticator', 'key'],
    ['subject.traits["team"]', 'treasury', 'optional'],
    ['action.surface', 'compatibility'],
    ['action.origin', 'https://a.example', 'optional'],
    ['action.network', 'eip155:10', 'optional'],
    ['resource.wallet', 'w', 'optional'],
    ['resource.walletTags', ['hot'], 'optional'],
    ['resource.owner', 'other', 'optional'],
    ['resource.address', 'A', 'optional'],
    ['resource.addressFormat', 'Sui', 'optional'],
    ['resource.ownUser', true],
    ['resource.rawPayload', true],
    ['effects.chain', 'sui'],
    ['effects.network', 'solana:x', 'optional'],
    ['effects.version', 'legacy'],
    ['effects.feePayer', 'payer', 'optional'],
    ['effects.fee', 7n, 'optional'],
    ['effects.uniqueness', 'utxo'],
    ['effects.notBefore', 5000n, 'optional'],
    ['effects.notAfter', 9000n, 'optional'],
  ];
  for (const [path, value, optional] of fields)
    it(`holds ${path} where conditions read it`, () => {
      assert.deepEqual(read(path, value), value);
      if (optional !== undefined) assert.equal(read(path, null), undefined);
    });

  it('has an asset of the fee where it has a fee, and none without', () => {
    const asset = (of: Parameters<typeof made>[0]) => made(of).effects!.maxFee;
    assert.deepEqual(asset({ 'effects.fee': 0n }), { asset: 'fee-asset', amount: 0n });
    assert.deepEqual(asset({ 'effects.fee': 3n, 'effects.feeAsset': 'x/y' }), { asset: 'x/y', amount: 3n });
    assert.equal(asset({ 'effects.fee': null, 'effects.feeAsset': null }), null);
  });

  const items: readonly (readonly [list: string, name: string, string | bigint, otherwise: unknown])[] = [
    ['effects.signers', '', 'A', 'address'],
    ['effects.outflows', 'asset', 'x/y', 'effects.outflows[1].asset'],
    ['effects.outflows', 'amount', 7n, 0n],
    ['effects.outflows', 'amount', infinite, 0n],
    ['effects.outflows', 'amount', infinite - 1n, 0n],
    ['effects.outflows', 'from', 'A', 'address'],
    ['effects.outflows', 'to', 'B', 'effects.outflows[1].to'],
    ['effects.outflows', 'kind', 'rent', 'transfer'],
    ['effects.grants', 'kind', 'permit', 'allowance'],
    ['effects.grants', 'spender', 'S', 'effects.grants[1].spender'],
    ['effects.grants', 'asset', 'x/y', 'effects.grants[1].asset'],
    ['effects.grants', 'amount', infinite, 0n],
    ['effects.grants', 'expires', 5000n, undefined],
    ['effects.takeovers', 'kind', 'stake', 'kind'],
    ['effects.takeovers', 'account', 'A', 'address'],
    ['effects.takeovers', 'by', 'eve', undefined],
    ['effects.unresolved', 'kind', 'program', 'kind'],
    ['effects.unresolved', 'field', 'instructions[0]', 'field'],
    ['effects.unresolved', 'subject', 'p', undefined],
    ['effects.calls', 'target', 'contract', 'target'],
    ['effects.calls', 'name', 'transfer', undefined],
    ['effects.calls', 'arguments["n"]', '9', undefined],
    ['resource.derivationPaths', '', "m/44'", 'm'],
  ];
  for (const [list, name, value, otherwise] of items)
    it(`holds ${name === '' ? 'each' : name} of ${list}: ${String(value).slice(0, 20)}`, () => {
      const end = name === '' ? '' : `.${name}`;
      const other = typeof value === 'bigint' ? 1000n : 'other';
      const of = { [`${list}[0]${end}`]: other, [`${list}[1]${end}`]: value };
      assert.equal(readItem(list, name, of), value);
      assert.equal(readItem(list, name, {}), otherwise);
    });

  it('says of an amount beyond every integer that nothing bounds it', () => {
    const amount = (value: bigint) =>
      made({ 'effects.outflows[0].amount': value }, { 'effects.outflows': ['effects.outflows[0]'] }).effects!
        .outflows[0]!.amount;
    assert.equal(amount(infinite), 'unbounded');
    assert.equal(amount(infinite - 1n), infinite - 1n);
    assert.deepEqual(made({ 'subject.user': 'ann' }).subject.traits, {});
  });

  it('lacks what it has to lack of an element', () => {
    const list = 'effects.outflows';
    assert.equal(
      made({ [`${list}[0].to`]: null }, { [list]: [`${list}[0]`] }).effects!.outflows[0]!.to,
      null,
    );
    const calls = ['effects.calls[0]'];
    const [call] = made(
      { 'effects.calls[0].arguments["a"]': null, 'effects.calls[0].arguments["b"]': 'x' },
      { 'effects.calls': calls },
    ).effects!.calls;
    assert.deepEqual(call!.arguments, { b: 'x' });
    assert.deepEqual(made({ 'subject.traits["a"]': null, 'subject.traits["b"]': 'x' }).subject.traits, {
      b: 'x',
    });
    assert.equal(made({ 'resource.derivationPaths': null }).resource.derivationPaths, null);
    const [part] = made({}, { 'effects.unresolved': ['effects.unresolved[0]'] }).effects!.unresolved;
    assert.deepEqual(part, { kind: 'kind', field: 'field', detail: 'by the search' });
  });

  it('has for own addresses those that receive what is own', () => {
    const elements = {
      'effects.outflows': ['effects.outflows[0]', 'effects.outflows[1]'],
      'effects.grants': ['effects.grants[0]', 'effects.grants[1]'],
    };
    const own = (of: Parameters<typeof made>[0]) => [...made(of, elements).resource.ownAddresses].sort();
    assert.deepEqual(own({}), []);
    assert.deepEqual(own({ 'effects.outflows[0].own': false, 'effects.outflows[0].to': 'A' }), []);
    assert.deepEqual(
      own({
        'effects.outflows[0].own': true,
        'effects.outflows[0].to': 'A',
        'effects.outflows[1].own': true,
        'effects.grants[0].own': true,
        'effects.grants[0].spender': 'S',
        'effects.grants[1].own': true,
      }),
      ['A', 'S', 'effects.grants[1].spender', 'effects.outflows[1].to'],
    );
  });
});
