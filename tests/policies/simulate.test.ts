import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runCommandLine } from '@keystead/cli/command-line';
import { readSurroundings } from '@keystead/cli/surroundings';
import { verifyReceipt } from '@keystead/policy/decision-receipt';
import { FEE, Scene } from './scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystead-simulate-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const sent = [1000, 2000, 3000, 4000, 5000, 6000];

let home = '';
let organization = '';
withStack({}, async (stack) => {
  const scene = await Scene.of(stack);
  const open = { version: 1, rules: [{ id: 'all', effect: 'allow', when: { constant: true } }] };
  const agent = await scene.user('agent', open);
  for (const lamports of sent) assert.equal((await scene.sends(agent, lamports)).status, 200);
  // What is denied by a rule, by a limit, by a missing approval and by a ceiling.
  const bound = { every: 'effects.outflows', where: { field: 'item.amount', operator: '<=', value: '1000' } };
  const larger = { every: 'effects.outflows', where: { field: 'item.amount', operator: '>', value: '8000' } };
  const bounded = await scene.user('bounded', {
    version: 1,
    rules: [
      { id: 'small', effect: 'allow', when: bound },
      { id: 'agreed', effect: 'allow', when: larger, approvals: 1 },
    ],
    limits: [
      {
        id: 'once',
        meter: 'count',
        per: ['user'],
        on: ['sign-transaction'],
        window: { kind: 'lifetime' },
        max: '1',
      },
    ],
  });
  for (const [lamports, status] of [
    [2000, 403],
    [3000, 403],
    [500, 200],
    [600, 429],
    [9000, 429],
  ] as const)
    assert.equal((await scene.sends(bounded, lamports)).status, status, String(lamports));
  home = stack.home;
  organization = scene.organizationId;
  // Of what others ask for later, a policy that is tried has a word; what was before is not its own.
  const small = { every: 'effects.outflows', where: { field: 'item.amount', operator: '<=', value: '4000' } };
  const tried = {
    version: 1,
    rules: [{ id: 'small', effect: 'allow', on: ['sign-transaction'], when: small }],
  };
  const params = { organizationId: organization, policyName: 'tried', policy: tried, mode: 'shadow' };
  await scene.root.native('updatePolicy', params);
  const other = await scene.user('other', open);
  for (const lamports of [4000, 5000]) assert.equal((await scene.sends(other, lamports)).status, 200);
});

const simulated = (text: string, ...words: string[]) => {
  const file = join(folder, 'draft.txt');
  writeFileSync(file, text);
  return told('simulate', file, ...words);
};

async function told(verb: string, ...words: string[]): Promise<{ code: number; out: string; said: string }> {
  let out = '';
  let said = '';
  const surroundings = { ...readSurroundings(), say: (line: string) => void (said += `${line}\n`) };
  const store = ['--store', join(home, 'store.sqlite'), '--organization', organization];
  const given = ['policy', verb, ...words, ...store];
  const code = await runCommandLine(given, surroundings, (each) => (out += each));
  return { code, out, said };
}

test('policy simulate says what of the recorded ledger a draft would have refused, by its rules and its limits', async () => {
  const draft = `policy 1;
allow "small" on sign-transaction when effects.outflows.all(o, o.amount <= 4000);
limit "day" amount per wallet, asset over rolling(duration("24h")) max ${1000 + 2000 + 3000 + 3 * FEE};`;
  const given = await simulated(draft, '--user', 'agent');
  assert.equal(given.code, 0, given.said);
  const [first, ...lines] = given.out.trimEnd().split('\n');
  assert.equal(first, 'would have refused 3 of 6');
  assert.match(
    lines[0]!,
    / agent {2}signTransaction {2}draft\/day: deny: 21000 used and 9000 asked for are more than 21000/,
  );
  assert.match(lines[1]!, /effects\.outflows\[0\]\.amount is 5000; wanted item\.amount <= 4000/);
  const { decided, refused, unseen } = JSON.parse(
    (await simulated(draft, '--user', 'agent', '--json')).out,
  ) as {
    decided: number;
    refused: { receipt: unknown }[];
    unseen: string[];
  };
  assert.deepEqual([decided, refused.length, unseen], [6, 3, []]);
  for (const { receipt } of refused) assert.equal(verifyReceipt(JSON.stringify(receipt)), true);
});

test('policy simulate says what a draft would have let pass of what policies denied, each for itself', async () => {
  const draft = (most: number) => `policy 1;
allow "all" on sign-transaction when effects.outflows.all(o, o.amount <= ${most});
limit "day" amount per wallet, asset over rolling(duration("24h")) max ${500 + 3000 + 2 * FEE};`;
  const wider = await simulated(draft(3000), '--user', 'bounded');
  assert.equal(wider.code, 0, wider.said);
  const [refused, passed, ...lines] = wider.out.trimEnd().split('\n');
  assert.equal(refused, 'would have refused 0 of 1');
  assert.equal(passed, 'would have let pass 3 of 4 that were denied');
  assert.equal(lines.length, 3);
  for (const line of lines) assert.match(line, / bounded {2}signTransaction {2}draft\/all: pass/);

  const some = await simulated(draft(2500), '--user', 'bounded', '--json');
  const {
    decided,
    denied,
    passed: receipts,
  } = JSON.parse(some.out) as {
    decided: number;
    denied: number;
    passed: { position: number; receipt: object }[];
  };
  assert.deepEqual([decided, denied, receipts.length], [1, 4, 2]);
  for (const { receipt } of receipts) assert.ok(verifyReceipt(JSON.stringify(receipt)));
  const none = await simulated('policy 1;', '--user', 'bounded');
  assert.match(none.out, /^would have refused 1 of 1\n.*\nwould have let pass 0 of 4 that were denied\n/);
});

test('policy simulate refuses nothing under the policy that stood, and says which fields no ledger keeps', async () => {
  const open = await simulated('policy 1; allow "all" when true;', '--user', 'agent');
  assert.equal(open.out.trimEnd(), 'would have refused 0 of 6');
  const origin = await simulated(
    'policy 1; allow "web" when action.origin == "https://a.example";',
    '--user',
    'agent',
  );
  assert.match(origin.out, /^would have refused 6 of 6\n/);
  assert.match(origin.out, /the ledger does not keep action\.origin: rules that name it saw none/);
});

test('policy shadow says what a policy that is tried would have refused, of what passed while it was tried', async () => {
  const { out } = await told('shadow', 'tried');
  const [first, ...lines] = out.trimEnd().split('\n');
  assert.equal(first, 'tried would have decided otherwise on 1 of 2');
  assert.match(
    lines[0]!,
    / {2}signTransaction {2}shadow tried\/small: deny: effects\.outflows\[0\]\.amount is 5000/,
  );
  assert.equal(
    (await told('shadow', 'another')).out.trimEnd(),
    'another would have decided otherwise on 0 of 0',
  );
});
