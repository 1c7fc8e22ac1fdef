/**
 * Every row of docs/understands.md, one by one: what is decoded passes a rule that allows everything, what is refused is
 * refused, and what needs a rule is denied without one that names exactly it. The control of each row is the same
 * transaction under a rule that does name it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChainName, Effects } from '@keystead/chains/effects';
import { ChainError } from '@keystead/chains/error';
import { compilePolicy } from '@keystead/policy/compile-policy';
import { decideInWords } from '@keystead/policy/decide';
import { exceptionsOf } from '@keystead/policy/exceptions';
import type { Acceptance, PolicyDocument } from '@keystead/policy/language/document';
import type { Usage } from '@keystead/policy/limits';
import { plainRequest } from '@keystead/policy/testing/plain';
import { type Probe, probesOf } from '../understands.ts';

const CHAINS: readonly (readonly [name: string, chain: ChainName])[] = [
  ['Solana', 'solana'],
  ['EVM', 'ethereum'],
  ['Bitcoin', 'bitcoin'],
  ['Sui', 'sui'],
];
const NOW = Date.UTC(2026, 10, 28);
const nothingUsed: Usage = { spent: () => 0n, quotes: () => undefined };

/** What a rule decides that allows everything, and accepts this. */
function decision(effects: Effects, accepts: readonly Acceptance[] = []) {
  const document: PolicyDocument = {
    version: 1,
    rules: [
      {
        id: 'all',
        effect: 'allow',
        on: ['sign-transaction', 'sign-typed-data'],
        when: { constant: true },
        ...(accepts.length === 0 ? {} : { accepts }),
      },
    ],
  };
  const action = effects.version === 'typed-data' ? 'ethereumSignTypedData' : 'signTransaction';
  const policies = [compilePolicy('policy', document)];
  return decideInWords(policies, plainRequest(effects, { action }), nothingUsed, NOW);
}

/** Names exactly what a rule has to name. */
function namedBy(effects: Effects): Acceptance[] {
  const named = exceptionsOf(effects).map(
    ({ what, kind, subject, asset, by }): Acceptance => ({
      what,
      kind,
      ...(subject === null ? {} : { subject }),
      ...(asset === null ? {} : { asset }),
      ...(by === null ? {} : { by }),
    }),
  );
  return [...new Map(named.map((each) => [JSON.stringify(each), each])).values()];
}

interface Row {
  readonly chain: string;
  readonly construct: string;
  /** Or the code of the refusal. */
  readonly found: Effects | string;
}

function found({ read }: Probe): Effects | string {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    return error.code;
  }
}

const ROWS: readonly Row[] = CHAINS.flatMap(([name, chain]) =>
  probesOf(chain).map((probe) => ({ chain: name, construct: probe.construct, found: found(probe) })),
);
const readRows = ROWS.flatMap(({ chain, construct, found: effects }) =>
  typeof effects === 'string' ? [] : [{ chain, construct, effects }],
);
const exceptional = readRows.filter(({ effects }) => exceptionsOf(effects).length > 0);
const isUnbounded = ({ amount }: { readonly amount: bigint | 'unbounded' }): boolean =>
  amount === 'unbounded';
const takeovers = exceptional.filter(({ effects }) => effects.takeovers.length > 0);
const sweeps = exceptional.filter(({ effects }) => effects.outflows.some(isUnbounded));
const openGrants = exceptional.filter(({ effects }) => effects.grants.some(isUnbounded));
const doubts = exceptional.filter(({ effects }) => effects.unresolved.length > 0);

/** Denied by that exception; allowed once all is named; denied again when one part is not, or is named with another kind. */
function needs(effects: Effects, rule: string): void {
  const exceptions = exceptionsOf(effects);
  assert.ok(exceptions.some((each) => each.rule === rule));
  const denied = decision(effects);
  assert.equal(denied.outcome, 'deny');
  assert.ok(
    exceptions.some((each) => denied.rule.endsWith(each.rule)),
    denied.rule,
  );
  const accepts = namedBy(effects);
  assert.equal(decision(effects, accepts).outcome, 'allow', 'the control: named, it passes');
  for (const [index, each] of accepts.entries()) {
    const others = accepts.filter((_, at) => at !== index);
    assert.equal(decision(effects, others).outcome, 'deny', JSON.stringify(each));
    const elsewhere = { ...each, kind: `${each.kind}-of-another-name` };
    assert.equal(decision(effects, [...others, elsewhere]).outcome, 'deny', JSON.stringify(elsewhere));
  }
}

describe('operations that hand over control', () => {
  for (const { chain, construct, effects } of takeovers)
    it(`E10: ${chain}, ${construct}: only a rule that names the takeover lets it pass`, () =>
      needs(effects, 'effects-takeover'));

  it('E10: are all those that a Solana or an EVM account has', () => {
    const kinds = (of: string) =>
      [
        ...new Set(
          takeovers
            .flatMap(({ chain, effects }) => (chain === of ? effects.takeovers : []))
            .map(({ kind }) => kind),
        ),
      ].sort();
    assert.deepEqual(kinds('Solana'), [
      'nonce-authorize',
      'stake-authorize',
      'stake-authorize-checked',
      'stake-authorize-checked-with-seed',
      'stake-authorize-with-seed',
      'stake-set-lockup',
      'stake-set-lockup-checked',
      'system-allocate-with-seed',
      'system-assign-with-seed',
      'token-set-authority:account-owner',
      'token-set-authority:close-account',
      'token-set-authority:freeze-account',
      'token-set-authority:mint-tokens',
    ]);
    assert.deepEqual(kinds('EVM'), [
      'eip7702-delegation',
      'ownership',
      'role',
      'safe-fallback-handler',
      'safe-guard',
      'safe-module',
      'safe-owner',
      'safe-threshold',
      'upgrade',
    ]);
    // The account of a Bitcoin key is the key, and Sui has no instruction of its own: objects that control are objects.
    assert.deepEqual([kinds('Bitcoin'), kinds('Sui')], [[], []]);
    const refusedOnes = ROWS.filter(({ construct }) =>
      construct.startsWith('system.assign, system.allocate'),
    );
    assert.deepEqual(
      refusedOnes.map(({ found: code }) => code),
      ['transaction-unsafe'],
    );
    const harmless = readRows.find(({ construct }) => construct === 'token.set-authority to ourselves');
    assert.deepEqual(exceptionsOf(harmless!.effects), []);
  });
});

describe('operations that take whatever there is', () => {
  for (const { chain, construct, effects } of sweeps)
    it(`E11: ${chain}, ${construct}: has no bound, and only a rule that names it lets it pass`, () =>
      needs(effects, 'effects-unbounded'));

  it('E11: are all those that Solana and Sui have, and to ourselves they take nothing', () => {
    assert.deepEqual(sweeps.map(({ construct }) => construct).sort(), [
      'TransferObjects of the gas coin',
      'token.close-account',
      'token.unwrap-lamports of everything',
      'token.withdraw-excess-lamports',
      'token.withdraw-withheld-from-accounts',
      'token.withdraw-withheld-from-mint',
    ]);
    const toOurselves = readRows.filter(({ construct }) => construct.endsWith(', to ourselves'));
    assert.equal(toOurselves.length, 3);
    for (const { effects } of toOurselves)
      assert.deepEqual([exceptionsOf(effects), effects.outflows], [[], []]);
  });
});

describe('grants without an end', () => {
  for (const { chain, construct, effects } of openGrants)
    it(`E9: ${chain}, ${construct}: only a rule that names the grant lets it pass`, () =>
      needs(effects, 'effects-unbounded'));
});

describe('what does not follow from the bytes', () => {
  for (const { chain, construct, effects } of doubts)
    it(`${chain}, ${construct}: only a rule that names the doubt lets it pass`, () =>
      needs(effects, 'effects-unresolved'));
});

describe('what is decoded', () => {
  for (const { chain, construct, effects } of readRows.filter((row) => !exceptional.includes(row)))
    it(`${chain}, ${construct}: passes a rule that allows everything`, () =>
      assert.equal(decision(effects).outcome, 'allow'));
});

describe('the rows', () => {
  it('are of every chain, and each is decoded, refused, or needs a rule', () => {
    const refused = ROWS.filter(({ found: code }) => typeof code === 'string');
    for (const [name] of CHAINS) {
      const count = (rows: readonly { readonly chain: string }[]) =>
        rows.filter(({ chain }) => chain === name).length;
      assert.ok(count(refused) > 0 && count(readRows) > 0 && count(doubts) > 0, name);
    }
    assert.equal(refused.length + readRows.length, ROWS.length);
    assert.ok(takeovers.length >= 25 && doubts.length >= 30 && openGrants.length >= 4);
  });
});
