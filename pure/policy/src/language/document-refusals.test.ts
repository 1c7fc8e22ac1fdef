import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import { literal, oneOf } from '@keystead/protocol/schema';
import { bounds } from './document.ts';
import { condition, policyDocument } from './read-document.ts';

const badAddress = `0x${'5290'.repeat(9)}AbcD`;
const always = { constant: true };
const rule = (over: object) => ({ id: 'r', effect: 'allow', when: always, ...over });
const withRule = (over: object) => ({ version: 1, rules: [rule(over)] });
const withLimit = (over: object) => ({
  version: 1,
  rules: [],
  limits: [{ id: 'l', meter: 'amount', per: ['asset'], window: { kind: 'lifetime' }, max: '1', ...over }],
});
const count = { meter: 'count', per: ['user'] };

/** What is said of a document, and where. */
function refused(document: unknown): readonly [string | undefined, string] {
  try {
    policyDocument.parse(document, 'policy');
  } catch (error) {
    assert.ok(error instanceof KmsError, String(error));
    return [error.field, error.message];
  }
  return assert.fail('it was accepted');
}

function accepted(document: unknown): void {
  policyDocument.parse(document, 'policy');
}

describe('what is said of a document that is refused', () => {
  const cases: readonly (readonly [unknown, string, RegExp])[] = [
    [
      withRule({ comment: 'a ' }),
      'policy.rules[0].comment',
      /must be printable lines without white space at their ends/,
    ],
    [
      withRule({ comment: 'a\tb' }),
      'policy.rules[0].comment',
      /must be printable lines without white space at their ends/,
    ],
    [withRule({ when: 5 }), 'policy.rules[0].when', /must be an object/],
    [withRule({ when: null }), 'policy.rules[0].when', /must be an object/],
    [withRule({ when: [always] }), 'policy.rules[0].when', /must be an object/],
    [
      withRule({ when: {} }),
      'policy.rules[0].when',
      /must have one of constant, all, any, not, every, some, has, field/,
    ],
    [
      withRule({ when: { field: 'usage["l"]', operator: '<', value: '1' } }),
      'policy.rules[0].when',
      /names the usage of l, which is no limit/,
    ],
    [
      withRule({ on: ['sign-transaction', 'read'], when: { has: 'effects.fee' } }),
      'policy.rules[0].on',
      /holds read, which has none of the effects that the condition names/,
    ],
    [withRule({ on: ['read', 'approve', 'read'] }), 'policy.rules[0].on', /names an action twice/],
    ...(
      [
        ['accepts', [{ what: 'takeover', kind: 'k' }]],
        ['approvals', 1],
        ['delaySeconds', 60],
      ] as const
    ).map(
      ([member, value]) =>
        [
          withRule({ effect: 'deny', [member]: value }),
          `policy.rules[0].${member}`,
          /stands only with allow/,
        ] as const,
    ),
    [{ version: 1, rules: [rule({}), rule({})] }, 'policy.rules[1].id', /r is there twice/],
    [
      { version: 1, rules: [], limits: [...withLimit({}).limits, ...withLimit({}).limits] },
      'policy.limits[1].id',
      /l is there twice/,
    ],
    [{ version: 1, rules: [], owners: ['nobody'] }, 'policy.owners[0]', /must be a Solana address/],
    [
      { version: 1, rules: [], owners: ['1'.repeat(32), '1'.repeat(32)] },
      'policy.owners',
      /names an owner twice/,
    ],
    [withLimit({ max: (2n ** 256n).toString() }), 'policy.limits[0].max', /must be at most 2\^256 - 1/],
    [
      withLimit({ window: { kind: 'fixed', seconds: 1, anchor: 'now' } }),
      'policy.limits[0].window.anchor',
      /must be a time such as 2026-01-31T00:00:00Z/,
    ],
    [
      withLimit({ window: { kind: 'calendar', unit: 'day', timeZone: 'Mars/Olympus' } }),
      'policy.limits[0].window.timeZone',
      /must be an IANA time zone, e\.g\. Europe\/Berlin/,
    ],
    [withLimit({ ...count, on: ['approve', 'approve'] }), 'policy.limits[0].on', /names an action twice/],
    ...['read', 'dry-run', 'unsupported', 'found-organization'].map(
      (action) =>
        [
          withLimit({ ...count, on: ['approve', action] }),
          'policy.limits[0].on',
          new RegExp(`holds ${action}, which leaves no entry to count`),
        ] as const,
    ),
    [withLimit({ per: ['asset', 'user', 'asset'] }), 'policy.limits[0].per', /names a key twice/],
    ...['none', 'toString'].map(
      (list) =>
        [
          withLimit({ across: { user: { list } } }),
          'policy.limits[0].across.user.list',
          new RegExp(`no list is named ${list}`),
        ] as const,
    ),
    ...['destination', 'address'].map(
      (key) =>
        [
          withLimit({ across: { [key]: ['bob', badAddress] } }),
          `policy.limits[0].across.${key}[1]`,
          /checksum/,
        ] as const,
    ),
    [
      withLimit({ across: { asset: [`eip155:1/erc20:${badAddress}`] } }),
      'policy.limits[0].across.asset[0]',
      /checksum/,
    ],
    ...[
      { per: ['asset'] },
      { per: ['user', 'destination'] },
      { across: { asset: ['x/y'] } },
      { across: { destination: ['bob'] } },
      { excludeOwn: true },
    ].map(
      (over) =>
        [
          withLimit({ ...count, ...over }),
          'policy.limits[0]',
          /counts requests, which have neither one asset nor one destination/,
        ] as const,
    ),
    [
      withLimit({ on: ['sign-transaction', 'export-wallet'] }),
      'policy.limits[0].on',
      /holds export-wallet, which spends nothing/,
    ],
    ...[{ per: ['user'] }, { per: ['user'], across: { asset: ['x/y', 'x/z'] } }].map(
      (over) => [withLimit(over), 'policy.limits[0]', /needs asset in per, or one asset in across/] as const,
    ),
  ];
  for (const [document, field, words] of cases)
    it(`names ${field}: ${words.source.slice(0, 60)}`, () => {
      const [at, text] = refused(document);
      assert.equal(at, field);
      assert.match(text, words);
    });

  it('leaves to a limit whatever it can count', () => {
    for (const over of [
      { ...count, on: ['approve', 'export-wallet'] },
      { ...count, across: { address: ['bob'], user: [badAddress] } },
      { per: ['user'], across: { asset: ['x/y'] } },
      { meter: 'usd', per: ['user', 'destination'], excludeOwn: true },
      { per: ['asset', 'destination'], on: ['sign-typed-data', 'sign-transaction'] },
      { max: (2n ** 256n - 1n).toString() },
    ])
      accepted(withLimit(over));
    // Words that would be a wrong address are as good a name as any.
    accepted(withLimit({ across: { origin: [badAddress], app: [badAddress] } }));
  });

  it('bounds depth before it goes down, however deep a document is', () => {
    const nested = (depth: number, wrap: (inner: object) => object): object => {
      let made: object = always;
      for (let level = 0; level < depth; level += 1) made = wrap(made);
      return withRule({ when: made });
    };
    for (const wrap of [
      (not: object) => ({ not }),
      (inner: object) => ({ all: [inner, always] }),
      (inner: object) => ({ any: [always, inner] }),
    ]) {
      accepted(nested(bounds.conditionDepth - 1, wrap));
      for (const depth of [bounds.conditionDepth, 30_000])
        assert.match(refused(nested(depth, wrap))[1], /is nested deeper than 16/);
    }
  });

  it('bounds the parts of all conditions together', () => {
    const any = Array.from({ length: bounds.conditionNodes / 2 - 1 }, () => always);
    const half = (id: string) => rule({ id, when: { any } });
    accepted({ version: 1, rules: [half('a'), half('b')] });
    const [field, text] = refused({ version: 1, rules: [half('a'), half('b'), rule({ id: 'c' })] });
    assert.equal(field, 'policy.rules');
    assert.match(text, /has conditions of more than 4096 parts/);
  });

  it('stands beside other forms where either is taken', () => {
    const empty = { version: 1, rules: [] } as const;
    assert.deepEqual(oneOf(literal('none'), policyDocument).parse(empty, 'policy'), empty);
    assert.deepEqual(oneOf(literal('none'), condition).parse(always, 'when'), always);
  });
});
