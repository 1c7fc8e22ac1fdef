import { array, integer, invalid, record, refine, type Schema, string, transform } from '../schema.ts';
import type { Surface } from '../surface.ts';

// Control, format, zero-width and bidirectional characters, line separators, private use: two different texts that
// hold them can look the same to a person.
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

/** Text that people read and compare: visible characters in NFC, no white space at the ends. */
function visible(max: number, min = 1): Schema<string> {
  return refine(string({ min, max }), (value, path) => {
    if (invisible.test(value))
      throw invalid(path, 'must not hold control, zero-width or bidirectional characters');
    if (value !== value.normalize('NFC')) throw invalid(path, 'must be in Unicode normalization form NFC');
    if (value !== value.trim()) throw invalid(path, 'must not begin or end with white space');
  });
}

/** Names of organizations, users, authenticators, wallets and grants: 1 to 64 UTF-16 code units. */
export const name: Schema<string> = visible(64);

/** A wallet tag: 1 to 64 UTF-16 code units. */
export const tag: Schema<string> = visible(64);

function distinct(values: readonly string[], path: string): void {
  if (new Set(values).size !== values.length) throw invalid(path, 'must not repeat a value');
}

/** At most 32 different tags. */
export const tags: Schema<readonly string[]> = refine(array(tag, { max: 32 }), distinct);

/** At most 32 traits; keys as names, values of at most 128 code units. */
export const traits: Schema<Readonly<Record<string, string>>> = record(visible(128, 0), {
  maxKeys: 32,
  key: name,
});

/** Keys of traits to remove. */
export const traitKeys: Schema<readonly string[]> = refine(array(name, { max: 32 }), distinct);

const uuidText = string({
  min: 36,
  max: 36,
  pattern: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  format: 'uuid',
  description: 'a lower-case UUID',
});
const anyCaseUuidText = string({
  min: 36,
  max: 36,
  pattern: /^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$/,
  format: 'uuid',
  description: 'a UUID',
});

/** An id in lower case; the compatibility surface also reads upper case. */
export function id(surface: Surface): Schema<string> {
  return surface === 'native' ? uuidText : transform(anyCaseUuidText, (value) => value.toLowerCase());
}

const tenYearsMs = 315_360_000_000;

/** A duration in milliseconds, at most ten years of 365 days. */
export const duration: Schema<number> = integer({ min: 1, max: tenYearsMs });

export const pageLimit: Schema<number> = integer({ min: 1, max: 100 });
export const pageOffset: Schema<number> = integer({ min: 0, max: 1_000_000_000 });
export const defaultPageLimit = 20;

/** Refuses lists that name one value twice. */
export const withoutRepeats = <T extends string>(schema: Schema<readonly T[]>): Schema<readonly T[]> =>
  refine(schema, distinct);
