import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { compilePolicy } from './compile-policy.ts';
import { decideInWords } from './decide.ts';
import { decideWithReceipt, receiptText, verifyReceipt } from './decision-receipt.ts';
import { allowedOnlyBy } from './difference.ts';
import type { Usage } from './limits.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { PolicyRequest } from './request.ts';

const CONTRACT = '0x52908400098527886E0F7030069857D2E4169EE7';
const call = `call "router.swap" ethereum "eip155:1" "${CONTRACT}" "swap(address to,uint256 amount)";`;
const describing = parsePolicy(`policy 1;
${call}
allow "swaps" on sign-transaction when
  effects.calls.all(item, item.name == "router.swap" && int(item.arguments["amount"]) <= 100)
  && effects.outflows.all(item, item.amount <= 7)
  accepting unresolved("described-call", subject: "router.swap");`);
const naming = parsePolicy(`policy 1;
allow "unknown" on sign-transaction when true accepting unresolved("unknown-call", subject: "${CONTRACT}:0x12345678");`);
const anything = parsePolicy(
  'policy 1; allow "described" on sign-transaction when true accepting unresolved("described-call");',
);

const effects: Effects = {
  chain: 'ethereum',
  network: 'eip155:1',
  version: 'eip1559',
  signers: [],
  feePayer: null,
  maxFee: null,
  outflows: [{ asset: 'eip155:1/slip44:60', amount: 5n, from: 'A', to: CONTRACT, kind: 'call-value' }],
  grants: [{ kind: 'permit', spender: 'S', asset: 'a/b:c', amount: 1n, expires: 9n }],
  takeovers: [],
  validity: { uniqueness: 'nonce', key: '1', notBefore: 1n, notAfter: 2n },
  unresolved: [{ kind: 'unknown-call', field: 'data', detail: '', subject: `${CONTRACT}:0x12345678` }],
  calls: [{ target: CONTRACT, name: null, arguments: {} }],
};
const described = (amount: string, value = 5n): Effects => ({
  ...effects,
  outflows: [{ ...effects.outflows[0]!, amount: value }],
  unresolved: [{ kind: 'described-call', field: 'data', detail: '', subject: 'router.swap' }],
  calls: [{ target: CONTRACT, name: 'router.swap', arguments: { amount } }],
});
const request = (readings?: PolicyRequest['readings'], read: Effects | null = effects): PolicyRequest => ({
  subject: { organizationId: 'o', username: 'u', root: false, authenticatorId: 'a', traits: {} },
  action: 'signTransaction',
  surface: 'native',
  resource: {
    ownUser: false,
    rawPayload: false,
    origin: null,
    network: null,
    walletId: 'w',
    walletTags: [],
    owner: 'o',
    derivationPaths: null,
    address: 'A',
    addressFormat: 'Ethereum',
    ownAddresses: new Set(['A']),
  },
  effects: read,
  ...(readings === undefined ? {} : { readings }),
});
const usage: Usage = { spent: () => 0n, quotes: () => undefined };
const outcome = (documents: readonly (typeof describing)[], asked: PolicyRequest) =>
  decideInWords(
    documents.map((document, index) => compilePolicy(`p${index}`, document)),
    asked,
    usage,
    0,
  );

test('a policy sees the calls that it describes, and every other policy an unknown call', () => {
  const readings = { 0: described('100') };
  assert.equal(outcome([describing], request(readings)).outcome, 'allow');
  assert.equal(outcome([describing], request()).outcome, 'deny');
  assert.equal(outcome([describing], request({ 0: described('101') })).outcome, 'deny');
  assert.equal(outcome([describing, naming], request(readings)).outcome, 'allow');
  // What one policy describes passes no rule of another, although it would accept anything that is described.
  const other = outcome([describing, anything], request(readings));
  assert.equal(other.outcome, 'deny');
  assert.match(other.trace.at(-1)!, /unknown-call|selector|data/);
  assert.equal(outcome([naming], request({ 1: described('1') })).outcome, 'allow');
});

test('what would pass is said of every reading alike', () => {
  const { counterfactual } = outcome([describing], request({ 0: described('1', 9n) }));
  assert.deepEqual(counterfactual?.changes, [
    { field: 'effects.outflows[0].amount', is: 'atMost', value: '7' },
  ]);
});

test('what would pass is said of what only one policy reads, without a coin that the others do not see', () => {
  const read = described('1', 7n);
  const more = { ...read, outflows: [read.outflows[0]!, { ...read.outflows[0]!, amount: 9n }] };
  const second = outcome([describing], request({ 0: more })).counterfactual;
  assert.equal(second?.text, 'would pass with effects.outflows[1].amount at 7 or less');
  const cheap = parsePolicy(`policy 1; ${call}
    allow "swaps" on sign-transaction when effects.fee <= 3 accepting unresolved("described-call");`);
  const fee = { asset: 'eip155:1/slip44:60', amount: 9n };
  const asked = (own: Effects) =>
    outcome([cheap], request({ 0: { ...read, maxFee: fee } }, own)).counterfactual?.text;
  assert.equal(asked(effects), 'would pass with effects.fee at 3 or less');
  assert.equal(
    asked({ ...effects, maxFee: fee }),
    'would pass with effects.fee at 3 (0.000000000000000003 ether) or less',
  );
});

test('a receipt holds the readings, and is decided again from them to the same bytes', () => {
  const policies = [{ name: 'user', document: describing }];
  const text = receiptText(decideWithReceipt(policies, request({ 0: described('100') }), usage, 0));
  assert.match(text, /"outcome":"allow"/);
  assert.equal(verifyReceipt(text), true);
  assert.equal(verifyReceipt(text.replace('"amount":"100"', '"amount":"101"')), false);
  assert.throws(() => verifyReceipt(text.replaceAll('"amount":"5"', '"amount":5')), {
    code: 'parameter-invalid',
  });
});

test('two policies that describe differently are not compared by effects', () => {
  const without = parsePolicy('policy 1; allow "swaps" on sign-transaction when true;');
  const result = allowedOnlyBy(describing, without);
  assert.equal(result.result, 'unknown');
  assert.equal(allowedOnlyBy(describing, { ...describing, owners: [CONTRACT] }).result, 'unknown');
  assert.equal(allowedOnlyBy(describing, describing).result, 'none');
  const two =
    parsePolicy(`policy 1; ${call} ${call.replace('"router.swap"', '"b"').replace('eip155:1', 'eip155:2')}
    allow "swaps" on sign-transaction when true;`);
  assert.equal(allowedOnlyBy(two, { ...two, calls: [...two.calls!].reverse() }).result, 'none');
});

test('a policy of another organization sees a stranger: no name, trait or root of its own', () => {
  const rule = (when: string) =>
    parsePolicy(`policy 1; allow "r" on sign-transaction when ${when}
    accepting unresolved("unknown-call");`);
  const guest = (strangerTo?: readonly number[]): PolicyRequest => ({
    ...request(),
    subject: { organizationId: 'o', username: 'u', root: true, authenticatorId: 'a', traits: { team: 't' } },
    ...(strangerTo === undefined ? {} : { strangerTo }),
  });
  for (const when of ['subject.user == "u"', 'subject.root', 'subject.traits["team"] == "t"']) {
    assert.equal(outcome([rule(when)], guest()).outcome, 'allow', when);
    assert.equal(outcome([rule(when)], guest([1])).outcome, 'allow', when);
    assert.equal(outcome([rule(when)], guest([0])).outcome, 'deny', when);
  }
  const whole = rule('subject.user == "o/u" && subject.organization == "o" && subject.authenticator == "a"');
  assert.equal(outcome([whole], guest([0])).outcome, 'allow');
  const both = { ...guest([0]), readings: { 0: described('100') } };
  assert.equal(outcome([describing], both).outcome, 'allow');
  const text = receiptText(
    decideWithReceipt([{ name: 'p', document: rule('subject.root') }], guest([0]), usage, 0),
  );
  assert.match(text, /"outcome":"deny"/);
  assert.equal(verifyReceipt(text), true);
});
