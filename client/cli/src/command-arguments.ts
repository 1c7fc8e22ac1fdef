import { parseArgs } from 'node:util';
import type { Command, Option } from './command.ts';
import { UsageError } from './command-error.ts';

/** Options that every command has. */
export const globalOptions: Readonly<Record<string, Option>> = {
  json: { type: 'boolean', help: 'one JSON object on standard output, and nothing else there' },
  help: { type: 'boolean', help: 'this text' },
  credentials: {
    type: 'string',
    value: 'file',
    help: 'credentials (default: KEYSTEAD_CREDENTIALS, else .keystead/development/credentials.json)',
  },
  api: { type: 'string', value: 'url', help: 'address of the server (default: that of the credentials)' },
};

/** Options of commands that work within one organization. */
export const organizationOptions: Readonly<Record<string, Option>> = {
  organization: { type: 'string', value: 'id', help: 'organization (default: that of the credentials)' },
};

/** Options of commands that use one wallet. */
export const walletOptions: Readonly<Record<string, Option>> = {
  ...organizationOptions,
  wallet: { type: 'string', value: 'id', help: 'wallet (default: that of the credentials)' },
};

/** Options of commands that use one account of a wallet. */
export const accountOptions: Readonly<Record<string, Option>> = {
  ...walletOptions,
  path: { type: 'string', value: 'path', help: "derivation path, such as m/44'/60'/0'/0/0" },
  account: { type: 'string', value: 'index', help: 'index of the account of the chain (default: 0)' },
  'policy-name': { type: 'string', value: 'name', help: 'name of the grant to act under' },
};

/** The parsed arguments of one command. */
export class CommandArguments {
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

  /** Throws UsageError for what the command does not know. */
  constructor(command: Command, words: readonly string[]) {
    const known = { ...globalOptions, ...command.options };
    try {
      const { values, positionals } = parseArgs({
        args: withValues(words, known),
        options: Object.fromEntries(
          Object.entries(known).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
        ),
        allowPositionals: true,
        strict: true,
      });
      this.#values = values;
      this.positionals = positionals;
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
    if (this.flag('help')) return;
    const expected = command.positionals ?? [];
    const required = expected.filter(({ optional }) => optional !== true);
    if (this.positionals.length < required.length)
      throw new UsageError(`<${required[this.positionals.length]!.name}> is missing`);
    // The surplus is not repeated: it may be a secret that was typed by mistake.
    if (this.positionals.length > expected.length)
      throw new UsageError(
        `takes ${expected.length} argument${expected.length === 1 ? '' : 's'}, got ${this.positionals.length}`,
      );
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`--${name} is missing`);
    return value;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  oneOf<const T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw new UsageError(`--${name} is one of ${choices.join(', ')}`);
    return found;
  }

  /** A non-negative integer in decimal. */
  integer(name: string, maximum: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^(0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : Number.NaN;
    if (!(number <= maximum)) throw new UsageError(`--${name} is an integer from 0 to ${maximum}`);
    return number;
  }

  /** `90s`, `15m`, `12h`, `31d`, as milliseconds. */
  duration(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const match = /^([1-9][0-9]{0,8})(s|m|h|d)$/.exec(value);
    if (match === null) throw new UsageError(`--${name} is a duration such as 90s, 15m, 12h or 31d`);
    const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd'];
    return Number(match[1]) * unit;
  }

  /** `--name key=value`, repeated. */
  pairs(name: string): Record<string, string> {
    return Object.fromEntries(
      this.list(name).map((pair) => {
        const at = pair.indexOf('=');
        if (at < 1) throw new UsageError(`--${name} is written key=value`);
        return [pair.slice(0, at), pair.slice(at + 1)];
      }),
    );
  }
}

/**
 * A value that begins with a dash, as one in 64 base64url texts does, is joined to its option, unless it is an option
 * that the command knows.
 */
function withValues(words: readonly string[], known: Readonly<Record<string, Option>>): string[] {
  const joined: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') return [...joined, ...words.slice(at)];
    const next = words[at + 1];
    const takesValue = word.startsWith('--') && known[word.slice(2)]?.type === 'string';
    const isOption = next?.startsWith('--') && Object.hasOwn(known, next.slice(2).split('=')[0]!);
    if (takesValue && next?.startsWith('-') && !isOption) {
      joined.push(`${word}=${next}`);
      at++;
    } else joined.push(word);
  }
  return joined;
}
