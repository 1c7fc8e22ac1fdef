import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runCommandLine } from '@keystead/cli/command-line';
import { readSurroundings } from '@keystead/cli/surroundings';

const folder = mkdtempSync(join(tmpdir(), 'keystead-policy-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const POLICY = `policy 1;

list friends = ["alice"];

allow "pay" on sign-transaction when
  effects.outflows.all(item, item.to in friends && item.amount <= 3200000000);
`;

const request = (to: string, amount: string) => ({
  subject: { organizationId: 'o', username: 'u', root: false, authenticatorId: 'a', traits: {} },
  action: 'signTransaction',
  surface: 'native',
  resource: {
    ownUser: false,
    rawPayload: false,
    origin: null,
    network: null,
    walletId: 'w',
    walletTags: [],
    owner: 'o',
    derivationPaths: ["m/44'/501'/0'/0'"],
    address: 'me',
    addressFormat: 'Solana',
    ownAddresses: ['me'],
  },
  effects: {
    chain: 'solana',
    network: null,
    version: 'legacy',
    signers: ['me'],
    feePayer: 'me',
    maxFee: { asset: 'solana/slip44:501', amount: '5000' },
    outflows: [{ asset: 'solana/slip44:501', amount, from: 'me', to, kind: 'transfer' }],
    grants: [],
    takeovers: [],
    unresolved: [],
    calls: [],
    validity: { uniqueness: 'blockhash', key: 'x', notBefore: null, notAfter: null },
  },
});

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function keystead(...words: string[]): Promise<{ code: number; out: string; said: string }> {
  let out = '';
  let said = '';
  const surroundings = { ...readSurroundings(), say: (line: string) => void (said += `${line}\n`) };
  const code = await runCommandLine(['policy', ...words], surroundings, (text) => (out += text));
  return { code, out, said };
}

const policy = file('policy.txt', POLICY);

test('policy check reads both forms, prints the canonical text, and says where a file is wrong', async () => {
  const good = await keystead('check', policy, '--format');
  assert.deepEqual([good.code, good.out.trim()], [0, POLICY.trim()]);
  const { document } = JSON.parse((await keystead('check', policy, '--json')).out) as { document: unknown };
  assert.equal((await keystead('check', file('policy.json', document))).code, 0);
  const broken = await keystead(
    'check',
    file('broken.txt', 'policy 1;\nallow "a" when effects.color == "red";'),
  );
  assert.equal(broken.code, 1);
  assert.match(broken.said, /policy\.rules\[0\]\.when\.field effects\.color is not a field/);
});

test('policy check --never proves, or shows a request that the policy allows', async () => {
  const proven = await keystead(
    'check',
    policy,
    '--never',
    'effects.outflows.exists(o, o.amount > 3200000000)',
  );
  assert.equal(proven.code, 0, proven.said);
  assert.match(proven.out, /proven/);
  const possible = await keystead(
    'check',
    policy,
    '--json',
    '--never',
    'effects.outflows.exists(o, o.amount > 5)',
  );
  assert.equal(possible.code, 1);
  const [answer] = (JSON.parse(possible.out) as { never: { receipt: unknown; result: string }[] }).never;
  assert.equal(answer!.result, 'counterexample');
  const { decision } = answer!.receipt as { decision: { outcome: string } };
  assert.equal(decision.outcome, 'allow');
  const replayed = await keystead('explain', '--receipt', file('found.json', answer!.receipt));
  assert.deepEqual([replayed.code, replayed.out.trim()], [0, 'the same decision, byte for byte']);
});

test('policy diff proves that nothing is new, or shows what is, whatever the texts look like', async () => {
  const renamed = file('renamed.txt', POLICY.replaceAll('friends', 'known'));
  const same = await keystead('diff', policy, renamed, '--narrower');
  assert.deepEqual([same.code, same.out.trim()], [0, 'new: nothing, proven\ngone: nothing, proven']);
  const wider = file('wider.txt', POLICY.replace('["alice"]', '["alice", "eve"]'));
  const shown = await keystead('diff', policy, wider, '--narrower', '--json');
  assert.equal(shown.code, 1);
  const { gained, lost } = JSON.parse(shown.out) as {
    gained: { result: string; allowed: unknown; denied: { decision: { outcome: string } } };
    lost: { result: string };
  };
  assert.deepEqual([gained.result, gained.denied.decision.outcome, lost.result], ['example', 'deny', 'none']);
  assert.equal((await keystead('explain', '--receipt', file('allowed.json', gained.allowed))).code, 0);
  assert.equal((await keystead('explain', '--receipt', file('denied.json', gained.denied))).code, 0);
});

test('policy test decides the cases of a file, and fails when one comes out otherwise', async () => {
  const cases = [
    { name: 'a friend', request: request('alice', '5'), expect: 'allow' },
    { name: 'a stranger', request: request('eve', '5'), expect: 'deny', rule: 'policy/pay' },
  ];
  assert.equal((await keystead('test', policy, file('cases.json', { cases }))).code, 0);
  const wrong = { cases: [{ ...cases[1], expect: 'allow' }] };
  const failed = await keystead('test', policy, file('wrong.json', wrong));
  assert.equal(failed.code, 1);
  assert.match(failed.out, /FAIL {2}a stranger\n.*effects\.outflows\[0\]\.to is "eve"/);
});

test('policy explain says what would pass, and decides its own receipt again', async () => {
  const asked = file('request.json', request('alice', '5000000000'));
  const { out } = await keystead('explain', policy, '--request', asked);
  assert.match(out, /would pass with effects\.outflows\[0\]\.amount at 3200000000 \(3\.2 SOL\) or less/);
  const receipt = (await keystead('explain', policy, '--request', asked, '--json')).out;
  const same = await keystead('explain', '--receipt', file('receipt.json', receipt));
  assert.deepEqual([same.code, same.out.trim()], [0, 'the same decision, byte for byte']);
  const altered = file('altered.json', receipt.replace('"outcome":"deny"', '"outcome":"allow"'));
  assert.equal((await keystead('explain', '--receipt', altered)).code, 1);
});
