import manifest from '../package.json' with { type: 'json' };
import { KmsError } from '@keystead/protocol/errors';
import type { Command } from './command.ts';
import { CommandArguments } from './command-arguments.ts';
import { CommandError, UsageError } from './command-error.ts';
import { commands } from './commands.ts';
import { commandHelp, nounHelp, overview } from './help.ts';
import type { Surroundings } from './surroundings.ts';

const done = 0;
const failed = 1;
const wrongUsage = 2;

/**
 * Runs one command line and returns its exit code. `write` takes standard output: with `--json` exactly one line with
 * one object, also when the command found something wrong; nothing when it could not run.
 */
export async function runCommandLine(
  words: readonly string[],
  surroundings: Surroundings,
  write: (text: string) => void,
): Promise<number> {
  const [noun = '--help'] = words;
  if (noun === '--help' || noun === '-h' || noun === 'help') {
    write(`${overview(commands)}\n`);
    return done;
  }
  if (noun === '--version') {
    write(`${manifest.version}\n`);
    return done;
  }
  const command = commandOf(words);
  if (command === undefined) return unknownCommand(words, surroundings, write);
  try {
    const given = new CommandArguments(command, words.slice(command.words.length));
    if (given.flag('help')) {
      write(`${commandHelp(command)}\n`);
      return done;
    }
    const outcome = await command.run(given, surroundings);
    write(given.flag('json') ? `${JSON.stringify(outcome.json)}\n` : withEnd(outcome.text));
    if (outcome.failure === undefined) return done;
    sayError(surroundings, outcome.failure.detail, outcome.failure.hint);
    return failed;
  } catch (error) {
    if (error instanceof UsageError) {
      sayError(surroundings, error.message, `keystead ${command.words.join(' ')} --help`);
      return wrongUsage;
    }
    sayError(surroundings, ...explain(error));
    return failed;
  }
}

/** The longest row of words that is a command. */
function commandOf(words: readonly string[]): Command | undefined {
  return commands
    .filter((command) => command.words.every((word, index) => words[index] === word))
    .sort((one, other) => other.words.length - one.words.length)[0];
}

function unknownCommand(
  words: readonly string[],
  surroundings: Surroundings,
  write: (text: string) => void,
): number {
  const [noun, verb] = words;
  if (commands.some((command) => command.words[0] === noun)) {
    if (verb === '--help' || verb === '-h') {
      write(`${nounHelp(noun!, commands)}\n`);
      return done;
    }
    // What was typed is not repeated: it may be a secret in the wrong place.
    sayError(surroundings, `keystead ${noun} has no such verb`, `keystead ${noun} --help lists them`);
    return wrongUsage;
  }
  sayError(surroundings, 'no such command', 'keystead --help lists them');
  return wrongUsage;
}

function explain(error: unknown): [detail: string, hint: string] {
  if (error instanceof CommandError) return [error.message, error.hint];
  if (error instanceof KmsError) {
    const field = error.field === undefined ? '' : ` [${error.field}]`;
    return [`${error.detail} (${error.code})${field}`, error.hint];
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && 'hint' in error)
    return [`${error.message} (${error.code})`, String(error.hint)];
  return [
    error instanceof Error ? error.message : String(error),
    'this is a defect of keystead, or of its surroundings',
  ];
}

function sayError(surroundings: Surroundings, detail: string, hint: string): void {
  surroundings.say(`error: ${detail}`);
  surroundings.say(`hint: ${hint}`);
}

const withEnd = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
