import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import { policyOf, Random } from '../../testing/generate.ts';
import { addressText, assetText } from './address-text.ts';
import { checkCondition } from './check-condition.ts';
import type { Condition } from './document.ts';
import { formatCondition, formatPolicy } from './format.ts';
import { parseCondition, parsePolicy } from './parse-text.ts';
import { policyDocument, policyJsonSchema } from './read-document.ts';

const document = (over: Readonly<Record<string, unknown>>, rule: Readonly<Record<string, unknown>> = {}) => ({
  version: 1,
  rules: [{ id: 'r', effect: 'allow', when: { constant: true }, ...rule }],
  ...over,
});

function refusal(parse: () => unknown): KmsError {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof KmsError && error.code === 'parameter-invalid', String(error));
    return error;
  }
  return assert.fail('it was accepted');
}

describe('the text form', () => {
  it('reads back to the same document, and formats to the same text again', () => {
    for (let seed = 1; seed <= 3000; seed += 1) {
      const given = policyDocument.parse(JSON.parse(JSON.stringify(policyOf(new Random(seed)))), 'policy');
      const text = formatPolicy(given);
      const read = parsePolicy(text);
      assert.deepEqual(read, given, `seed ${seed}`);
      assert.equal(formatPolicy(read), text, `seed ${seed}`);
    }
  });

  it('keeps comments, pricing, acceptances and every kind of window', () => {
    const text = `policy 1;

pricing age duration("120s") deviation 250 sources 2;

list hot = ["a", "b"];

// First line.
//
// Third line.
allow "r" on sign-transaction, sign-typed-data when
  effects.chain == "solana"
  accepting unresolved("program", subject: "p"), takeover("stake-authorize", by: "x"), unbounded("transfer", asset: "y")
  approvals 2
  delay duration("259200s");

limit "l" usd
  per user, wallet
  across destination in hot
  across origin in ["https://a.example"]
  excluding own
  over fixed(duration("60s"), timestamp("2026-01-01T00:00:00Z"))
  max 5;
`;
    assert.equal(formatPolicy(parsePolicy(text)), text);
  });

  const same: readonly (readonly [string, string])[] = [
    ['effects.fee < 5u', 'effects.fee < 5'],
    ['5 < effects.fee', 'effects.fee > 5'],
    ["subject.user == 'ann'", 'subject.user == "ann"'],
    ['(subject.root)', 'subject.root'],
    ['!!subject.root', '!!subject.root'],
    ['!(subject.user == "a")', '!(subject.user == "a")'],
    ['subject.root || subject.root && true', 'subject.root || subject.root && true'],
    ['(subject.root || true) && false', '(subject.root || true) && false'],
    ['(subject.root && true) && false', '(subject.root && true) && false'],
    [
      'effects.outflows.all(o, o.amount <= 3 && o.to == "x")',
      'effects.outflows.all(item, item.amount <= 3 && item.to == "x")',
    ],
    ['effects.outflows.exists(o, o.own) // why', 'effects.outflows.exists(item, item.own)'],
    ['"hot" in resource.walletTags', '"hot" in resource.walletTags'],
    ['has(subject.traits["appId"])', 'has(subject.traits["appId"])'],
    ['time.now >= timestamp("2026-01-01T00:00:00Z")', 'time.now >= timestamp("2026-01-01T00:00:00Z")'],
    ['time.now.getHours("Europe/Berlin") >= 9', 'time.now.getHours("Europe/Berlin") >= 9'],
    ['effects.outflows.size() in [1, 2]', 'effects.outflows.size() in [1, 2]'],
    [
      'effects.calls.all(c, int(c.arguments["n"]) < 3)',
      'effects.calls.all(item, int(item.arguments["n"]) < 3)',
    ],
    ['action.origin.startsWith("https://")', 'action.origin.startsWith("https://")'],
    ['effects.signers.all(s, s == "a")', 'effects.signers.all(item, item == "a")'],
  ];
  for (const [text, canonical] of same) {
    it(`reads ${text} as CEL does`, () => {
      const condition = parseCondition(text);
      policyDocument.parse(document({}, { when: condition }), 'policy');
      assert.equal(formatCondition(condition), canonical);
    });
  }

  it('reads constants of a policy as values and lists', () => {
    const condition = parseCondition('subject.user == owner && effects.feePayer in payers', {
      owner: 'ann',
      payers: { list: 'payers' },
    });
    const expected: Condition = {
      all: [
        { field: 'subject.user', operator: '==', value: 'ann' },
        { field: 'effects.feePayer', operator: 'in', list: 'payers' },
      ],
    };
    assert.deepEqual(condition, expected);
  });

  const broken: readonly (readonly [string, string])[] = [
    ['subject.user ==', 'line 1, column 16'],
    ['subject.user == subject.root', 'line 1, column 17'],
    ['1 == 2', 'line 1, column 6'],
    ['subject.user', ''],
    ['"a"', 'line 1, column 1'],
    ['has("a")', 'line 1, column 5'],
    ['subject.root &&\n\n  )', 'line 3, column 3'],
    ['!subject.user == "a"', 'line 1, column 2'],
    ['effects.outflows.all(o, effects.grants.all(g, true))', 'line 1, column 43'],
    ['subject.user.matches("a")', 'line 1, column 14'],
    ['subject.user == "a', 'line 1, column 17'],
    ['effects.fee == 1.5', 'line 1, column 16'],
    ['effects.fee == -1', 'line 1, column 16'],
    ['effects.fee == 0x10', 'line 1, column 16'],
    ['effects.fee == 01', 'line 1, column 16'],
    ['effects.fee + 1 == 2', 'line 1, column 13'],
    ['true ? true : false', 'line 1, column 6'],
    ['subject.root subject.root', 'line 1, column 14'],
    ['('.repeat(200), 'line 1, column 65'],
    ['!'.repeat(200), 'line 1, column 18'],
    ['effects.fee in []', 'line 1, column 17'],
    ['subject.user in "a"', 'line 1, column 17'],
  ];
  for (const [text, place] of broken) {
    if (place === '') continue;
    it(`refuses ${text.slice(0, 60)} and says where`, () => {
      assert.equal(refusal(() => parseCondition(text)).field, place);
    });
  }

  for (const [what, text] of [
    ['another version', 'policy 2;'],
    ['no version', 'allow "a" when true;'],
    ['an unknown statement', 'policy 1; permit "a" when true;'],
    ['a list that is there twice', 'policy 1; list a = []; list a = [];'],
    [
      'two prices',
      'policy 1; pricing age duration("1s") deviation 1 sources 1; pricing age duration("1s") deviation 1 sources 1;',
    ],
    ['an unknown window', 'policy 1; limit "a" count over sliding(5) max 1;'],
    ['a duration of days', 'policy 1; limit "a" count over rolling(duration("1d")) max 1;'],
    [
      'a key twice',
      'policy 1; limit "a" count across user in ["a"] across user in ["b"] over lifetime max 1;',
    ],
    ['an unknown name in an acceptance', 'policy 1; allow "a" when true accepting takeover("k", for: "x");'],
    ['a missing semicolon', 'policy 1; allow "a" when true'],
  ] as const)
    it(`refuses ${what} in a policy`, () => {
      refusal(() => parsePolicy(text));
    });
});

describe('the JSON form', () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['an unknown member', document({ extra: 1 }), 'policy.extra'],
    [
      'a prototype as a list',
      JSON.parse('{"version":1,"rules":[],"lists":{"__proto__":["a"]}}'),
      'policy.lists.__proto__',
    ],
    [
      'an unknown field',
      document({}, { when: { field: 'effects.color', operator: '==', value: 'a' } }),
      'policy.rules[0].when.field',
    ],
    [
      'a wrong checksum in what an acceptance names',
      document({}, { accepts: [{ what: 'takeover', kind: 'k', by: `0x${'5290'.repeat(9)}AbcD` }] }),
      'policy.rules[0].accepts[0].by',
    ],
    [
      'a wrong checksum in the asset of an acceptance',
      document(
        {},
        { accepts: [{ what: 'unbounded', kind: 'k', asset: `eip155:1/erc20:0x${'5290'.repeat(9)}AbcD` }] },
      ),
      'policy.rules[0].accepts[0].asset',
    ],
    [
      'a field of an element outside its list',
      document({}, { when: { field: 'item.amount', operator: '<', value: '1' } }),
      'policy.rules[0].when.field',
    ],
    [
      'an order of strings',
      document({}, { when: { field: 'subject.user', operator: '<', value: 'a' } }),
      'policy.rules[0].when.operator',
    ],
    [
      'an amount as a number',
      document({}, { when: { field: 'effects.fee', operator: '<', value: 5 } }),
      'policy.rules[0].when.value',
    ],
    [
      'an amount of more than 256 bits',
      document({}, { when: { field: 'effects.fee', operator: '<', value: (2n ** 256n).toString() } }),
      'policy.rules[0].when.value',
    ],
    [
      'a boolean as text',
      document({}, { when: { field: 'subject.root', operator: '==', value: 'true' } }),
      'policy.rules[0].when.value',
    ],
    [
      'a wrong checksum',
      document(
        {},
        {
          when: {
            field: 'effects.feePayer',
            operator: '==',
            value: '0x52908400098527886E0F7030069857D2E4169Ee7',
          },
        },
      ),
      'policy.rules[0].when.value',
    ],
    [
      'a wrong checksum in a list',
      document(
        { lists: { l: ['0x52908400098527886E0F7030069857D2E4169Ee7'] } },
        { when: { field: 'effects.feePayer', operator: 'in', list: 'l' } },
      ),
      'lists.l[0]',
    ],
    [
      'a date that does not exist',
      document({}, { when: { field: 'time.now', operator: '<', value: '2026-02-30T00:00:00Z' } }),
      'policy.rules[0].when.value',
    ],
    [
      'an unknown list',
      document({}, { when: { field: 'subject.user', operator: 'in', list: 'l' } }),
      'policy.rules[0].when.list',
    ],
    [
      'a list beside values',
      document(
        { lists: { l: [] } },
        { when: { field: 'subject.user', operator: 'in', list: 'l', value: ['a'] } },
      ),
      'policy.rules[0].when.value',
    ],
    [
      'a list without in',
      document(
        { lists: { l: [] } },
        { when: { field: 'subject.user', operator: '==', list: 'l', value: 'a' } },
      ),
      'policy.rules[0].when.list',
    ],
    [
      'one value where a list belongs',
      document({}, { when: { field: 'subject.user', operator: 'in', value: 'a' } }),
      'policy.rules[0].when.value',
    ],
    [
      'a list inside a list',
      document(
        {},
        { when: { every: 'effects.outflows', where: { some: 'effects.grants', where: { constant: true } } } },
      ),
      'policy.rules[0].when.where.some',
    ],
    [
      'a field as a list',
      document({}, { when: { every: 'subject.user', where: { constant: true } } }),
      'policy.rules[0].when.every',
    ],
    [
      'has of a conversion',
      document({}, { when: { has: 'effects.outflows.size()' } }),
      'policy.rules[0].when.has',
    ],
    [
      'an unknown time zone',
      document({}, { when: { field: 'time.now.getHours("Mars/Olympus")', operator: '==', value: '1' } }),
      'policy.rules[0].when.field',
    ],
    ['a condition of no kind', document({}, { when: {} }), 'policy.rules[0].when'],
    [
      'a condition of two kinds',
      document({}, { when: { constant: true, not: { constant: true } } }),
      'policy.rules[0].when.not',
    ],
    ['a condition that is a list', document({}, { when: [] }), 'policy.rules[0].when'],
    [
      'effects of an action that has none',
      document({}, { on: ['read'], when: { field: 'effects.chain', operator: '==', value: 'sui' } }),
      'policy.rules[0].on',
    ],
    ['an action twice', document({}, { on: ['read', 'read'] }), 'policy.rules[0].on'],
    [
      'a delay of a denial',
      document({}, { effect: 'deny', delaySeconds: 60 }),
      'policy.rules[0].delaySeconds',
    ],
    ['a delay of seconds', document({}, { delaySeconds: 59 }), 'policy.rules[0].delaySeconds'],
    ['approvals of a denial', document({}, { effect: 'deny', approvals: 1 }), 'policy.rules[0].approvals'],
    [
      'an acceptance of a denial',
      document({}, { effect: 'deny', accepts: [{ what: 'takeover', kind: 'k' }] }),
      'policy.rules[0].accepts',
    ],
    [
      'usage of no limit',
      document({}, { when: { field: 'usage["l"]', operator: '<', value: '1' } }),
      'policy.rules[0].when',
    ],
    ['a comment of two faces', document({}, { comment: 'a \nb' }), 'policy.rules[0].comment'],
    [
      'two rules of one id',
      { version: 1, rules: [document({}).rules[0], document({}).rules[0]] },
      'policy.rules[1].id',
    ],
  ];
  for (const [what, given, field] of cases)
    it(`refuses ${what}, and names it`, () => {
      assert.equal(refusal(() => policyDocument.parse(given, 'policy')).field, field);
    });

  const limit = (over: Readonly<Record<string, unknown>>) =>
    document({
      limits: [{ id: 'l', meter: 'amount', per: ['asset'], window: { kind: 'lifetime' }, max: '1', ...over }],
    });
  const limits: readonly (readonly [string, unknown, string])[] = [
    ['a sum of different assets', limit({ per: ['wallet'] }), 'policy.limits[0]'],
    ['a sum of two assets', limit({ per: ['wallet'], across: { asset: ['a', 'b'] } }), 'policy.limits[0]'],
    ['a count per asset', limit({ meter: 'count' }), 'policy.limits[0]'],
    ['an amount of what spends nothing', limit({ on: ['export-wallet'] }), 'policy.limits[0].on'],
    ['a count of reads', limit({ meter: 'count', per: ['user'], on: ['read'] }), 'policy.limits[0].on'],
    ['a key twice', limit({ per: ['asset', 'asset'] }), 'policy.limits[0].per'],
    [
      'an unknown list',
      limit({ across: { destination: { list: 'l' } } }),
      'policy.limits[0].across.destination.list',
    ],
    ['an unknown key', limit({ across: { colour: ['red'] } }), 'policy.limits[0].across.colour'],
    ['an amount with a sign', limit({ max: '-1' }), 'policy.limits[0].max'],
    ['an amount of more than 256 bits', limit({ max: (2n ** 256n).toString() }), 'policy.limits[0].max'],
    [
      'an anchor that is no time',
      limit({ window: { kind: 'fixed', seconds: 1, anchor: 'now' } }),
      'policy.limits[0].window.anchor',
    ],
    [
      'a time zone that is none',
      limit({ window: { kind: 'calendar', unit: 'day', timeZone: 'CET+1h' } }),
      'policy.limits[0].window.timeZone',
    ],
    [
      'a wrong checksum',
      limit({ across: { destination: ['0x52908400098527886E0F7030069857D2E4169Ee7'] } }),
      'policy.limits[0].across.destination[0]',
    ],
  ];
  for (const [what, given, field] of limits)
    it(`refuses a limit with ${what}, and names it`, () => {
      assert.equal(refusal(() => policyDocument.parse(given, 'policy')).field, field);
    });

  it('refuses conditions that did not come from a document just so', () => {
    let deep: Condition = { constant: true };
    for (let level = 0; level < 20; level += 1) deep = { not: deep };
    const compare = (field: string, value: unknown): Condition =>
      ({ field, operator: '==', value }) as unknown as Condition;
    const wrong: readonly (readonly [Condition, string])[] = [
      [deep, `when${'.not'.repeat(16)}`],
      [compare('subject.user', 5), 'when.value'],
      [compare('subject.user', 'x'.repeat(257)), 'when.value'],
      [compare('time.now', '2026-13-01T00:00:00Z'), 'when.value'],
      [compare('time.now', '2026-02-30T00:00:00Z'), 'when.value'],
    ];
    for (const [condition, field] of wrong)
      assert.equal(refusal(() => checkCondition(condition, {}, 'when')).field, field);
    assert.equal(checkCondition(compare('subject.user', 'x'.repeat(256)), {}, 'when').nodes, 1);
  });

  it('takes a list of one asset for one asset, and not a list of two', () => {
    const limit = {
      id: 'l',
      meter: 'amount',
      across: { asset: { list: 'coins' } },
      window: { kind: 'lifetime' },
      max: '5',
    };
    const given = (coins: readonly string[]) => document({ lists: { coins }, limits: [limit] });
    assert.equal(policyDocument.parse(given(['solana/slip44:501']), 'policy').limits!.length, 1);
    const refused = refusal(() => policyDocument.parse(given(['solana/slip44:501', 'x/y:z']), 'policy'));
    assert.equal(refused.field, 'policy.limits[0]');
  });

  it('bounds the text, and says what it expected', () => {
    refusal(() => parsePolicy(`policy 1; ${' '.repeat(4 * 131_072)}`));
    refusal(() => parseCondition(`true${' '.repeat(131_072)}`));
    for (const text of ['1 == has(effects.fee)', 'has(effects.outflows.all(o, true))', '"a" in ["a", true]'])
      assert.match(refusal(() => parseCondition(text)).message, /expected a (constant|field)/);
    const text =
      'policy 1;\n\nallow "r" when\n  true;\n\n// Why.\nlimit "l" count\n  over lifetime\n  max 5;\n';
    assert.equal(parsePolicy(text).limits![0]!.comment, 'Why.');
    assert.equal(formatPolicy(parsePolicy(text)), text);
  });

  it('has a schema of its own for documents, which stands in that of policies', () => {
    const { properties } = policyJsonSchema();
    assert.deepEqual(policyDocument.toJSONSchema().properties, properties);
    assert.deepEqual(Object.keys(properties as object).slice(0, 3), ['version', 'rules', 'lists']);
  });

  it('knows which lists are of effects when a condition asks whether there is one', () => {
    const needs = (text: string): boolean => checkCondition(parseCondition(text), {}, '').needsEffects;
    assert.equal(needs('has(effects.outflows)'), true);
    assert.equal(needs('has(resource.derivationPaths)'), false);
    assert.equal(needs('has(effects.fee)'), true);
    assert.equal(needs('has(resource.wallet)'), false);
  });

  it('has one text for each address', () => {
    const evm = '0x52908400098527886E0F7030069857D2E4169EE7';
    for (const spelling of [evm, evm.toLowerCase(), evm.toUpperCase()])
      assert.equal(addressText(spelling), evm);
    assert.throws(() => addressText(`${evm.slice(0, -2)}e7`), RangeError);
    assert.equal(addressText(`0X${'AB'.repeat(32)}`), `0x${'ab'.repeat(32)}`);
    assert.equal(addressText('0X2aB'), `0x${'2ab'.padStart(64, '0')}`);
    assert.equal(addressText(`0x${'AB'.repeat(33)}`), `0x${'AB'.repeat(33)}`);
    for (const prefix of ['BC', 'TB', 'BCRT'])
      assert.equal(addressText(`${prefix}1QAR0SRRR`), `${prefix.toLowerCase()}1qar0srrr`);
    assert.equal(addressText('bc1QAR0SRRR'), 'bc1qar0srrr');
    for (const text of [
      '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin',
      // What only holds such a text is another.
      `a${evm.toLowerCase()}`,
      `${evm.toLowerCase()}g`,
      'A0xAB',
      '0xABZ',
      'XBC1QAR0SRRR',
      'BC1QAR0-SRRR',
      'BC2QAR0SRRR',
    ])
      assert.equal(addressText(text), text);
  });

  it('has one text for each coin of Sui, and none for an asset of a network that no transaction names', () => {
    const full = (digits: string) => `0x${digits.padStart(64, '0')}`;
    for (const spelling of ['0x2', '0X02', full('2'), full('2').toUpperCase().replace('0X', '0x')])
      assert.equal(assetText(`sui/coin:${spelling}::sui::SUI`), 'sui/slip44:784');
    assert.equal(
      assetText('sui/coin:0xAB::lp::LP<0x2::sui::SUI, 0x5::c::C>'),
      `sui/coin:${full('ab')}::lp::LP<${full('2')}::sui::SUI, ${full('5')}::c::C>`,
    );
    const named: readonly (readonly [string, RegExp])[] = [
      ['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/slip44:501', / the asset is solana\/slip44:501$/],
      ['sui:mainnet/slip44:784', / the asset is sui\/slip44:784$/],
    ];
    for (const [asset, says] of named) {
      assert.throws(() => assetText(asset), { name: 'RangeError', message: says });
      const when = `effects.outflows.exists(o, o.asset == "${asset}")`;
      const { field } = refusal(() =>
        policyDocument.parse(
          document({ rules: [{ id: 'r', effect: 'deny', when: parseCondition(when) }] }),
          'policy',
        ),
      );
      assert.match(String(field), /^policy\.rules\[0\]\.when/);
      const limit = {
        id: 'l',
        meter: 'amount',
        across: [{ key: 'asset', values: [asset] }],
        window: { kind: 'lifetime' },
        max: '1',
      };
      refusal(() => policyDocument.parse(document({ limits: [limit] }), 'policy'));
    }
  });

  it('keeps the network of an asset of Bitcoin, which its addresses name', () => {
    const coin = 'bip122:000000000019d6689c085ae165831e93/slip44:0';
    assert.equal(assetText(coin), coin);
  });

  it('refuses an EVM address that an argument is compared with and never equals', () => {
    const evm = '0x52908400098527886E0F7030069857D2E4169EE7';
    const parse = (comparison: string, lists = {}) =>
      policyDocument.parse(
        document({
          lists,
          rules: [
            {
              id: 'r',
              effect: 'deny',
              when: parseCondition(
                `effects.calls.exists(c, ${comparison})`,
                Object.fromEntries(Object.keys(lists).map((name) => [name, { list: name }])),
              ),
            },
          ],
        }),
        'policy',
      );
    for (const spelling of [evm.toLowerCase(), `0x${evm.slice(2).toUpperCase()}`.replace('E7', 'e7')])
      for (const given of [
        () => parse(`c.arguments["to"] == "${spelling}"`),
        () => parse(`c.arguments["to"] in ["${evm}", "${spelling}"]`),
        () => parse('c.arguments["to"] in bad', { bad: [evm, spelling] }),
      ])
        assert.match(refusal(given).detail, new RegExp(`is written ${evm}`));
    for (const given of [
      `c.arguments["to"] == "${evm}"`,
      `c.arguments["to"].startsWith("${evm.toLowerCase()}")`,
      `c.arguments["data"] == "${evm.toLowerCase()}00"`,
      `c.target == "${evm.toLowerCase()}"`,
      `c.name == "${evm.toLowerCase()}"`,
      'int(c.arguments["amount"]) == 7',
    ])
      parse(given);
  });

  it('has one text for each asset: that of its contract, wherever a token of it has a number', () => {
    const evm = '0x52908400098527886E0F7030069857D2E4169EE7';
    for (const spelling of [evm, evm.toLowerCase(), evm.toUpperCase()])
      for (const token of ['', '/7', '/1234'])
        for (const standard of ['erc20', 'erc721', 'erc1155'])
          assert.equal(
            assetText(`eip155:1/${standard}:${spelling}${token}`),
            `eip155:1/${standard}:${evm}${token}`,
          );
    const lower = evm.toLowerCase();
    for (const text of [
      'solana/slip44:501',
      `eip155:1/erc:${lower}`,
      `a/eip155:1/erc20:${lower}`,
      `/erc20:${lower}`,
      `eip155:1/erc20:${lower}/x`,
      `eip155:1/erc20:${lower}/7/7`,
      `eip155:1/erc20:${lower}/`,
    ])
      assert.equal(assetText(text), text);
  });

  it('bounds depth and size', () => {
    let deep: Condition = { constant: true };
    for (let level = 0; level < 20; level += 1) deep = { not: deep };
    refusal(() => policyDocument.parse(document({}, { when: deep }), 'policy'));
    const wide = { any: Array.from({ length: 4096 }, () => ({ constant: true })) };
    refusal(() => policyDocument.parse(document({}, { when: wide }), 'policy'));
    const half = { any: Array.from({ length: 2047 }, () => ({ constant: true })) };
    policyDocument.parse(document({}, { when: half }), 'policy');
    const rules = ['a', 'b', 'c'].map((id) => ({ id, effect: 'allow', when: half }));
    refusal(() => policyDocument.parse({ version: 1, rules }, 'policy'));
  });
});
