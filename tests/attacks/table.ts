/**
 * The table of attacks in docs/threat-model.md: every test whose title begins with the id of a row, and the rows that
 * have none, with the reason. `node tests/attacks/table.ts --write` writes it.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
export const PAGE = join(ROOT, 'docs/threat-model.md');
const BEGIN = '<!-- attacks: node tests/attacks/table.ts --write -->';
const END = '<!-- /attacks -->';

const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);

/** Requests, stamps, transactions, enclaves' trust in one another, infrastructure. */
export const ROWS: readonly string[] = [
  ...numbered('A', 15),
  ...numbered('B', 9),
  ...numbered('E', 21),
  ...numbered('G', 9),
  ...numbered('H', 20),
];

/** Attacks on enclaves on the rung `process`. A title names them `row 6` or `P6`. */
export const ENCLAVE_ROWS: Readonly<Record<string, string>> = {
  P1: 'a taken-over gateway signs without a valid stamp',
  P2: 'an edited body; a stamp of another organization, origin or endpoint',
  P3: 'a stamped request is replayed: at once, after a restart, at a second replica',
  P4: 'the database’s administrator edits policy, limit, role, authenticator or owner',
  P5: 'a row and its MAC are moved',
  P6: 'the database is rolled back: one row, or all of it',
  P7: 'database and heads log are rolled back together',
  P8: 'one head is offered to two policy engines',
  P9: 'a forged decision; a message under the keys of another role',
  P10: 'a decision is used again: other bytes, another wallet, a second time, after a restart',
  P11: 'an export or a raw signature where a request to sign was decided',
  P12: 'the host lies about time',
  P13: 'frames are dropped, repeated, reordered, delayed, truncated, forged',
  P14: 'a crash at every step between row and signature',
  P15: 'an enclave tries network, files, processes, memory, debugger, database',
  P16: 'another user reads memory or /proc, or sends SIGUSR1',
  P17: 'a process of the same user reads memory',
  P18: 'root of the host reads memory',
  P19: 'a modified bundle, flag or filter',
  P20: 'false evidence of attestation',
  P21: 'an old manifest is offered again',
  P22: 'k - 1 operators collude; a share is exchanged or of another epoch',
  P23: 'one role has fallen, with all its keys',
  P24: 'a core dump or crash report holds a key',
  P25: 'the founding of a known organization is replayed',
};

/** What becomes of an attack where it is not simply refused. */
const RESULTS: Readonly<Record<string, string>> = {
  P6: 'rolled forward, or detected and locked',
  P7: 'refused by the first client with a newer memory',
  P12: 'marks only go forward; a far jump asks the operator',
  P13: 'fails safe',
  P14: 'counts once',
  P19: 'detected: another measurement',
  P23: 'as SECURITY.md says, cell by cell',
  A14: 'refused from the decision on',
  B2: 'counts once',
  B5: 'acts in its own organization only',
  B6: 'refused for a stranger; residue above',
  E6: 'unresolved: only a rule that names it lets it pass',
  E7: 'changes nothing that is decided',
  E8: 'read and summed; refused beyond 4 levels or 64 calls',
  E9: 'counts like a payment',
  E10: 'a takeover: only a rule that names it lets it pass',
  E11: 'unbounded: only a rule that names it lets it pass',
  E12: 'counts',
  E17: 'counts once',
  E18: 'changes nothing that is decided',
  E19: 'unresolved: only a rule that names it lets it pass; listed, and revoked, until it is final',
  E20: 'counts once',
  E21: 'an error, and no signature',
  H3: 'nothing found',
  H14: '503, nothing signed without an entry',
  H5: 'detected before the next signature',
  H6: 'locked; together with the heads refused by a client with a newer memory',
};

/** Why a row has no test under its id. It stands in the table only as long as that is so. */
export const REASONS: Readonly<Record<string, string>> = {
  B7: 'a key held by a web page is bounded by its expiry and its user; there is no page of ours to attack yet',
  H2: 'no webhooks',
  H9: 'no password or PIN reaches a server; Argon2id runs in the launcher only, at unlock',
  H12: 'bodies end at 256 KiB (H8); no method takes more than bounded work per byte',
  H13: 'fairness between tenants is not measured by a test of this table',
  H18: 'no daemon yet',
  H19: 'no wallet file yet',
  P18: 'not claimed on this rung: root of the host is everything',
  P20: 'there is no evidence of hardware on this rung, and nothing calls it attested',
  P21: 'no manifest yet',
  H20: 'two keepers of one heads log: `host/heads/src/main.test.ts`, without the id; no daemon yet',
};

const CHAINS: Readonly<Record<string, string>> = {
  Solana: 'solana',
  EVM: 'ethereum',
  Bitcoin: 'bitcoin',
  Sui: 'sui',
};

export const CHAIN_NAMES: readonly string[] = Object.keys(CHAINS);

/** Rows about what is in a transaction: each chain has a test of its own, or a reason why there is none. */
export const ROWS_BY_CHAIN: readonly string[] = [...numbered('E', 12).filter((id) => id !== 'E3'), 'E19'];

const NO_CALLS = 'a transaction moves outputs and calls nothing';
const IN_THE_BYTES = 'every recipient stands in the bytes';
const ONE_HASH = 'one hash covers everything; there are no hash types and no change';

/** Why a row has no test for a chain. It stands in the table only as long as that is so. */
export const REASONS_BY_CHAIN: Readonly<Record<string, string>> = {
  'E4 Solana': 'the bytes name no cluster: a recent blockhash is of one only',
  'E4 Sui': 'the bytes name no network: versions and digests of objects are of one only',
  'E5 Solana': ONE_HASH,
  'E5 EVM': ONE_HASH,
  'E5 Sui': ONE_HASH,
  'E6 EVM': IN_THE_BYTES,
  'E6 Bitcoin': IN_THE_BYTES,
  'E6 Sui': IN_THE_BYTES,
  'E8 Bitcoin': NO_CALLS,
  'E9 Bitcoin': 'nothing lets somebody take later what is not signed away now',
  'E9 Sui': 'coins have no allowances; what code is given counts as left (E8)',
  'E10 Bitcoin': 'the account is its key',
  'E10 Sui':
    'an account has no operation that changes who controls it; objects that control others leave as objects (E11)',
  'E11 EVM': 'no call that is decoded takes whatever there is; one that is not known needs a rule (E8)',
  'E11 Bitcoin': 'every amount stands in the bytes or is proven',
  'E19 Sui': 'a version of an object is used once: another transaction of it ends what was signed',
};

export interface AttackTest {
  readonly id: string;
  readonly title: string;
  readonly file: string;
}

/** Every test, or group of tests, whose title begins with ids: `row 5, G8: attaches …`. */
export function attackTests(): AttackTest[] {
  const title = /\b(?:test|it|describe)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g;
  const named = /^((?:(?:[A-Z]\d{1,2}|row \d{1,2})(?:, |(?=:? )))+):? (.+)$/;
  return globSync('{tests,pure/chains,pure/policy,enclave,host,stack,client}/**/*.test.ts', {
    cwd: ROOT,
    exclude: (path) => path.includes('node_modules'),
  })
    .sort()
    .flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(title)].flatMap(([, single, double, template]) => {
        const [, ids = '', sentence] = named.exec(single ?? double ?? template ?? '') ?? [];
        return sentence === undefined
          ? []
          : ids.split(', ').map((id) => ({ id: id.replace('row ', 'P'), title: sentence, file }));
      }),
    );
}

/** Files with a test of a row for a chain, which a folder, a file or a title names. */
export function filesOfChain(tests: readonly AttackTest[], row: string, chain: string): string[] {
  const folder = CHAINS[chain]!;
  const isOf = ({ title, file }: AttackTest): boolean =>
    file.includes(`/${folder}/`) ||
    file.endsWith(`/${folder}.test.ts`) ||
    new RegExp(`\\b${chain}\\b`).test(title);
  return [...new Set(tests.filter((each) => each.id === row && isOf(each)).map(({ file }) => file))];
}

function chainsTable(tests: readonly AttackTest[]): string[] {
  const cellOf = (row: string, chain: string): string => {
    const files = filesOfChain(tests, row, chain);
    return files.length > 0
      ? files.map((file) => `\`${file}\``).join(', ')
      : `none: ${REASONS_BY_CHAIN[`${row} ${chain}`] ?? 'no reason given'}`;
  };
  return [
    `| row | ${Object.keys(CHAINS).join(' | ')} |`,
    `| --- |${' --- |'.repeat(Object.keys(CHAINS).length)}`,
    ...ROWS_BY_CHAIN.map(
      (row) =>
        `| ${row} | ${Object.keys(CHAINS)
          .map((chain) => cellOf(row, chain))
          .join(' | ')} |`,
    ),
  ];
}

const order = (id: string) => id.charCodeAt(0) * 100 + Number(id.slice(1));
const cell = (text: string) =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('__', '\\_\\_')
    .replaceAll(/\$\{[^}]*\}/g, '…');
const resultOf = (id: string) => RESULTS[id] ?? 'refused';

export function tableText(tests: readonly AttackTest[]): string {
  const covered = new Set(tests.map(({ id }) => id));
  const sorted = tests
    .filter(({ id }) => !(id in ENCLAVE_ROWS))
    .sort((one, other) => order(one.id) - order(other.id));
  const filesOf = (row: string) =>
    [...new Set(tests.filter(({ id }) => id === row).map(({ file }) => `\`${file}\``))].join(', ');
  const missing = [...ROWS, ...Object.keys(ENCLAVE_ROWS)].filter((id) => !covered.has(id));
  return [
    BEGIN,
    '| id | attack | result | test |',
    '| --- | --- | --- | --- |',
    ...sorted.map(({ id, title, file }) => `| ${id} | ${cell(title)} | ${resultOf(id)} | \`${file}\` |`),
    '',
    'What is in a transaction, by chain. Rows E3, E13 to E18, E20 and E21 are decided before or after a chain is looked at, by the same code for all. Parts of rows about chains that are not served (BCH, XRP, Stellar, Tron, Algorand, TON, Cosmos) are not covered:',
    '',
    ...chainsTable(tests),
    '',
    'Attacks on the enclaves, on the rung `process`:',
    '',
    '| row | attack | result | tests |',
    '| --- | --- | --- | --- |',
    ...Object.entries(ENCLAVE_ROWS)
      .filter(([row]) => covered.has(row))
      .map(([row, attack]) => `| ${row.slice(1)} | ${cell(attack)} | ${resultOf(row)} | ${filesOf(row)} |`),
    '',
    'Rows without a test of their own:',
    '',
    '| id | reason |',
    '| --- | --- |',
    ...missing.map((id) => `| ${id.replace('P', 'row ')} | ${REASONS[id] ?? 'none given'} |`),
    END,
  ].join('\n');
}

/** The page with another table. Throws when it has no place for one. */
export function withTable(page: string, table: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error('docs/threat-model.md has no place for the table of attacks');
  return page.slice(0, from) + table + page.slice(to + END.length);
}

if (process.argv[1] === import.meta.filename) {
  const table = tableText(attackTests());
  if (process.argv.includes('--write')) writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8'), table));
  else process.stdout.write(`${table}\n`);
}
