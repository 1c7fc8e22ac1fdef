import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plainEffects, plainRequest } from '../testing/plain.ts';
import { compilePolicy } from './compile-policy.ts';
import { decide, decideInWords, type PolicyDecision } from './decide.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { agreedQuotes } from '../testing/quotes.ts';
import type { PolicyRequest } from './request.ts';

const NOW = Date.parse('2026-11-28T10:00:00Z');
const noUsage: Usage = { spent: () => 0n, quotes: () => undefined };
const policies = (...texts: readonly string[]) =>
  texts.map((text, number) => compilePolicy(`p${number}`, parsePolicy(`policy 1;\n${text}`)));
const said = (text: string, request: PolicyRequest = plainRequest(), usage = noUsage): PolicyDecision =>
  decideInWords(policies(text), request, usage, NOW);

const askRoot = 'Ask a root user of the organization to do this or to widen the policy.';

describe('what a decision says', () => {
  it('names the rule of the first policy that let the request pass, and all of them in its trace', () => {
    const all = policies('allow "one" when true;', 'allow "two" when true;', 'allow "three" when true;');
    const { rule, trace } = decide(all, plainRequest(), noUsage, NOW);
    assert.equal(rule, 'p0/one');
    assert.deepEqual(trace, ['p0/one: pass', 'p1/two: pass', 'p2/three: pass']);
  });

  it('names a price once, however many counters were valued by it', () => {
    const [outflow] = plainEffects.outflows;
    const outflows = ['B', 'C', 'D'].map((to) => ({ ...outflow!, to }));
    const record = agreedQuotes(1_000_000n, 9, NOW);
    const { trace, reservations } = said(
      'allow "a" when true; limit "l" usd per destination over lifetime max 99; limit "m" usd over lifetime max 99;',
      plainRequest({ outflows }),
      { ...noUsage, quotes: () => record },
    );
    assert.equal(reservations.length, 4);
    assert.deepEqual(
      trace.map((line) => line.slice(0, line.indexOf(':'))),
      ['p0/a', 'p0/l', 'p0/m'],
    );
  });

  it('takes up a counter once, however many limits it has', () => {
    const limits = ['1h', '24h'].map(
      (window) => `limit "l${window}" amount per asset over rolling(duration("${window}")) max 99;`,
    );
    const once = said(`allow "a" when true; ${limits.join(' ')}`);
    assert.deepEqual(
      once.reservations.map(({ amount }) => amount),
      [5n],
    );
    const apart = said(
      'allow "a" when true; limit "l" amount per asset over lifetime max 99; limit "m" amount per asset, user over lifetime max 99;',
    );
    assert.equal(apart.reservations.length, 2);
  });

  it('asks for the rule that asks for the least, and waits for no longer than that', () => {
    const asks = (text: string) => {
      const { approvalsNeeded, delaySeconds, rule } = said(text);
      return [rule, approvalsNeeded, delaySeconds];
    };
    const rule = (id: string, ...asked: readonly string[]) => `allow "${id}" when true ${asked.join(' ')};`;
    const minutes = (count: number) => `delay duration("${count}m")`;
    assert.deepEqual(asks(`${rule('a', 'approvals 2')} ${rule('b', 'approvals 1', minutes(9))}`), [
      'p0/b',
      1,
      540,
    ]);
    assert.deepEqual(asks(`${rule('a', 'approvals 1', minutes(9))} ${rule('b', 'approvals 2')}`), [
      'p0/a',
      1,
      540,
    ]);
    assert.deepEqual(asks(`${rule('a', minutes(9))} ${rule('b', minutes(2))} ${rule('c', minutes(3))}`), [
      'p0/b',
      0,
      120,
    ]);
    assert.deepEqual(asks(`${rule('a', minutes(2))} ${rule('b', minutes(2))}`), ['p0/a', 0, 120]);
    assert.deepEqual(asks(`${rule('a', 'approvals 1')} ${rule('b', minutes(1))} ${rule('c')}`), [
      'p0/c',
      0,
      0,
    ]);
  });

  it('explains a denial by the rules for the chain of the transaction, not by those for another', () => {
    const { rule, field } = said(
      `allow "sui" when effects.chain == "sui" && subject.user == "u";
       allow "solana" when effects.chain == "solana" && subject.user == "v" && subject.root;`,
    );
    assert.deepEqual([rule, field], ['p0/solana', 'subject.user']);
  });

  it('says of a method that is not offered that it is not, and of others that nothing allows them', () => {
    const of = (action: PolicyRequest['action']) => {
      const { rule, field, trace, hint } = said(
        'allow "a" on sign-message when true;',
        plainRequest(null, { action }),
      );
      return [rule, field, trace[0], hint];
    };
    assert.deepEqual(of('getPhantomOrganization'), [
      'p0',
      null,
      'p0: deny: getPhantomOrganization is not offered',
      'Use another method.',
    ]);
    assert.deepEqual(of('exportWallet'), ['p0', null, 'p0: deny: nothing allows exportWallet', askRoot]);
  });

  it('says of raw payloads which permission is missing, and of nothing else', () => {
    const text = 'allow "raw-payloads" on sign-raw-payload, sign-message when subject.root;';
    const of = (rules: string, action: PolicyRequest['action']) => {
      const { field, hint, code } = said(rules, plainRequest(null, { action }));
      return [field, hint, code];
    };
    assert.deepEqual(of(text, 'signRawPayload'), [
      'params.payload',
      'Let a root user set permissions ["signRawPayload"] in the policy, or sign a message, typed data or a transaction.',
      'raw-payload-not-permitted',
    ]);
    assert.deepEqual(of(text, 'signUtf8Message'), ['subject.root', askRoot, 'policy-denied']);
    const other = text.replace('raw-payloads', 'others');
    assert.deepEqual(of(other, 'signRawPayload'), ['subject.root', askRoot, 'policy-denied']);
  });
});
