/**
 * Shell sessions as a user could read them. A line that begins with `$ ` is a command; the lines below it are what it
 * prints: on standard output, or with `! ` in front on standard error; `[2]` is its exit code where it is not 0.
 *
 * In what is expected, `<uuid>`, `<key>`, `<number>`, `<hash>` and `…` (anything) stand for what changes.
 * `<NAME:uuid>` also sets the variable NAME for the commands that follow.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import assert from 'node:assert/strict';

const BIN = join(import.meta.dirname, '../../node_modules/.bin');

const PATTERNS: Readonly<Record<string, string>> = {
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}',
  key: '[A-Za-z0-9_-]{43,87}',
  number: '[0-9]+',
  hash: '[0-9a-f]{64}',
  solana: '[1-9A-HJ-NP-Za-km-z]{32,44}',
  ethereum: '0x[0-9a-fA-F]{40}',
  text: '.+',
};

interface Step {
  readonly command: string;
  readonly out: string[];
  readonly error: string[];
  code: number;
}

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export class ShellSession {
  /** The folder in which the commands run. */
  readonly folder = mkdtempSync(join(tmpdir(), 'keystead-shell-'));
  readonly variables: Record<string, string> = {};

  /** Runs one command in the folder, with nothing of this process's environment but PATH and TMPDIR. */
  run(command: string): Promise<Printed> {
    const { PATH = '', TMPDIR } = process.env;
    const child = spawn('/bin/sh', ['-c', command], {
      cwd: this.folder,
      env: {
        ...(TMPDIR === undefined ? {} : { TMPDIR }),
        HOME: this.folder,
        PATH: `${BIN}${delimiter}${PATH}`,
        ...this.variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ stdout, stderr, code: code ?? 1 }));
    });
  }

  /** Runs a session and compares everything it prints. */
  async play(session: string): Promise<void> {
    for (const step of stepsOf(session)) {
      const printed = await this.run(step.command);
      const shown = `$ ${step.command}\n${printed.stdout}${printed.stderr}[${printed.code}]`;
      this.#compare(step.out, printed.stdout, shown);
      this.#compare(step.error, printed.stderr, shown);
      assert.equal(printed.code, step.code, shown);
    }
  }

  #compare(expected: readonly string[], printed: string, shown: string): void {
    const pattern = new RegExp(`^${expected.map(patternOf).join('\n')}\n?$`);
    // Indentation is for the eye.
    const match = pattern.exec(printed.replace(/^ +/gm, ''));
    assert.ok(match !== null, `expected:\n${expected.join('\n')}\n\nbut:\n${shown}`);
    Object.assign(this.variables, match.groups);
  }

  end(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function stepsOf(session: string): Step[] {
  const steps: Step[] = [];
  for (const line of session.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const step = steps.at(-1);
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), out: [], error: [], code: 0 });
    else if (step === undefined) throw new Error(`no command before: ${line}`);
    else if (/^\[[0-9]+\]$/.test(line)) step.code = Number(line.slice(1, -1));
    else if (line.startsWith('! ')) step.error.push(line.slice(2));
    else step.out.push(line);
  }
  return steps;
}

function patternOf(line: string): string {
  return line
    .split(/(<(?:[A-Z_]+:)?[a-z]+>|…)/)
    .map((part) => {
      if (part === '…') return '[^\n]*';
      const named = /^<(?:([A-Z_]+):)?([a-z]+)>$/.exec(part);
      const pattern = named === null ? undefined : PATTERNS[named[2]!];
      if (pattern === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ +/g, ' +');
      return named![1] === undefined ? pattern : `(?<${named![1]}>${pattern})`;
    })
    .join('');
}
