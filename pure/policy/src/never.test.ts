import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { moments, questionOf, Random, requestOf } from '../testing/generate.ts';
import { assertReplays } from '../testing/replay.ts';
import { compilePolicy } from './compile-policy.ts';
import { decide } from './decide.ts';
import { EvaluationContext } from './evaluation.ts';
import { compileCondition, isTrue } from './language/compile-condition.ts';
import type { Condition, PolicyDocument } from './language/document.ts';
import { parseCondition, parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { checkNever } from './never.ts';
import type { PolicyRequest } from './request.ts';

const noUsage: Usage = { spent: () => 0n, quotes: () => undefined };

function isAllowed(document: PolicyDocument, never: Condition, request: PolicyRequest, now: number): boolean {
  const context = new EvaluationContext(request, now, () => undefined);
  return (
    decide([compilePolicy('policy', document)], request, noUsage, now).outcome === 'allow' &&
    compileCondition(never, document.lists ?? {})(context) === isTrue
  );
}

/** Generated policies; fewer while mutants are looked for. */
const searches = Number(process.env.POLICY_SEARCHES ?? 1000);

const suppliers = `policy 1;
list suppliers = ["alice", "bob"];
allow "pay" on sign-transaction when
  effects.chain == "solana" && effects.outflows.all(o, o.to in suppliers && o.amount <= 5000);
allow "sign" on sign-message when subject.user == "ann";
limit "large" amount per asset over transaction max 9000;
`;

/** No request is like this, which is seen when all else is settled. */
const noNumber = 'effects.calls.exists(c, c.arguments["n"] in ["x", "3"] && int(c.arguments["n"]) > 5)';

describe('what a policy can never allow', () => {
  const proven: readonly (readonly [string, string])[] = [
    [suppliers, 'effects.outflows.exists(o, o.amount > 5000)'],
    [suppliers, 'effects.outflows.exists(o, !(o.to in suppliers))'],
    [suppliers, 'effects.outflows.exists(o, !has(o.to))'],
    [suppliers, 'effects.grants.exists(g, g.amount > 9000)'],
    [suppliers, 'effects.takeovers.exists(t, true)'],
    [suppliers, 'effects.chain != "solana"'],
    [suppliers, 'action.class == "export-wallet"'],
    [suppliers, 'action.class == "sign-message" && subject.user.startsWith("b")'],
    [
      'policy 1; allow "a" when true; deny "d" when effects.outflows.exists(o, o.to == "eve");',
      'effects.outflows.exists(o, o.to == "eve")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset over transaction max 9;',
      'effects.spending.exists(s, s.amount > 9)',
    ],
    [
      'policy 1; allow "a" when true; limit "l" on sign-message count per wallet over lifetime max 3;',
      'action.class == "sign-message" && !has(resource.wallet)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when usage["l"] > 9; limit "l" amount per asset over lifetime max 9;',
      'action.class == "sign-transaction"',
    ],
    ['policy 1; allow "a" when time.now.getHours("UTC") == 9;', 'time.now.getHours("UTC") == 10'],
    [
      'policy 1; allow "a" on sign-transaction when effects.outflows.size() == 1;',
      'effects.outflows.exists(o, o.to == "bob") && effects.outflows.exists(o, o.to == "eve")',
    ],
    ['policy 1; allow "a" on sign-transaction when true;', 'has(effects.fee) && !has(effects.feeAsset)'],
    [
      'policy 1; allow "a" when action.method == "signTransaction";',
      'action.method == "ethereumSignTypedData"',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.outflows.exists(o, o.to == "bob" && o.own) && effects.outflows.exists(o, o.to == "bob" && !o.own)',
    ],
    [
      'policy 1; allow "a" when true; limit "l" on sign-message count per chain over lifetime max 3;',
      'action.class == "sign-message"',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unresolved("program", subject: "p");',
      'effects.unresolved.exists(u, u.subject == "q")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting takeover("stake", by: "bob");',
      'effects.takeovers.exists(t, t.by != "bob")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.calls.exists(c, c.arguments["n"] in ["x", "3"] && int(c.arguments["n"]) > 5)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.notAfter > timestamp("2026-01-01T00:00:00Z") && effects.notAfter < timestamp("2026-01-01T00:00:01Z")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when usage["l"] == 3; limit "l" count over transaction max 9;',
      'action.class == "sign-transaction"',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true; limit "l" usd per asset over transaction max 0;',
      'effects.spending.exists(s, s.amount > 0)',
    ],
    [
      'policy 1; allow "a" when time.now < timestamp("2026-01-01T01:00:00Z") && time.now > timestamp("2026-01-01T00:00:00Z");',
      'time.now.getHours("UTC") == 2',
    ],
    // Both fit alone; the limit has no room for them together.
    [
      'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset over transaction max 9;',
      `effects.outflows.exists(o, o.to == "bob" && o.asset == "x/y" && o.amount == 6) &&
       effects.outflows.exists(o, o.to == "eve" && o.asset == "x/y" && o.amount == 6)`,
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unresolved("program", asset: "x/y"), unbounded("transfer", subject: "p"), unresolved("program", by: "bob");',
      'effects.unresolved.exists(u, true) || effects.outflows.exists(o, o.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935)',
    ],
    // Room for less than nothing of what is asked: the sum of an asset is bounded by the limit that counts all of it.
    [
      `policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount <= 4);
       limit "l" usd over transaction max 0;`,
      'effects.spending.exists(s, s.amount > 3)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when subject.user.startsWith("anna") && subject.user.startsWith("ann");',
      'action.class == "sign-transaction" && subject.user == "bob"',
    ],
    // A limit that looks at one user's transactions only bounds what she can spend, in base units and in US dollars.
    [
      `policy 1; allow "a" on sign-transaction when true;
       limit "l" amount per asset across user in ["ann"] over transaction max 9;`,
      'subject.user == "ann" && effects.spending.exists(s, s.amount > 20)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when true;
       limit "l" usd across user in ["ann"] over transaction max 0;`,
      'subject.user == "ann" && effects.spending.exists(s, s.amount > 0)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when effects.spending.all(s, s.amount <= 9);',
      `effects.outflows.exists(o, o.to == "bob" && o.asset == "x/y" && o.amount == 6) &&
       effects.outflows.exists(o, o.to == "eve" && o.asset == "x/y" && o.amount == 6)`,
    ],
    [
      'policy 1; allow "a" when true; limit "l" on sign-message count across chain in ["solana"] over lifetime max 3;',
      'action.class == "sign-message"',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.calls.exists(c, c.arguments["n"].startsWith("x") && int(c.arguments["n"]) > 5)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when true accepting unbounded("transfer");
       limit "l" amount across user in ["ann"] across asset in ["x/y"] over transaction max 9;`,
      `subject.user == "ann" && effects.outflows.exists(o, o.asset == "x/w") &&
       effects.spending.exists(s, s.asset == "x/y" && s.amount > 20)`,
    ],
  ];
  for (const [policy, never] of proven)
    it(`proves that ${never} is never allowed`, () => {
      assert.deepEqual(checkNever(parsePolicy(policy), parseCondition(never)), { result: 'proven' });
    });

  const possible: readonly (readonly [string, string])[] = [
    [suppliers, 'effects.outflows.exists(o, o.amount == 5000 && o.to == "bob")'],
    [suppliers, 'effects.grants.exists(g, g.amount == 9000)'],
    [suppliers, 'effects.outflows.size() == 0'],
    [suppliers, 'action.class == "sign-message"'],
    [
      'policy 1; allow "a" when true; deny "d" when effects.outflows.exists(o, o.to == "eve");',
      'effects.outflows.exists(o, o.to == "mallory" && o.own)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting takeover("stake");',
      'effects.takeovers.exists(t, t.kind == "stake")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unbounded("transfer");',
      'effects.outflows.exists(o, o.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount <= 5);`,
      'effects.spending.exists(s, s.amount == 100)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount <= 5);
       limit "l" amount per asset, destination over transaction max 5;`,
      'effects.spending.exists(s, s.amount > 12)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when usage["l"] > 5;
       limit "l" amount per asset over rolling(duration("1h")) max 9;`,
      'effects.outflows.exists(o, o.amount == 2)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when true;
       limit "l" usd over rolling(duration("1h")) max 9;`,
      'effects.outflows.exists(o, o.amount == 2) && effects.outflows.size() == 3',
    ],
    [
      'policy 1; allow "a" on sign-transaction when effects.outflows.size() == 100;',
      'effects.outflows.all(o, o.amount == 2)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when effects.outflows.size() == 1;',
      'effects.outflows.exists(o, o.to == "bob") && effects.outflows.exists(o, o.amount == 2)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when true accepting takeover("stake");`,
      'effects.takeovers.exists(t, t.by == "eve")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.calls.exists(c, int(c.arguments["n"]) > 40 && c.arguments["n"].startsWith("5"))',
    ],
    ['policy 1; allow "a" when time.now.getHours("Europe/Berlin") == 9;', 'time.now.getHours("UTC") == 7'],
    ['policy 1; allow "a" when action.method == "signTransaction";', 'action.method == "signTransaction"'],
    [
      'policy 1; allow "a" when time.now.getDayOfWeek("UTC") == 0;',
      'time.now > timestamp("2027-01-01T00:00:00Z")',
    ],
    ['policy 1; allow "a" when true;', '!has(resource.derivationPaths) && !has(resource.walletTags)'],
    [
      `policy 1; allow "a" on sign-transaction when
         usage["l"] <= 5 && effects.outflows.all(o, o.asset in ["x/a", "x/b"] && o.amount == 4);
       limit "l" on sign-typed-data amount per asset over transaction max 9;`,
      'action.class == "sign-transaction" && effects.outflows.size() == 2',
    ],
    [
      `policy 1; allow "a" on sign-transaction when usage["l"] <= 5;
       limit "l" on sign-typed-data amount per asset excluding own over transaction max 9;`,
      'action.class == "sign-transaction" && effects.outflows.exists(o, o.amount == 80)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when !has(usage["l"]); limit "l" on sign-typed-data usd over lifetime max 5;',
      'action.class == "sign-transaction" && effects.outflows.exists(o, o.amount > 3)',
    ],
    [
      `policy 1; list two = ["bob", "eve"]; allow "a" on sign-transaction when effects.outflows.all(o, o.to in two);`,
      'effects.outflows.exists(o, o.own) && effects.outflows.exists(o, !o.own)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset excluding own over transaction max 5;',
      'effects.grants.exists(g, g.amount == 90) && effects.outflows.exists(o, o.amount == 80)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when true;
       limit "l" amount per asset, chain across chain in ["eip155:1"] over lifetime max 5;`,
      'effects.chain == "solana" && effects.outflows.exists(o, o.amount == 80)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unresolved("program", subject: "p");',
      'effects.unresolved.exists(u, u.subject == "p")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.calls.exists(c, c.arguments["n"] in ["x", "7"] && int(c.arguments["n"]) > 5)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when usage["l"] == 7; limit "l" amount per asset over transaction max 9;',
      'effects.outflows.all(o, o.amount <= 2) && effects.grants.size() == 0',
    ],
    [
      'policy 1; allow "a" on sign-transaction when effects.spending.size() == 3;',
      'effects.spending.all(s, s.amount > 4 && s.asset != "x/y")',
    ],
    [
      'policy 1; allow "a" when time.now.getHours("Europe/Berlin") >= 9;',
      'time.now.getHours("Europe/Berlin") == 13',
    ],
    // Two amounts of one asset have no room, of two assets they have.
    [
      'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset over transaction max 9;',
      `effects.outflows.exists(o, o.to == "bob" && o.asset in ["x/y", "x/z"] && o.amount == 6) &&
       effects.outflows.exists(o, o.to == "eve" && o.asset in ["x/y", "x/z"] && o.amount == 6)`,
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unbounded("transfer");',
      'effects.spending.exists(s, s.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when
         subject.traits["k"] == "eip155:1/erc20:0x52908400098527886E0F7030069857D2E4169Ee7";`,
      'effects.spending.exists(s, s.amount == 2)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unbounded("transfer");',
      `effects.spending.exists(s, s.amount > 5) && effects.outflows.exists(o, o.amount >
       115792089237316195423570985008687907853269984665640564039457584007913129639935)`,
    ],
    [
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.spending.exists(s, s.amount == 5 && s.asset == "x/y") && effects.outflows.all(o, o.amount in [9, 3, 4, 2]) && effects.grants.size() == 0',
    ],
    [
      'policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount <= 7 && o.amount != 7 && o.amount != 6);',
      'effects.spending.exists(s, s.amount == 14) && effects.grants.size() == 0 && effects.outflows.size() <= 3',
    ],
    [
      'policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount <= 5) && effects.grants.size() == 0;',
      `effects.spending.exists(s, s.asset == "x/y" && s.amount == 2) &&
       effects.spending.exists(s, s.asset == "x/z" && s.amount == 40) && !has(effects.fee)`,
    ],
    [
      `policy 1; allow "a" on sign-transaction when usage["l"] > 5 accepting unbounded("transfer");
       limit "l" on sign-typed-data amount per asset over transaction max 9;`,
      `action.class == "sign-transaction" &&
       effects.outflows.exists(o, o.to == "bob" && o.asset == "x/y" && o.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935) &&
       effects.outflows.exists(o, o.to == "eve" && o.asset == "x/y" && o.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935)`,
    ],
    // Of one counter a longer window holds what a shorter one does, and more.
    [
      `policy 1; allow "a" on sign-transaction when usage["day"] == 8 && usage["hour"] == 6;
       limit "day" amount per asset over rolling(duration("24h")) max 9;
       limit "hour" amount per asset over rolling(duration("1h")) max 9;`,
      'effects.outflows.exists(o, o.amount == 2)',
    ],
    // Whichever window is named first.
    [
      `policy 1; allow "a" on sign-transaction when usage["hour"] == 6 && usage["day"] == 8;
       limit "hour" amount per asset over rolling(duration("1h")) max 9;
       limit "day" amount per asset over rolling(duration("24h")) max 9;`,
      'effects.outflows.exists(o, o.amount == 2)',
    ],
    // What was spent at the last moment before a window is none of it.
    [
      `policy 1; allow "a" on sign-transaction when usage["hour"] == 6 && usage["fixed"] == 2;
       limit "hour" amount per asset over rolling(duration("1h")) max 9;
       limit "fixed" amount per asset over fixed(duration("24h"), timestamp("2026-01-01T00:00:00Z")) max 9;`,
      `effects.outflows.exists(o, o.amount == 2) && effects.outflows.size() == 1 &&
       effects.grants.size() == 0 && !has(effects.fee) && time.now == timestamp("2026-01-01T00:59:59.998Z")`,
    ],
    // One alternative is enough, whatever comes of the others.
    ...[
      ['hour', 'low'],
      ['low', 'hour'],
    ].map(([one, other]): [string, string] => [
      `policy 1; allow "one" on sign-transaction when usage["day"] == 8 && usage["${one}"] == 6;
       allow "other" on sign-transaction when usage["day"] == 8 && usage["${other}"] == 6;
       limit "day" amount per asset over rolling(duration("24h")) max 9;
       limit "hour" amount per asset over rolling(duration("1h")) max 9;
       limit "low" amount per asset over rolling(duration("48h")) max 9;`,
      'effects.outflows.exists(o, o.amount == 2)',
    ]),
    // Every method of a class is tried where methods are told apart, by the policy or by what is asked.
    ...[
      'simulateTransaction',
      'deleteAuthenticator',
      'listPendingMigrations',
      'updateUserInOrganization',
    ].flatMap((method): [string, string][] => [
      [`policy 1; allow "a" when action.method == "${method}";`, `subject.traits["k"] == "${method}"`],
      ['policy 1; allow "a" when true;', `action.method == "${method}"`],
    ]),
    // What is asked may name the usage of a limit.
    [
      'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset over rolling(duration("1h")) max 9;',
      'usage["l"] == 7',
    ],
    // Paths are those of any request.
    [
      'policy 1; allow "a" on sign-message when true;',
      'resource.derivationPaths.exists(p, p == "m/1") && action.class == "sign-message"',
    ],
    // Of one asset there is one sum.
    [
      'policy 1; allow "a" on sign-transaction when true;',
      `effects.spending.exists(s, s.asset == "x/y" && s.amount > 5) &&
       effects.spending.exists(s, s.asset == "x/y" && s.amount < 9)`,
    ],
    // Where the number of elements is said, one may have to be what several conditions ask for.
    ...['takeovers.exists(t, t.by', 'outflows.exists(o, o.to', 'grants.exists(g, g.spender'].map(
      (some): [string, string] => {
        const [list, element] = [some.split('.')[0]!, some.split('(')[1]!.split(',')[0]!];
        return [
          'policy 1; allow "a" on sign-transaction when true accepting takeover("stake");',
          `effects.${list}.size() == 1 && effects.${some} == "eve") &&
           effects.${list}.exists(${element}, ${element}.kind != "delegate")`,
        ];
      },
    ),
    // What one element can be, two of them may have no room to be.
    ...['outflows.exists(o, o.to', 'grants.exists(o, o.spender'].flatMap((some): [string, string][] => {
      const [list] = some.split('(');
      const never = `effects.${list}(o, o.asset == "x/y" && o.amount >= 6) && effects.${some} == "bob" && o.asset == "x/y" && o.amount >= 5)`;
      return [
        [
          'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset over transaction max 9;',
          never,
        ],
        ['policy 1; allow "a" on sign-transaction when effects.spending.all(s, s.amount <= 9);', never],
      ];
    }),
    // Amounts that are bounded each may sum up to more than every integer, and be worth less than a limit in US dollars.
    [
      `policy 1; allow "a" on sign-transaction when true;
       limit "l" usd over lifetime max 115792089237316195423570985008687907853269984665640564039457584007913129639935;`,
      'effects.spending.exists(s, s.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935)',
    ],
    // A limit in US dollars that holds more than the integers of the language.
    [
      `policy 1; allow "a" on sign-transaction when true;
       limit "l" usd over transaction max 115792089237316195423570985008687907853269984665640564039457584007913129639935;`,
      'effects.spending.exists(s, s.amount > 1000)',
    ],
    [
      `policy 1; allow "a" on sign-transaction when usage["l"] == 3;
       limit "l" amount per chain across asset in ["x/y"] across destination in ["bob"] over transaction max 9;`,
      'action.class == "sign-transaction"',
    ],
    ...['"anna", "ann"', '"ann", "anna"'].map((prefixes): [string, string] => {
      const [one, other] = prefixes.split(', ');
      return [
        'policy 1; allow "a" when true;',
        `subject.user.startsWith(${one}) && subject.user.startsWith(${other})`,
      ];
    }),
  ];
  for (const [policy, never] of possible)
    it(`finds a request for ${never}, and decide allows it`, () => {
      const [document, condition] = [parsePolicy(policy), parseCondition(never)];
      const found = checkNever(document, condition);
      assert.equal(found.result, 'counterexample');
      if (found.result === 'counterexample') assertReplays(document, condition, found.receipt);
    });

  const unanswered: readonly (readonly [string, string, string])[] = [
    [
      'more than 16 elements that all differ',
      'policy 1; allow "a" on sign-transaction when true;',
      Array.from(
        { length: 17 },
        (_, index) => `effects.outflows.exists(o, o.to == "receiver-${index}")`,
      ).join(' && '),
    ],
    [
      'a list of more than 10,000 elements',
      'policy 1; allow "a" on sign-transaction when true;',
      'effects.outflows.size() == 20000',
    ],
    [
      'two clocks that never show this together',
      'policy 1; allow "a" when time.now.getHours("Europe/Berlin") == 9;',
      'time.now.getHours("UTC") == 12',
    ],
    [
      'a sum of more than 64 parts',
      'policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount <= 1) && effects.grants.size() == 0;',
      'effects.spending.exists(s, s.amount > 100) && !has(effects.fee)',
    ],
    [
      'copies that have no room together',
      'policy 1; allow "a" on sign-transaction when true; limit "l" amount per asset over transaction max 9;',
      'effects.outflows.size() == 5 && effects.outflows.all(o, o.amount == 2 && o.asset == "x/y")',
    ],
    [
      'copies that are more than their sum may be',
      'policy 1; allow "a" on sign-transaction when effects.spending.all(s, s.amount <= 9);',
      'effects.outflows.size() == 5 && effects.outflows.all(o, o.amount == 2 && o.asset == "x/y")',
    ],
    [
      'amounts with a gap where their sum would have to be',
      'policy 1; allow "a" on sign-transaction when effects.outflows.all(o, o.amount != 1 && o.asset == "x/y");',
      `effects.outflows.size() == 2 && effects.grants.size() == 0 && !has(effects.fee) &&
       effects.spending.exists(s, s.amount == 1)`,
    ],
    [
      'a number whose text begins with no digit that is left',
      'policy 1; allow "a" on sign-transaction when true;',
      `effects.calls.exists(c, int(c.arguments["n"]) > 5 && ${Array.from(
        { length: 10 },
        (_, digit) => `!c.arguments["n"].startsWith("${digit}")`,
      ).join(' && ')})`,
    ],
    [
      'more than 50,000 alternatives, of which none that was tried can be',
      'policy 1; allow "a" on sign-transaction when true;',
      [
        noNumber,
        ...Array.from(
          { length: 40 },
          (_, index) => `(subject.traits["a${index}"] == "x" || subject.traits["b${index}"] == "x")`,
        ),
      ].join(' && '),
    ],
    // Nothing was spent that takes itself back.
    [
      'a day that holds less than its last hour',
      `policy 1; allow "a" on sign-transaction when usage["day"] == 4 && usage["hour"] == 6;
       limit "day" amount per asset over rolling(duration("24h")) max 9;
       limit "hour" amount per asset over rolling(duration("1h")) max 9;`,
      'effects.outflows.exists(o, o.amount == 2)',
    ],
  ];
  for (const [what, policy, never] of unanswered)
    it(`says that it does not know of ${what}, and never that it is proven`, () => {
      const found = checkNever(parsePolicy(policy), parseCondition(never));
      assert.equal(found.result, 'unknown');
      assert.ok(found.result === 'unknown' && found.why !== '');
    });

  const hour = 'rolling(duration("1h"))';
  const day = 'rolling(duration("24h"))';
  const fixed = (seconds: number) => `fixed(duration("${seconds}s"), timestamp("2026-01-01T00:00:00Z"))`;
  const shared: readonly (readonly [watched: string, binding: string, result: string])[] = [
    [`amount per asset over ${hour}`, `amount per asset over ${day}`, 'proven'],
    [`amount per asset over ${day}`, `amount per asset over ${day}`, 'proven'],
    [`amount per asset over ${day}`, `amount per asset over ${hour}`, 'counterexample'],
    [`amount per asset over ${day}`, 'amount per asset over lifetime', 'proven'],
    [`amount per asset over ${fixed(60)}`, 'amount per asset over lifetime', 'proven'],
    ['amount per asset over lifetime', `amount per asset over ${day}`, 'counterexample'],
    ['amount per asset over transaction', `amount per asset over ${hour}`, 'proven'],
    [`amount per asset over ${hour}`, 'amount per asset over transaction', 'counterexample'],
    [`amount per asset over ${fixed(60)}`, `amount per asset over ${fixed(60)}`, 'proven'],
    // The one row that is tried lies in both windows, and proves nothing.
    [`amount per asset over ${fixed(60)}`, `amount per asset over ${fixed(90)}`, 'unknown'],
    [`amount per asset over ${fixed(60)}`, `amount per asset over ${day}`, 'unknown'],
    [`amount per asset over ${hour}`, `amount per asset over ${fixed(60)}`, 'counterexample'],
    // One counter, however it is written.
    [`amount per asset, user over ${hour}`, `amount per user, asset over ${day}`, 'proven'],
    [
      `amount per asset across destination in few across user in ["u", "v"] over ${hour}`,
      `amount per asset across user in ["v", "u"] across destination in ["bob", "alice"] over ${day}`,
      'proven',
    ],
    // And not one that only looks like it.
    [`amount per asset over ${hour}`, `amount per asset, user over ${day}`, 'counterexample'],
    [`amount per asset over ${hour}`, `amount per asset across user in ["u"] over ${day}`, 'counterexample'],
    [
      `amount per asset across user in ["u"] over ${hour}`,
      `amount per asset across user in ["u", "v"] over ${day}`,
      'counterexample',
    ],
    [
      `amount per asset across user in ["u"] over ${hour}`,
      `amount per asset across wallet in ["u"] over ${day}`,
      'counterexample',
    ],
    [`amount per asset over ${hour}`, `amount per asset excluding own over ${day}`, 'counterexample'],
    [`amount per asset excluding own over ${hour}`, `amount per asset excluding own over ${day}`, 'proven'],
    [`amount per asset over ${hour}`, `usd per asset over ${day}`, 'counterexample'],
  ];
  for (const [watched, binding, result] of shared)
    it(`that ${watched} is never more than what binds over ${binding.slice(0, 60)}: ${result}`, () => {
      const document = parsePolicy(`policy 1; list few = ["alice", "bob"];
        allow "a" on sign-transaction when usage["w"] > 5;
        limit "w" on sign-typed-data ${watched} max 900; limit "b" on sign-transaction ${binding} max 5;`);
      const never = parseCondition('action.class == "sign-transaction"');
      const found = checkNever(document, never);
      assert.equal(found.result, result);
      if (found.result === 'counterexample') assertReplays(document, never, found.receipt);
    });

  it('does not try which conditions one element could meet where that changes nothing', () => {
    const limit = 'limit "l" amount per asset over transaction max 9;';
    for (const [list, limits] of [
      ['calls', ''],
      ['calls', limit],
      ['outflows', ''],
      ['grants', ''],
    ]) {
      const document = parsePolicy(`policy 1; allow "a" on sign-transaction when true; ${limits}`);
      const many = Array.from({ length: 10 }, () => `effects.${list}.exists(e, true)`);
      const never = parseCondition([noNumber, ...many].join(' && '));
      assert.deepEqual(checkNever(document, never), { result: 'proven' }, `${list} ${limits}`);
    }
  });

  it('takes the usage of a limit that there is not for missing', () => {
    const when: Condition = { field: 'usage["l"]', operator: '>=', value: '0' };
    const document: PolicyDocument = { version: 1, rules: [{ id: 'a', effect: 'allow', when }] };
    assert.equal(checkNever(document, { constant: true }).result, 'proven');
    const open: PolicyDocument = {
      version: 1,
      rules: [{ id: 'a', effect: 'allow', when: { not: { has: 'usage["l"]' } } }],
    };
    const never: Condition = { any: [when, { field: 'subject.user', operator: '==', value: 'ann' }] };
    assert.equal(checkNever(open, never).result, 'counterexample');
  });

  it('proves for a world of shorter lists what it does not for all', () => {
    const three = ['ann', 'bob', 'eve'].map((name) => `effects.outflows.exists(o, o.to == "${name}")`);
    const allowed = parsePolicy('policy 1; allow "a" on sign-transaction when true;');
    const named = parseCondition(three.join(' && '));
    assert.equal(checkNever(allowed, named, { largestList: 3 }).result, 'counterexample');
    assert.equal(checkNever(allowed, named, { largestList: 2 }).result, 'proven');
    // One element can be all of them, however many conditions ask for it.
    for (const largestList of [1, 15, 16]) {
      const often = parseCondition(
        Array.from({ length: largestList + 1 }, () => 'effects.calls.exists(c, c.name == "f")').join(' && '),
      );
      assert.equal(checkNever(allowed, often, { largestList }).result, 'counterexample');
    }
    // One element can be both.
    const both = parseCondition(
      'effects.takeovers.exists(t, t.by == "eve") && effects.takeovers.exists(t, t.account == "A")',
    );
    const accepting = parsePolicy(
      'policy 1; allow "a" on sign-transaction when true accepting takeover("stake");',
    );
    assert.equal(checkNever(accepting, both, { largestList: 1 }).result, 'counterexample');
    const [policy, never] = [
      parsePolicy('policy 1; allow "a" on sign-transaction when true;'),
      parseCondition('effects.outflows.size() == 3'),
    ];
    assert.equal(checkNever(policy, never).result, 'counterexample');
    assert.equal(checkNever(policy, never, { largestList: 2 }).result, 'proven');
  });

  it(`of ${searches} generated policies, each is proven or has a request that is allowed, and nothing that is proven happens`, () => {
    const seen = { proven: 0, counterexample: 0, unknown: 0 };
    for (let seed = 1; seed <= searches; seed += 1) {
      const random = new Random(seed);
      const { document, never } = questionOf(random);
      const found = checkNever(document, never);
      seen[found.result] += 1;
      if (found.result === 'counterexample') assertReplays(document, never, found.receipt, `seed ${seed}`);
      if (found.result === 'proven')
        for (let sample = 0; sample < 60; sample += 1)
          assert.equal(
            isAllowed(document, never, requestOf(random), random.pick(moments)),
            false,
            `seed ${seed}`,
          );
    }
    assert.ok(seen.proven > searches / 10 && seen.counterexample > searches / 10, JSON.stringify(seen));
    assert.equal(seen.unknown, 0);
  });
});
