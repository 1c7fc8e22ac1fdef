import { isAbsolute, join } from 'node:path';

/** The longest path that a unix socket has on every supported system (unix(7): 108 bytes with the end). */
const maximumSocketPathBytes = 103;

/** What is wrong with the environment; the message names the variable and never its content. */
export class EnvironmentError extends Error {
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'EnvironmentError';
  }
}

/** The content of a variable. Throws EnvironmentError when it is missing or empty. */
export function required(variables: NodeJS.ProcessEnv, name: string): string {
  const value = variables[name];
  if (value === undefined || value === '') throw new EnvironmentError(`${name} is not set`);
  return value;
}

/** A whole number from 0 to `maximum`, at most 9,999,999; `absent` where the variable is not set. */
export function numberOf(
  variables: NodeJS.ProcessEnv,
  name: string,
  maximum: number,
  absent: number,
): number {
  const text = variables[name] ?? String(absent);
  const number = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= maximum)) throw new EnvironmentError(`${name} is not a number from 0 to ${maximum}`);
  return number;
}

/** Path of the unix socket `file` in the folder that the variable names. */
export function socketIn(variables: NodeJS.ProcessEnv, name: string, file: string): string {
  return socketPath(name, join(required(variables, name), file));
}

/** The same path, when a unix socket can have it. */
export function socketPath(name: string, path: string): string {
  if (!isAbsolute(path) || Buffer.byteLength(path) > maximumSocketPathBytes)
    throw new EnvironmentError(
      `${name} is not an absolute path that leaves room for a socket in ${maximumSocketPathBytes} bytes`,
    );
  return path;
}
