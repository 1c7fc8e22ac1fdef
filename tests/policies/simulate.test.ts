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
