import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects, Outflow } from '@keystead/chains/effects';
import { plainEffects, plainRequest } from '../testing/plain.ts';
import { agreedQuotes } from '../testing/quotes.ts';
import { compilePolicy } from './compile-policy.ts';
import type { Counterfactual } from './counterfactual.ts';
import { decideInWords } from './decide.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import type { PolicyRequest } from './request.ts';

const NOW = Date.parse('2026-11-28T10:00:00Z');
const SOL = 'solana:x/slip44:501';
const most = (2n ** 256n - 1n).toString();
const noUsage: Usage = { spent: () => 0n, quotes: () => undefined };

function offered(text: string, request: PolicyRequest, usage = noUsage): Counterfactual | null {
  const policy = compilePolicy('p', parsePolicy(`policy 1;\n${text}`));
  const decision = decideInWords([policy], request, usage, NOW);
  assert.equal(decision.outcome, 'deny');
  return decision.counterfactual;
}

const outflow = (over: Partial<Outflow>): Outflow => ({ ...plainEffects.outflows[0]!, ...over });
const sending = (...amounts: readonly (bigint | 'unbounded')[]): Partial<Effects> => ({
  outflows: amounts.map((amount) => outflow({ amount })),
});

/** What is said of a transaction that is denied. */
const said = (text: string, effects: Partial<Effects> = {}, over: Partial<PolicyRequest> = {}) =>
  offered(text, plainRequest(effects, over))?.text ?? null;
const sent = 'effects.outflows[0].amount';

describe('what would let a denied request pass', () => {
  const numbers: readonly (readonly [condition: string, amount: bigint, denies: string | null])[] = [
    ['< 5', 7n, `would pass with ${sent} at 4 (0.000000004 SOL) or less`],
    ['<= 5', 7n, `would pass with ${sent} at 5 (0.000000005 SOL) or less`],
    ['> 9', 7n, `would pass with ${sent} at 10 (0.00000001 SOL) or more`],
    ['>= 9', 7n, `would pass with ${sent} at 9 (0.000000009 SOL) or more`],
    ['== 9', 7n, `would pass with ${sent} being 9 (0.000000009 SOL)`],
    ['in [3, 9]', 7n, `would pass with ${sent} being 3 (0.000000003 SOL)`],
    ['!= 7', 7n, null],
    ['< 0', 7n, null],
    ['< 1', 7n, `would pass with ${sent} at 0 (0 SOL) or less`],
    [`> ${most}`, 7n, null],
  ];
  for (const [condition, amount, text] of numbers)
    it(`of an amount of ${amount} that has to be ${condition}: ${text ?? 'nothing is said'}`, () => {
      const allow = `allow "a" when effects.outflows.all(o, o.amount ${condition});`;
      assert.equal(said(allow, sending(amount)), text);
    });

  const denials: readonly (readonly [condition: string, amount: bigint, denies: string | null])[] = [
    ['< 9', 7n, `would pass with ${sent} at 9 (0.000000009 SOL) or more`],
    ['<= 9', 7n, `would pass with ${sent} at 10 (0.00000001 SOL) or more`],
    ['> 5', 7n, `would pass with ${sent} at 5 (0.000000005 SOL) or less`],
    ['>= 5', 7n, `would pass with ${sent} at 4 (0.000000004 SOL) or less`],
    ['!= 5', 7n, `would pass with ${sent} being 5 (0.000000005 SOL)`],
    ['== 7', 7n, null],
    ['in [7, 8]', 7n, null],
    ['>= 0', 7n, null],
    [`<= ${most}`, 7n, null],
  ];
  for (const [condition, amount, text] of denials)
    it(`of an amount of ${amount} that is denied as ${condition}: ${text ?? 'nothing is said'}`, () => {
      const deny = `allow "a" when true; deny "d" when effects.outflows.exists(o, o.amount ${condition});`;
      assert.equal(said(deny, sending(amount)), text);
    });

  it('names every change that is needed, each at its own element', () => {
    const allow = 'allow "a" when effects.outflows.all(o, o.amount <= 5 && o.to in ["C", "D"]);';
    const outflows = [outflow({ amount: 3n, to: 'C' }), outflow({ amount: 9n, to: 'E' })];
    assert.deepEqual(offered(allow, plainRequest({ outflows })), {
      changes: [
        { field: 'effects.outflows[1].amount', is: 'atMost', value: '5' },
        { field: 'effects.outflows[1].to', is: 'equals', value: 'C' },
      ],
      text:
        'would pass with effects.outflows[1].amount at 5 (0.000000005 SOL) or less and ' +
        'effects.outflows[1].to being C',
    });
  });

  it('knows grants by amount and by spender', () => {
    const allow = 'allow "a" when effects.grants.all(g, g.amount <= 5 && g.spender == "shop");';
    const grant = { kind: 'allowance', asset: SOL, expires: null } as const;
    const grants = [
      { ...grant, spender: 'shop', amount: 1n },
      { ...grant, spender: 'S', amount: 8n },
    ];
    assert.equal(
      said(allow, { grants }),
      'would pass with effects.grants[1].amount at 5 (0.000000005 SOL) or less and effects.grants[1].spender being shop',
    );
  });

  it('changes one grant and leaves the others, and one outflow of many', () => {
    const grant = { kind: 'allowance', spender: 'S', asset: SOL, expires: null } as const;
    const grants = [1n, 8n].map((amount) => ({ ...grant, amount }));
    assert.equal(
      said(
        'allow "a" when effects.grants.all(g, g.amount <= 5) && effects.grants.exists(g, g.amount == 1);',
        {
          grants,
        },
      ),
      'would pass with effects.grants[1].amount at 5 (0.000000005 SOL) or less',
    );
    const outflows = Array.from({ length: 12 }, (_, index) => (index === 11 ? 8n : 1n));
    assert.equal(
      said(
        'allow "a" when effects.outflows.all(o, o.amount <= 5) && effects.outflows.exists(o, o.amount == 1);',
        sending(...outflows),
      ),
      'would pass with effects.outflows[11].amount at 5 (0.000000005 SOL) or less',
    );
  });

  it('knows the fee in the unit of its asset', () => {
    const fee = (asset: string, most: string, amount: bigint) =>
      said(`allow "a" when effects.fee <= ${most};`, { maxFee: { asset, amount } });
    const text = (shown: string) => `would pass with effects.fee at ${shown} or less`;
    assert.equal(fee(SOL, '3200000000', 4_000_000_000n), text('3200000000 (3.2 SOL)'));
    assert.equal(
      fee('eip155:1/slip44:60', '1000000000000000000', 10n ** 19n),
      text('1000000000000000000 (1 ether)'),
    );
    assert.equal(fee('bip122:0/slip44:0', '150', 200n), text('150 (0.0000015 BTC)'));
    assert.equal(
      fee('sui:1/slip44:784', '12000000001', 13_000_000_000n),
      text('12000000001 (12.000000001 SUI)'),
    );
    for (const asset of ['x/token:7', 'x/slip44:7', 'x/slip44:501/9', 'slip44:501'])
      assert.equal(fee(asset, '5', 9n), text('5'));
    // Where there is no fee nothing is said of one.
    assert.equal(said('allow "a" when effects.fee <= 5;', { maxFee: null }), null);
  });

  it('knows the wallet, the address and the network, and no other text of a request', () => {
    const resource = (over: Partial<PolicyRequest['resource']>) => ({
      resource: { ...plainRequest().resource, ...over },
    });
    assert.equal(said('allow "a" when resource.wallet == "v";'), 'would pass with resource.wallet being v');
    assert.equal(
      said('allow "a" when resource.address in ["C", "D"];'),
      'would pass with resource.address being C',
    );
    assert.equal(
      said('allow "a" when action.network == "solana:y";', {}, resource({ network: 'solana:x' })),
      'would pass with action.network being solana:y',
    );
    // Nothing turns a missing value into another one, and nobody becomes somebody else.
    assert.equal(said('allow "a" when action.network == "solana:y";'), null);
    for (const condition of [
      'subject.user == "v"',
      'subject.root',
      'effects.version == "legacy"',
      'resource.wallet.startsWith("v")',
      'resource.wallet != "w"',
      'has(action.network)',
      'effects.outflows.all(o, o.from == "C")',
      'effects.outflows.all(o, o.asset == "x/y")',
      'effects.outflows.size() == 3',
      'effects.signers.all(s, s == "B")',
      '"hot" in resource.walletTags',
    ])
      assert.equal(said(`allow "a" when ${condition};`), null, condition);
    assert.equal(said('allow "a" when true; deny "d" when resource.wallet != "v";'), null);
    assert.equal(said('allow "a" when true; deny "d" when true;'), null);
  });

  it('knows when a request would pass', () => {
    const later = 'allow "a" when time.now >= timestamp("2026-12-01T00:00:00Z");';
    assert.deepEqual(offered(later, plainRequest()), {
      changes: [{ field: 'time.now', is: 'atLeast', value: '2026-12-01T00:00:00.000Z' }],
      text: 'would pass with time.now at 2026-12-01T00:00:00.000Z or more',
    });
    assert.equal(
      said('allow "a" when time.now < timestamp("2026-11-01T00:00:00Z");'),
      'would pass with time.now at 2026-10-31T23:59:59.999Z or less',
    );
    assert.equal(
      said(`${later} limit "l" count over lifetime max 0;`),
      null,
      'what then passes is said, and nothing else',
    );
    assert.equal(said('allow "a" when time.now.getHours("UTC") == 12;'), null);
  });

  it('says nothing that would still be denied, by another rule or by another policy', () => {
    const allow = 'allow "a" when effects.outflows.all(o, o.amount <= 5);';
    assert.notEqual(said(allow, sending(7n)), null);
    assert.equal(
      said(`${allow} deny "d" when effects.outflows.exists(o, o.amount == 5);`, sending(7n)),
      null,
    );
    assert.equal(said(`${allow} limit "l" amount per asset over lifetime max 4;`, sending(7n)), null);
  });

  it('changes what every policy reads of the transaction', () => {
    const request = plainRequest(sending(7n));
    const allow = 'allow "a" when effects.outflows.all(o, o.amount <= 5);';
    const policies = [allow, allow].map((text) => compilePolicy('p', parsePolicy(`policy 1;\n${text}`)));
    const readings = { 1: { ...request.effects!, network: 'read-by-one' } };
    const { counterfactual } = decideInWords(policies, { ...request, readings }, noUsage, NOW);
    assert.equal(counterfactual?.text, `would pass with ${sent} at 5 (0.000000005 SOL) or less`);
  });

  it('takes the first eight for all that it tries', () => {
    const fields = Array.from({ length: 9 }, (_, index) => index);
    const grants = fields.map((index) => ({
      kind: 'allowance' as const,
      spender: `s${index}`,
      asset: 'x/y',
      amount: 9n,
      expires: null,
    }));
    const allow = 'allow "a" when effects.grants.all(g, g.amount <= 5);';
    const changes = (count: number) =>
      offered(allow, plainRequest({ grants: grants.slice(0, count) }))?.changes.length ?? null;
    assert.equal(changes(8), 8);
    assert.equal(changes(9), null);
  });
});

describe('what a limit has room for', () => {
  const limit = (max: string, more = '') =>
    `allow "a" when true accepting unbounded("transfer"); limit "l" amount per asset ${more} over lifetime max ${max};`;
  const room = (max: string, effects: Partial<Effects>, usage = noUsage) =>
    offered(limit(max), plainRequest(effects), usage)?.changes ?? null;
  const change = (index: number, value: string) => [
    { field: `effects.outflows[${index}].amount`, is: 'atMost', value },
  ];

  it('is told of the largest outflow, and of the first where several are as large', () => {
    assert.deepEqual(room('10', sending(12n)), change(0, '10'));
    assert.deepEqual(room('10', sending(12n), { ...noUsage, spent: () => 3n }), change(0, '7'));
    assert.deepEqual(room('10', sending(2n, 7n, 4n)), change(1, '4'));
    assert.deepEqual(room('10', sending(4n, 7n)), change(1, '6'));
    assert.deepEqual(room('10', sending(7n, 7n)), change(0, '3'));
    assert.deepEqual(room('10', sending(10n), { ...noUsage, spent: () => 10n }), change(0, '0'));
    // None is as large as what is too much.
    assert.equal(room('1', sending(7n, 7n)), null);
    assert.equal(room('10', sending(1n), { ...noUsage, spent: () => 13n }), null);
  });

  it('is not told where no amount could be named, and nothing is made of what nothing bounds', () => {
    assert.equal(room('10', sending('unbounded')), null);
    const [grant] = [{ kind: 'allowance' as const, spender: 'S', asset: SOL, amount: 12n, expires: null }];
    assert.equal(room('10', { outflows: [], grants: [grant!] }), null);
    // What a dollar is worth in base units is not said, even where it is one for one.
    const record = agreedQuotes(1n, 0, NOW);
    const dollars = 'allow "a" when true; limit "l" usd over lifetime max 10;';
    assert.equal(offered(dollars, plainRequest(sending(12n)), { ...noUsage, quotes: () => record }), null);
    const count = 'allow "a" when true; limit "l" count over lifetime max 0;';
    assert.equal(said(count, sending(12n)), null);
    assert.equal(offered(count, plainRequest(null, { action: 'signUtf8Message' })), null);
  });

  it('is told only where less of that outflow is enough', () => {
    const other = outflow({ asset: 'x/y', amount: 90n });
    assert.equal(room('10', { outflows: [outflow({ amount: 12n }), other] }), null);
  });
});
