import type { CommandArguments } from './command-arguments.ts';
import type { Surroundings } from './surroundings.ts';

/** One option of a command. Secrets are never options: process arguments are visible to every user of a machine. */
export interface Option {
  readonly type: 'string' | 'boolean';
  /** May be given more than once. */
  readonly multiple?: boolean;
  /** How its value is named in the help. */
  readonly value?: string;
  readonly help: string;
}

export interface Positional {
  readonly name: string;
  readonly optional?: boolean;
}

/** What a command did: an object for `--json`, and the same for people. */
export interface Outcome {
  readonly json: object;
  readonly text: string;
  /** Set when the command ran and found something wrong: the output is printed, and the exit code is 1. */
  readonly failure?: { readonly detail: string; readonly hint: string };
}

export interface Command {
  /** `['wallet', 'create']` */
  readonly words: readonly string[];
  readonly summary: string;
  /** What the help says beyond summary and options. */
  readonly details?: string;
  readonly positionals?: readonly Positional[];
  readonly options: Readonly<Record<string, Option>>;
  run(given: CommandArguments, surroundings: Surroundings): Promise<Outcome>;
}
