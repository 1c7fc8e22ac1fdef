import type { Option } from '../../command.ts';
import type { CommandArguments } from '../../command-arguments.ts';

const oneDay = 24 * 60 * 60 * 1000;

export const verdictOptions: Readonly<Record<string, Option>> = {
  expires: { type: 'string', value: 'duration', help: 'how long it counts, at most 7d (default: 1d)' },
};

/** Milliseconds. */
export const verdictLifetime = (given: CommandArguments): number => given.duration('expires') ?? oneDay;
