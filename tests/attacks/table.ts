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

/** Requests, stamps, enclaves' trust in one another, infrastructure, enclaves. */
export const ROWS: readonly string[] = [
  ...numbered('A', 15),
  ...numbered('B', 9),
  ...numbered('G', 9),
  ...numbered('H', 20),
  // What isolates an enclave and what unlocks it.
  'P19',
  'P22',
];

/** Why a row has no test under its id. It stands in the table only as long as that is so. */
export const REASONS: Readonly<Record<string, string>> = {
  B7: 'a key held by a web page is bounded by its expiry and its user; there is no page of ours to attack yet',
  G2: 'the rung `inproc` has no production profile; `enclave/launcher` refuses a start below the isolation asked for',
  G5: 'a fallen gateway: `tests/attacks/fallen-roles.test.ts`, without the id',
  G6: 'a fallen policy engine and the ceiling: `tests/attacks/fallen-roles.test.ts`, without the id',
  G8: 'exchanged rows: H5, and `tests/attacks/fallen-roles.test.ts`, without the id',
  G9: 'one source gives the same bytes in two folders: `tests/measured-inputs.test.ts`, without the id',
  H1: 'RPC endpoints: `host/gateway/src/broadcast/endpoints.test.ts`, without the id; no other URL comes from a caller',
  H2: 'no webhooks',
  H9: 'no password or PIN reaches a server; Argon2id runs in the launcher only, at unlock',
  H12: 'bodies end at 256 KiB (H8); no method takes more than bounded work per byte',
  H13: 'fairness between tenants is not measured by a test of this table',
  H14: 'a full disk: not a test of this table; an entry is durable before the signer gets its ticket',
  H15: 'the lock file: `tests/dependencies.test.ts`, without the id',
  H16: 'frozen intrinsics: `enclave/runtime/src/reduce-globals.ts` and the flags of the launcher, without the id',
  H17: 'arguments and environment are searched by H3; modes of files are not a test of this table',
  H18: 'no daemon yet',
  H19: 'no wallet file yet',
  H20: 'two keepers of one heads log: `host/heads/src/main.test.ts`, without the id; no daemon yet',
};

export interface AttackTest {
  readonly id: string;
  readonly title: string;
  readonly file: string;
}

/** Every test of tests/attacks and tests/unlock whose title begins with an id. */
export function attackTests(): AttackTest[] {
  const title = /\b(?:test|it)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g;
  return globSync('tests/{attacks,unlock}/*.test.ts', { cwd: ROOT })
    .sort()
    .flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(title)].flatMap(([, single, double]) => {
        const [, id, sentence] = /^([A-Z]\d{1,2}):? (.+)$/.exec(single ?? double ?? '') ?? [];
        return id === undefined || sentence === undefined ? [] : [{ id, title: sentence, file }];
      }),
    );
}

const order = (id: string) => id.charCodeAt(0) * 100 + Number(id.slice(1));
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('__', '\\_\\_');

export function tableText(tests: readonly AttackTest[]): string {
  const covered = new Set(tests.map(({ id }) => id));
  const sorted = [...tests].sort((one, other) => order(one.id) - order(other.id));
  const missing = ROWS.filter((id) => !covered.has(id));
  return [
    BEGIN,
    '| id | attack | test |',
    '| --- | --- | --- |',
    ...sorted.map(({ id, title, file }) => `| ${id} | ${cell(title)} | \`${file}\` |`),
    '',
    'Rows without a test of their own:',
    '',
    '| id | reason |',
    '| --- | --- |',
    ...missing.map((id) => `| ${id} | ${REASONS[id] ?? 'none given'} |`),
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
