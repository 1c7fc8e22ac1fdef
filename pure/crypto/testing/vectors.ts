import { readFileSync } from 'node:fs';

/** A file of the project's `vectors/`, parsed. The caller states its shape. */
export function vectors<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../../vectors/${file}`, import.meta.url), 'utf8')) as T;
}

/** The shape of a Wycheproof file. */
export interface Wycheproof<G, T> {
  readonly numberOfTests: number;
  readonly testGroups: readonly (G & { readonly tests: readonly (T & WycheproofCase)[] })[];
}

export interface WycheproofCase {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
}
