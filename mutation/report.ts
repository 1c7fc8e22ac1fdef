/** report.md: what of the mutants was found, file by file, and what was not. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Survivor {
  readonly line: number;
  readonly column: number;
  readonly status: string;
  readonly mutator: string;
  readonly original: string;
  readonly replacement: string;
}

export interface FileResult {
  /** Of the source that was mutated. */
  readonly sha256: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly survivors: readonly Survivor[];
}

/** Which mutant it is: of those that begin at one place, the one that replaces just this. */
export function mutantKey(
  file: string,
  { line, column, original, replacement }: Pick<Survivor, 'line' | 'column' | 'original' | 'replacement'>,
): string {
  const lines = original.split('\n');
  const endColumn = lines.length === 1 ? column + original.length : lines.at(-1)!.length + 1;
  return `${file}:${line}:${column}-${line + lines.length - 1}:${endColumn} ${replacement}`;
}

export type Results = Record<string, FileResult>;

/** Why a mutant that lives behaves as the original does. */
interface Equivalent {
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
  readonly why: string;
}

const sum = (results: readonly FileResult[], ...names: readonly string[]): number =>
  results.reduce((total, { counts }) => names.reduce((each, name) => each + (counts[name] ?? 0), total), 0);

const percent = (results: readonly FileResult[]): string => {
  const found = sum(results, 'Killed', 'Timeout');
  const all = found + sum(results, 'Survived', 'NoCoverage', 'RuntimeError');
  return all === 0 ? '-' : `${((100 * found) / all).toFixed(1)} %`;
};

const cell = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('`', '´');
  return `\`${line.length > 100 ? `${line.slice(0, 97)}…` : line || ' '}\``;
};

export function reportText(results: Results, sources: readonly string[], root: string): string {
  const equivalents = JSON.parse(
    readFileSync(join(import.meta.dirname, 'equivalents.json'), 'utf8'),
  ) as readonly Equivalent[];
  const whyOf = (file: string, { original, replacement }: Survivor): string | undefined =>
    equivalents.find(
      (each) => each.file === file && each.original === original && each.replacement === replacement,
    )?.why;
  const isStale = (file: string): boolean =>
    results[file] !== undefined &&
    results[file].sha256 !==
      createHash('sha256')
        .update(readFileSync(join(root, file)))
        .digest('hex');
  const rows = sources.map((file) => {
    const result = results[file];
    if (result === undefined) return `| \`${file}\` | not run | | | | |`;
    const stale = isStale(file) ? ' (changed since)' : '';
    const one = [result];
    return `| \`${file}\`${stale} | ${percent(one)} | ${sum(one, 'Killed')} | ${sum(one, 'Timeout')} | ${sum(one, 'Survived', 'RuntimeError')} | ${sum(one, 'NoCoverage')} |`;
  });
  const all = Object.values(results);
  const lines = [
    '# Mutants of pure/policy',
    '',
    'Written by `npm run mutation`; see README.md.',
    '',
    '| file | found | killed | endless | survived | not covered |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    `| all that were run | ${percent(all)} | ${sum(all, 'Killed')} | ${sum(all, 'Timeout')} | ${sum(all, 'Survived', 'RuntimeError')} | ${sum(all, 'NoCoverage')} |`,
    '',
    `Of ${sources.length} files ${all.length} were run, ${sources.filter(isStale).length} of them as they were before a later change.`,
    '',
    '## Survivors',
  ];
  for (const [file, { survivors }] of Object.entries(results)) {
    if (survivors.length === 0) continue;
    lines.push('', `### ${file}`, '', '| at | is | becomes | why it lives |', '| --- | --- | --- | --- |');
    for (const survivor of survivors) {
      const { line, column, status, original, replacement } = survivor;
      const why = whyOf(file, survivor) ?? (status === 'NoCoverage' ? 'no test comes by' : '');
      lines.push(`| ${line}:${column} | ${cell(original)} | ${cell(replacement)} | ${why} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}
