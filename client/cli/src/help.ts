import type { Command, Option } from './command.ts';
import { globalOptions } from './command-arguments.ts';

/** `keystead --help`: every command with one line. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ words }) => words.join(' ').length));
  return [
    'usage: keystead <noun> <verb> [options]',
    '',
    ...commands.map(({ words, summary }) => `  ${words.join(' ').padEnd(width)}  ${summary}`),
    '',
    'keystead <noun> <verb> --help says more about one command. --json gives one JSON object per command.',
    'Secrets are read from files, standard input or a prompt, never from arguments.',
    'Exit codes: 0 done, 1 not done, 2 wrong usage.',
  ].join('\n');
}

/** `keystead wallet --help`: the commands of one noun. */
export function nounHelp(noun: string, commands: readonly Command[]): string {
  const own = commands.filter(({ words }) => words[0] === noun);
  const width = Math.max(...own.map(({ words }) => words.join(' ').length));
  return [
    `usage: keystead ${noun} <verb> [options]`,
    '',
    ...own.map(({ words, summary }) => `  ${words.join(' ').padEnd(width)}  ${summary}`),
  ].join('\n');
}

/** `keystead wallet create --help`. */
export function commandHelp(command: Command): string {
  const positionals = (command.positionals ?? []).map(({ name, optional }) =>
    optional ? ` [${name}]` : ` <${name}>`,
  );
  return [
    `usage: keystead ${command.words.join(' ')}${positionals.join('')} [options]`,
    '',
    command.summary,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    ...optionLines({ ...command.options, ...globalOptions }),
  ].join('\n');
}

function optionLines(options: Readonly<Record<string, Option>>): string[] {
  const named = Object.entries(options).map(([name, option]) => ({
    left: `--${name}${option.value === undefined ? '' : ` <${option.value}>`}`,
    help: option.multiple ? `${option.help}; repeatable` : option.help,
  }));
  const width = Math.max(...named.map(({ left }) => left.length));
  return named.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`);
}
