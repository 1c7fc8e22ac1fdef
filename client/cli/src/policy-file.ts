import { utf8Decode } from '@keystead/crypto/bytes';
import type { PolicyDocument } from '@keystead/policy/language/document';
import { parsePolicy } from '@keystead/policy/language/parse-text';
import { policyDocument } from '@keystead/policy/language/read-document';
import { KmsError } from '@keystead/protocol/errors';
import { CommandError } from './command-error.ts';
import type { Surroundings } from './surroundings.ts';
import { readGiven } from './terminal/given-bytes.ts';

/** Text of a file, or of standard input for `-`. */
export async function readText(file: string, surroundings: Surroundings): Promise<string> {
  return utf8Decode(await readGiven(file, surroundings));
}

/** A JSON file. Throws CommandError. */
export async function readJson(file: string, surroundings: Surroundings): Promise<unknown> {
  try {
    return JSON.parse(await readText(file, surroundings));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new CommandError(`${file} is not JSON`, 'write one JSON object');
    throw cause;
  }
}

/** A policy in either form; JSON begins with a brace. Throws CommandError that says where it is wrong. */
export async function readPolicy(file: string, surroundings: Surroundings): Promise<PolicyDocument> {
  const text = await readText(file, surroundings);
  return explained(file, () =>
    text.trimStart().startsWith('{') ? policyDocument.parse(JSON.parse(text), 'policy') : parsePolicy(text),
  );
}

/** Runs what throws KmsError, and says its words as the command's. */
export function explained<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof SyntaxError) throw new CommandError(`${what} is not JSON`, 'write one JSON object');
    if (!(error instanceof KmsError)) throw error;
    throw new CommandError(`${what}: ${error.detail}`, 'spec/policy.md has the language');
  }
}
