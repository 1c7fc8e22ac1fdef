import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import { bounds } from './document.ts';
import { parseCondition, parsePolicy } from './parse-text.ts';

/** What is said of a text. */
function refused(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof KmsError && error.code === 'parameter-invalid', String(error));
    assert.ok(error.message.includes(`${error.field}: `), error.message);
    return error.message.slice(error.message.indexOf('line '));
  }
  return assert.fail('it was accepted');
}

const onLine = (column: number, words: string): string => `line 1, column ${column}: ${words}`;
const sides = 'expected a field on one side and a constant on the other, found';
const listOrSet = 'expected a list, or a set after a string, found';

describe('what is said of a condition that cannot be read', () => {
  const cases: readonly (readonly [text: string, column: number, words: string])[] = [
    ['', 1, 'expected a name, found the end'],
    ['subject.user ==', 16, 'expected a name, found the end'],
    ['subject.user == subject.root', 17, `${sides} subject`],
    ['1 == 2', 6, `${sides} 2`],
    ['[1] == effects.fee', 8, `${sides} effects`],
    ['effects.fee == [1]', 16, `${sides} [`],
    ['few == effects.fee', 8, `${sides} effects`],
    ['effects.fee == few', 16, `${sides} few`],
    ['"a"', 1, 'expected a condition, found a'],
    ['1', 1, 'expected a condition, found 1'],
    ['few', 1, 'expected a condition, found few'],
    ['has("a")', 5, 'expected a name, found a'],
    ['has effects.fee', 5, 'expected (, found effects'],
    ['has(effects.outflows.all(o, true))', 12, 'expected a field, found .'],
    ['!subject.user == "a"', 2, 'expected parentheses around the comparison, found subject'],
    [`${'!'.repeat(17)}subject.root`, 18, 'expected fewer negations, found subject'],
    [`${'('.repeat(64)}true${')'.repeat(64)}`, 65, 'expected less depth, found true'],
    ['(true', 6, 'expected ), found the end'],
    ['true )', 6, 'expected the end, found )'],
    ['true true', 6, 'expected the end, found true'],
    // Text is neither a sign nor a word.
    ['subject.user "==" "a"', 14, 'expected the end, found =='],
    ['subject.user "in" few', 14, 'expected the end, found in'],
    ['has(effects.fee ")"', 17, 'expected ), found )'],
    ['subject.user == "a" == "b"', 21, 'expected the end, found =='],
    ['true == has(effects.fee)', 9, 'expected a constant, found has'],
    ['effects.fee in []', 17, 'expected a constant, found ]'],
    ['effects.fee in [1,]', 19, 'expected a constant, found ]'],
    ['effects.fee in [1 2]', 19, 'expected ], found 2'],
    ['subject.user in ["a", true]', 23, 'expected a constant, found true'],
    ['subject.user in "a"', 17, `${listOrSet} a`],
    ['subject.user in true', 17, `${listOrSet} true`],
    ['true in resource.walletTags', 9, `${listOrSet} resource`],
    ['["a"] in resource.walletTags', 10, `${listOrSet} resource`],
    ['"a" in few', 8, `${listOrSet} few`],
    ['"a" in ["a"]', 8, `${listOrSet} [`],
    ['few in few', 8, `${listOrSet} few`],
    [
      'effects.outflows.all(o, effects.grants.exists(g, true))',
      46,
      'expected no list inside another list, found (',
    ],
    ['effects.outflows.all("o", true)', 22, 'expected a name, found o'],
    ['effects.outflows.all(o true)', 24, 'expected ,, found true'],
    ['effects.outflows.all(o, true', 29, 'expected ), found the end'],
    ['effects.outflows.all(o, true).own', 30, 'expected the end, found .'],
    [
      'subject.user.matches("a")',
      14,
      'expected all, exists, startsWith, size, getHours or getDayOfWeek, found matches',
    ],
    ['effects.outflows.size(1)', 23, 'expected ), found 1'],
    ['action.origin.startsWith(5)', 26, 'expected a string, found 5'],
    ['action.origin.startsWith("a") == true', 31, 'expected the end, found =='],
    ['time.now.getHours(5) == 1', 19, 'expected a string, found 5'],
    ['time.now.getDayOfWeek() == 1', 23, 'expected a string, found )'],
    ['time.now.getHours("UTC").size() == 1', 25, 'expected the end, found .'],
    ['time.now < timestamp(5)', 22, 'expected a string, found 5'],
    ['int("a") == 5', 5, 'expected a name, found a'],
    ['subject.traits[k] == "a"', 16, 'expected a string, found k'],
    ['subject.traits["k" == "a"', 20, 'expected ], found =='],
    ['subject. == "a"', 10, 'expected a name, found =='],
    ['effects.fee + 1 == 2', 13, '"+ 1 == 2" cannot be read here'],
    ['subject.user == "a', 17, String.raw`"\"a" cannot be read here`],
  ];
  for (const [text, column, words] of cases)
    it(`${text.slice(0, 60)}: ${words.slice(0, 60)}`, () => {
      assert.equal(
        refused(() => parseCondition(text)),
        onLine(column, words),
      );
    });

  it('names the line and the column, and does not count comments', () => {
    assert.equal(
      refused(() => parseCondition('subject.root && // who\n\n  )')),
      'line 3, column 3: expected a name, found )',
    );
    assert.deepEqual(parseCondition('// who\ntrue // or not'), { constant: true });
  });

  it('bounds the length, and takes what is exactly as long', () => {
    const long = (length: number) => `true${' '.repeat(length - 4)}`;
    assert.deepEqual(parseCondition(long(bounds.bytes)), { constant: true });
    assert.equal(
      refused(() => parseCondition(long(bounds.bytes + 1))),
      onLine(1, 'the text is too long'),
    );
    const policy = (length: number) => `policy 1;${' '.repeat(length - 9)}`;
    assert.deepEqual(parsePolicy(policy(4 * bounds.bytes)).rules, []);
    assert.equal(
      refused(() => parsePolicy(policy(4 * bounds.bytes + 1))),
      onLine(1, 'the text is too long'),
    );
  });
});

describe('what is said of a policy that cannot be read', () => {
  const statements = 'expected list, pricing or owners once, call, allow, deny or limit, found';
  const duration = 'expected a duration such as "90s", "15m" or "24h", found';
  const acceptance = 'expected subject, asset or by, once each, found';
  const windows = 'expected transaction, rolling, fixed, calendar or lifetime, found';
  const call = 'call "x" solana "p" "00"';
  const pricing = 'pricing age duration("1s") deviation 1 sources 1';
  const limit = 'limit "l" count';
  /** Columns are those of the statement. */
  const cases: readonly (readonly [statement: string, column: number, words: string])[] = [
    ['permit "a" when true;', 1, `${statements} permit`],
    ['list a = []; list a = [];', 19, 'a is there twice'],
    ['list "a" = [];', 6, 'expected a name, found a'],
    ['list a [];', 8, 'expected =, found ['],
    ['list a = "x";', 10, 'expected [, found x'],
    ['list a = ["x" "y"];', 15, 'expected ], found y'],
    ['list a = ["x",];', 15, 'expected a string, found ]'],
    ['list a = [1];', 11, 'expected a string, found 1'],
    [`${pricing}; ${pricing};`, 51, `${statements} pricing`],
    ['pricing deviation 1 sources 1;', 9, 'expected age, found deviation'],
    ['pricing age 5 deviation 1 sources 1;', 13, 'expected duration, found 5'],
    ['pricing age duration("1s") sources 1;', 28, 'expected deviation, found sources'],
    ['pricing age duration("1s") deviation "1" sources 1;', 38, 'expected an integer, found 1'],
    ['pricing age duration("1s") deviation 1;', 39, 'expected sources, found ;'],
    ['owners ["a"]; owners ["b"];', 15, `${statements} owners`],
    ['call name ethereum;', 6, 'expected a string, found name'],
    ['call "x" bitcoin "y";', 10, 'expected ethereum or solana, found bitcoin'],
    [`${call} (a u64) accounts [];`, 29, 'expected :, found u64'],
    [`${call} (a: u64 b: u8) accounts [];`, 34, 'expected ,, found b'],
    [`${call} (a: u64) [];`, 35, 'expected accounts, found ['],
    [`${call} (a: u64) accounts (a);`, 44, 'expected [, found ('],
    [`${call} (a: u64) accounts [a b];`, 47, 'expected ,, found b'],
    [`${call} (a: u64) accounts [,];`, 45, 'expected a name, found ,'],
    [`${call} (a: vec u8) accounts [];`, 34, 'expected (, found u8'],
    [`${call} (a: array(u8)) accounts [];`, 38, 'expected ,, found )'],
    [`${call} (a: array(u8, 4) accounts [];`, 43, 'expected ,, found accounts'],
    [
      `${call} (a: ${'vec('.repeat(17)}u8${')'.repeat(17)}) accounts [];`,
      98,
      'expected less depth, found u8',
    ],
    ['allow a when true;', 7, 'expected a string, found a'],
    ['allow "a" on when true;', 19, 'expected when, found true'],
    ['allow "a" on read approve when true;', 19, 'expected when, found approve'],
    ['allow "a" "when" true;', 11, 'expected when, found when'],
    ['allow "a" true;', 11, 'expected when, found true'],
    ['allow "a" when true accepting;', 30, 'expected a name, found ;'],
    ['allow "a" when true accepting takeover "k";', 40, 'expected (, found k'],
    ['allow "a" when true accepting takeover(k);', 40, 'expected a string, found k'],
    ['allow "a" when true accepting takeover("k", for: "x");', 45, `${acceptance} for`],
    ['allow "a" when true accepting takeover("k", by: "x", by: "y");', 54, `${acceptance} by`],
    ['allow "a" when true accepting takeover("k", by "x");', 48, 'expected :, found x'],
    ['allow "a" when true accepting takeover("k";', 43, 'expected ), found ;'],
    ['allow "a" when true approvals "x";', 31, 'expected an integer, found x'],
    ['allow "a" when true delay 5;', 27, 'expected duration, found 5'],
    ['allow "a" when true;;', 21, 'expected a name, found ;'],
    ['allow "a" when true', 20, 'expected ;, found the end'],
    ['limit l count over lifetime max 1;', 7, 'expected a string, found l'],
    [`${limit} across user ["a"] over lifetime max 1;`, 29, 'expected in, found ['],
    [
      `${limit} across user in ["a"] across user in ["b"] over lifetime max 1;`,
      45,
      'expected user once, found user',
    ],
    [`${limit} excluding over lifetime max 1;`, 27, 'expected own, found over'],
    [`${limit} lifetime max 1;`, 17, 'expected over, found lifetime'],
    [`${limit} over sliding(5) max 1;`, 22, `${windows} sliding`],
    [`${limit} over rolling duration("1s") max 1;`, 30, 'expected (, found duration'],
    ...['1d', '0s', '01s', '1', 's', '1sm', ' 1s', '1.5h', '1000000000s'].map(
      (text) => [`${limit} over rolling(duration("${text}")) max 1;`, 39, `${duration} ${text}`] as const,
    ),
    [`${limit} over rolling(duration("1s") max 1;`, 45, 'expected ), found max'],
    [`${limit} over rolling(duration("1s" max 1;`, 44, 'expected ), found max'],
    [`${limit} over fixed(duration("1s")) max 1;`, 42, 'expected ,, found )'],
    [`${limit} over fixed(duration("1s"), "x") max 1;`, 44, 'expected timestamp, found x'],
    [`${limit} over fixed(duration("1s"), timestamp "x") max 1;`, 54, 'expected (, found x'],
    [`${limit} over calendar(day, "UTC") max 1;`, 31, 'expected a string, found day'],
    [`${limit} over calendar("day") max 1;`, 36, 'expected ,, found )'],
    [`${limit} over lifetime 1;`, 31, 'expected max, found 1'],
    [`${limit} over lifetime max "1";`, 35, 'expected an integer, found 1'],
  ];
  for (const [statement, column, words] of cases)
    it(`${statement.slice(0, 60)}: ${words.slice(0, 60)}`, () => {
      assert.equal(
        refused(() => parsePolicy(`policy 1; ${statement}`)),
        onLine(column + 10, words),
      );
    });

  for (const [text, words] of [
    ['', 'line 1, column 1: expected policy, found the end'],
    ['policy;', 'line 1, column 7: expected an integer, found ;'],
    ['policy 2;', 'line 1, column 8: expected version 1, found 2'],
    ['policy 1', 'line 1, column 9: expected ;, found the end'],
    ['// Why.\nallow "a" when true;', 'line 2, column 1: expected policy, found allow'],
    ['policy 1;\n\nlimit "l" count\n  max 1;', 'line 4, column 3: expected over, found max'],
  ] as const)
    it(`${JSON.stringify(text)}: ${words.slice(0, 60)}`, () => {
      assert.equal(
        refused(() => parsePolicy(text)),
        words,
      );
    });
});

describe('what can be read', () => {
  it('holds 64 parentheses that mean nothing, less one, and 16 negations', () => {
    assert.deepEqual(parseCondition(`${'('.repeat(63)}true${')'.repeat(63)}`), { constant: true });
    const negated = parseCondition(`${'!'.repeat(16)}subject.root`);
    assert.equal(JSON.stringify(negated).split('"not"').length, 17);
    // Depth is what is open at one time: as many parentheses side by side are none.
    const beside = parseCondition(Array.from({ length: 100 }, () => '(true)').join(' && '));
    assert.ok('all' in beside && beside.all.length === 100);
  });

  it('turns round a relation whose constant stands on the left', () => {
    for (const [sign, operator] of [
      ['==', '=='],
      ['!=', '!='],
      ['<', '>'],
      ['<=', '>='],
      ['>', '<'],
      ['>=', '<='],
    ])
      assert.deepEqual(parseCondition(`5 ${sign} effects.fee`), {
        field: 'effects.fee',
        operator,
        value: '5',
      });
  });

  it('has a name for an element only inside of its list', () => {
    assert.deepEqual(parseCondition('effects.outflows.all(o, o.own) && o.own'), {
      all: [
        { every: 'effects.outflows', where: { field: 'item.own', operator: '==', value: true } },
        { field: 'o.own', operator: '==', value: true },
      ],
    });
    assert.deepEqual(parseCondition('effects.calls.exists(c, has(c.name) && int(c.arguments["n"]) == 5)'), {
      some: 'effects.calls',
      where: {
        all: [{ has: 'item.name' }, { field: 'int(item.arguments["n"])', operator: '==', value: '5' }],
      },
    });
  });

  it('has every unit of a duration', () => {
    const seconds = (text: string) => {
      const { limits } = parsePolicy(`policy 1; limit "l" count over rolling(duration("${text}")) max 1;`);
      return limits![0]!.window;
    };
    for (const [text, expected] of [
      ['90s', 90],
      ['15m', 900],
      ['24h', 86_400],
    ] as const)
      assert.deepEqual(seconds(text), { kind: 'rolling', seconds: expected });
  });

  it('is checked as a document, and what is wrong is named by its place there', () => {
    assert.throws(() => parsePolicy('policy 1; allow "a" when effects.colour == "red";'), {
      code: 'parameter-invalid',
      field: 'policy.rules[0].when.field',
    });
  });

  it('keeps of a comment what stands after its first blank, without blanks at its end', () => {
    const comment = (line: string) =>
      parsePolicy(`policy 1;\n${line}\nallow "a" when true;`).rules[0]!.comment;
    assert.equal(comment('// Why. \t '), 'Why.');
    assert.equal(comment('//Why.'), 'Why.');
    assert.equal(comment('//   - Why.'), '  - Why.');
  });

  it('leaves out of the document what the text leaves out', () => {
    assert.deepEqual(parsePolicy('policy 1;'), { version: 1, rules: [] });
    assert.deepEqual(parsePolicy('policy 1; allow "a" when true; limit "l" count over transaction max 1;'), {
      version: 1,
      rules: [{ id: 'a', effect: 'allow', when: { constant: true } }],
      limits: [{ id: 'l', meter: 'count', window: { kind: 'transaction' }, max: '1' }],
    });
    // Lines of a comment belong to the statement that follows, and to no other.
    const { rules } = parsePolicy('policy 1;\n// Why.\n// How.\nallow "a" when true;\ndeny "b" when true;');
    assert.deepEqual(
      rules.map(({ comment }) => comment),
      ['Why.\nHow.', undefined],
    );
  });
});
