/**
 * The negative control of every attack: with the one defence off that stands against it, the attack succeeds, which is
 * to say that its test fails. So no test of an attack passes for another reason than the defence that it is about.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { attackTests } from '../attacks/table.ts';
import { runWeakened } from '../run-weakened.ts';
import { type Weakening, weakenedSource } from '../weakened-build.ts';

/** What is off, and the attacks that succeed then: ids of the table. */
interface Control {
  readonly off: string;
  readonly parts: readonly Weakening[];
  readonly succeeds: readonly string[];
}

const stamp = 'pure/protocol/src/stamp.ts';
const authenticate = 'pure/protocol/src/authenticate.ts';
const registration = 'pure/protocol/src/authority-change/registration.ts';
const leaves = 'pure/protocol/src/authority-change/leaves.ts';
const schema = 'pure/protocol/src/schema.ts';
const request = 'pure/protocol/src/request.ts';
const checks = 'enclave/signer/src/checks.ts';
const ledger = 'pure/policy/src/usage-ledger.ts';
const charges = 'pure/policy/src/evaluation.ts';

/** Leaves of every organization count in every other one. */
const sharedLeaves = `
  const known = (globalThis.knownLeaves ??= new Map());
  const own = read;
  read = (key) => {
    const leaf = own(key);
    if (leaf !== undefined) known.set(String(key), leaf);
    return leaf ?? known.get(String(key));
  };`;

const CONTROLS: readonly Control[] = [
  {
    off: 'the first decision on an identity is final',
    parts: [{ file: 'enclave/policy/src/organization.ts', name: 'decidedAt', body: 'return undefined;' }],
    succeeds: ['A1', 'B2', 'P3', 'E16'],
  },
  {
    off: 'a stamp has its time',
    parts: [{ file: stamp, name: 'assertFresh', body: 'return;' }],
    succeeds: ['A1', 'A3', 'P3'],
  },
  {
    off: 'the stamp is verified over the bytes',
    parts: [{ file: stamp, name: 'verifyStamp', body: 'return;' }],
    succeeds: ['A2', 'A9', 'B1', 'B2', 'P2'],
  },
  {
    off: 'JSON is read strictly',
    parts: [
      {
        file: 'pure/crypto/src/strict-json.ts',
        name: 'parseStrictJson',
        body: "return JSON.parse(typeof input === 'string' ? input : new TextDecoder().decode(input));",
      },
    ],
    succeeds: ['A4', 'A6'],
  },
  {
    off: 'names are visible characters in one form',
    parts: [{ file: schema, name: 'refine', body: 'return schema;' }],
    succeeds: ['A5'],
  },
  {
    off: 'an object has no other members than the known ones',
    parts: [
      {
        file: schema,
        within: 'object',
        name: 'parse',
        body: `if (typeof value === 'object' && value !== null && !Array.isArray(value))
          value = Object.fromEntries(
            Object.entries(value).filter(([key]) => Object.hasOwn(required, key) || Object.hasOwn(optional, key)),
          );`,
      },
    ],
    succeeds: ['A11', 'A13'],
  },
  {
    off: 'an authenticator counts in its own organization only',
    parts: [{ file: authenticate, name: 'callerOf', body: sharedLeaves }],
    succeeds: ['A12', 'B5'],
  },
  {
    off: 'keys and users expire',
    parts: [{ file: authenticate, name: 'assertInForce', body: 'return;' }],
    succeeds: ['A14'],
  },
  {
    off: 'a body is one request',
    parts: [
      {
        file: request,
        name: 'parseDocument',
        body: 'const all = JSON.parse(new TextDecoder().decode(body)); if (Array.isArray(all)) return all[0];',
      },
    ],
    succeeds: ['A15'],
  },
  {
    off: 'text of a stamp has one spelling',
    parts: [
      {
        file: stamp,
        name: 'strictBase64url',
        body: "return new Uint8Array(Buffer.from(value, 'base64url'));",
      },
      { file: stamp, name: 'strictBase64', body: "return new Uint8Array(Buffer.from(value, 'base64'));" },
    ],
    succeeds: ['B2'],
  },
  {
    off: 'an Ed25519 key is a point of high order in one spelling',
    parts: [{ file: 'pure/crypto/src/ed25519.ts', name: 'isAcceptablePublicKey', body: 'return true;' }],
    succeeds: ['B3'],
  },
  {
    off: 'a P-256 key is a point of the curve',
    parts: [{ file: 'pure/crypto/src/p256.ts', name: 'isAcceptablePublicKey', body: 'return true;' }],
    succeeds: ['B4'],
  },
  {
    off: 'a new key proves that its holder asks for it',
    parts: [{ file: registration, name: 'assertPossession', body: 'return;' }],
    succeeds: ['B8'],
  },
  {
    off: 'a lasting root key remains',
    parts: [{ file: leaves, name: 'assertRootRemains', body: 'return;' }],
    succeeds: ['B9'],
  },
  {
    off: 'endpoints are public addresses',
    parts: [{ file: 'host/program/src/public-address.ts', name: 'isPublicAddress', body: 'return true;' }],
    succeeds: ['H1'],
  },
  {
    off: 'a client’s memory is a witness',
    parts: [
      { file: 'enclave/policy/src/program.ts', name: '#assertNotBehind', body: 'return;' },
      { file: checks, name: 'assertSeen', body: 'return;' },
      { file: 'enclave/certifier/src/authority-rules.ts', name: 'assertSeenIsHistory', body: 'return;' },
    ],
    succeeds: ['H6', 'P7'],
  },
  {
    off: 'messages carry the MAC of their edge',
    parts: [{ file: 'pure/protocol/src/sealed.ts', name: 'openMessage', body: 'return sealed.bytes;' }],
    succeeds: ['P9', 'P10', 'P13'],
  },
  {
    off: 'a decision reserves',
    parts: [
      {
        file: 'enclave/policy/src/usage.ts',
        name: 'reserve',
        body: 'return { reservations: [], places: [] };',
      },
    ],
    succeeds: ['L1', 'L2', 'L5', 'L8', 'L16', 'L19', 'L23', 'L24', 'L27', 'L30'],
  },
  {
    off: 'fees and allowances count',
    parts: [
      {
        file: charges,
        name: 'chargesOf',
        body: 'effects = effects && { ...effects, maxFee: null, grants: [] };',
      },
    ],
    succeeds: ['L15', 'L16'],
  },
  {
    off: 'text has the form that its field asks for',
    parts: [
      { file: schema, within: 'string', name: 'parse', body: "if (typeof value === 'string') return value;" },
    ],
    succeeds: ['L3'],
  },
  {
    off: 'what is own is proven',
    parts: [
      {
        file: charges,
        name: 'chargesOf',
        body: 'resource = { ...resource, ownAddresses: { has: () => true } };',
      },
    ],
    succeeds: ['L18'],
  },
  {
    off: 'everything that leaves counts',
    parts: [
      {
        file: charges,
        name: 'chargesOf',
        body: 'effects = effects && { ...effects, outflows: effects.outflows.slice(0, 1) };',
      },
    ],
    succeeds: ['L17'],
  },
  {
    off: 'no price denies',
    parts: [
      {
        file: 'pure/policy/src/pricing.ts',
        name: 'priceOf',
        body: "return { known: true, scaled: 1n, why: '' };",
      },
    ],
    succeeds: ['L21'],
  },
  {
    off: 'a counter is that of its assets',
    parts: [{ file: 'pure/policy/src/limits.ts', name: 'digestOf', body: "return '';" }],
    succeeds: ['L26'],
  },
  {
    off: 'consent serves one request',
    parts: [{ file: 'enclave/policy/src/approvals.ts', name: 'consumeApprovals', body: 'return;' }],
    succeeds: ['E17', 'E20'],
  },
  {
    off: 'what waits for approval is bounded for each key',
    parts: [{ file: 'enclave/policy/src/approvals.ts', name: 'dropExpired', body: 'return [];' }],
    succeeds: ['L29'],
  },
  {
    off: 'what excludes each other is proven by the bytes',
    parts: [{ file: 'pure/policy/src/exclusive.ts', name: 'placesOf', body: "return ['one'];" }],
    succeeds: ['L11', 'L12', 'L13'],
  },
  {
    off: 'a signature answers for the coins of its own address beside inputs of others',
    parts: [
      { file: 'pure/chains/src/bitcoin/account-inputs.ts', name: 'areAllOfAccount', body: 'return true;' },
    ],
    succeeds: ['L13'],
  },
  {
    off: 'only Multicall3 is believed to pass value on',
    parts: [
      { file: 'pure/chains/src/ethereum/chain-parameters.ts', name: 'isMulticall3', body: 'return true;' },
    ],
    succeeds: ['E8'],
  },
  {
    off: 'the id of a token may be zero',
    parts: [{ file: 'pure/chains/src/ethereum/asset.ts', name: 'atLeastOne', body: 'return amount;' }],
    succeeds: ['E9'],
  },
  {
    off: 'a group counts once',
    parts: [{ file: 'enclave/policy/src/places.ts', name: 'takenByGroup', body: 'return 0n;' }],
    succeeds: ['L12', 'L13'],
  },
  {
    off: 'two operators agree on an outcome',
    parts: [
      {
        file: 'enclave/policy/src/methods/stateOutcomes.ts',
        name: 'agreed',
        body: 'return statements.at(-1).outcome;',
      },
    ],
    succeeds: ['L10'],
  },
  {
    off: 'two operators agree on a fact',
    parts: [
      {
        file: 'enclave/policy/src/facts.ts',
        name: 'standing',
        body: 'return cell?.statements.at(-1)?.value;',
      },
    ],
    succeeds: ['E6'],
  },
  {
    off: 'change is derived again',
    parts: [
      {
        file: 'pure/chains/src/bitcoin/own-output.ts',
        name: 'ownerOfOutput',
        body: "return { owner: 'own', at: '1/0' };",
      },
    ],
    succeeds: ['E5'],
  },
  {
    off: 'an outcome is possible for its transaction',
    parts: [{ file: 'enclave/policy/src/methods/stateOutcomes.ts', name: 'assertPossible', body: 'return;' }],
    succeeds: ['L10', 'L11'],
  },
  {
    off: 'what the signer refuses for ever is not reserved',
    parts: [{ file: 'enclave/policy/src/key-use.ts', name: 'assertWithinConstraints', body: 'return;' }],
    succeeds: ['L9'],
  },
  {
    off: 'of what failed the fee stays spent',
    parts: [
      {
        file: 'enclave/policy/src/release.ts',
        name: 'release',
        body: 'reservations = reservations.map((each) => ({ ...each, keeps: 0n }));',
      },
    ],
    succeeds: ['L14'],
  },
  {
    off: 'sums do not wrap',
    parts: [
      {
        file: ledger,
        name: 'ledgerTotal',
        body: 'return BigInt.asUintN(256, open.find((rows) => rows.length > 0)?.at(-1)[1] ?? 0n);',
      },
    ],
    succeeds: ['L4'],
  },
  {
    off: 'rows stand in order of time',
    parts: [{ file: ledger, name: 'ledgerTime', body: 'return -1;' }],
    succeeds: ['L20'],
  },
  {
    off: 'a clock gains little on the time that passes',
    parts: [{ file: 'enclave/certifier/src/program.ts', name: '#watchClock', body: 'return;' }],
    succeeds: ['L20'],
  },
  {
    off: 'what was lost counts as full',
    parts: [{ file: 'enclave/policy/src/usage.ts', name: 'isLost', body: 'return false;' }],
    succeeds: ['L25'],
  },
  {
    off: 'windows have exact beginnings',
    parts: [
      { file: 'pure/policy/src/window.ts', name: 'windowStart', body: 'return now - 86_400_000;' },
      { file: 'pure/policy/src/calendar.ts', name: 'calendarStart', body: 'return now - 86_400_000;' },
    ],
    succeeds: ['L5', 'L6', 'L7'],
  },
  {
    off: 'raw payloads are a permission',
    parts: [
      {
        file: 'pure/policy/src/presets.ts',
        name: 'unknownMeaning',
        body: "permissions = ['signRawPayload'];",
      },
    ],
    succeeds: ['E2'],
  },
  {
    off: 'a user of another organization is a stranger to policies',
    parts: [
      {
        file: 'pure/policy/src/request.ts',
        name: 'seenBy',
        body: 'request = { ...request, strangerTo: undefined };',
      },
    ],
    succeeds: ['B5'],
  },
  {
    off: 'those of a guest speak for nobody of the owner',
    parts: [
      { file: 'enclave/policy/src/policy-decision.ts', name: 'withConsentOfOwner', body: 'return allowed;' },
    ],
    succeeds: ['B5'],
  },
  {
    off: 'values round up',
    parts: [
      { file: 'pure/policy/src/pricing.ts', name: 'microDollars', body: 'return (amount * scaled) / scale;' },
    ],
    succeeds: ['L22'],
  },
];

/** Attacks on requests and stamps that no single function holds off, and where their control stands instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  A7: 'headers are read by the gateway’s own process; the test sends the same request with one stamp',
  A8: 'lengths and chunks are read by the HTTP server of Node',
  A10: 'bodies are read by the gateway’s own process; the test sends the same body uncompressed',
  L28: 'a bound on cost, not an attack that something stands against',
  B6: 'the key stands in the leaf and in the identity; the test shows a root who registers the crafted key',
};

/** Where the tests of an id stand, outside of this suite, and the pattern of their names. */
function testsOf(id: string): readonly { file: string; pattern: string }[] {
  const files = attackTests().flatMap((test) =>
    test.id === id && !test.file.startsWith('tests/long/') ? [test.file] : [],
  );
  assert.ok(files.length > 0, `no test of ${id}`);
  return [...new Set(files)].map((file) => ({ file, pattern: `^[^:]*\\b${id.replace('P', 'row ')}\\b` }));
}

describe('with one defence off', { concurrency: 2 }, () => {
  for (const { off, parts, succeeds } of CONTROLS)
    it(`(${off}) succeeds: ${succeeds.join(', ')}`, async () => {
      for (const file of new Set(parts.map((part) => part.file)))
        weakenedSource(
          file,
          parts.filter((part) => part.file === file),
        );
      for (const id of succeeds) {
        const outputs: string[] = [];
        let succeeded = false;
        for (const test of testsOf(id)) {
          const { failed, output } = await runWeakened(parts, test);
          outputs.push(output);
          succeeded ||= failed;
        }
        assert.ok(succeeded, `${id} is refused without this defence too\n${outputs.join('\n').slice(-3000)}`);
      }
    });
});

it('every attack on requests, stamps and limits has a control here, or a reason why it stands elsewhere', () => {
  const here = new Set(CONTROLS.flatMap(({ succeeds }) => succeeds));
  const ids = new Set(attackTests().map(({ id }) => id));
  const missing = [...ids].filter((id) => /^[ABL]/.test(id) && !here.has(id) && ELSEWHERE[id] === undefined);
  assert.deepEqual(missing, []);
});

it('a function that is not there cannot be turned off', () => {
  assert.throws(() => weakenedSource(stamp, [{ file: stamp, name: 'assertStale', body: 'return;' }]));
});
