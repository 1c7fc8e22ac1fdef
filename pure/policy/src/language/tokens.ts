/** Tokens of the text form. Positions are kept, so that an error names line and column. */
import { KmsError } from '@keystead/protocol/errors';

export interface Token {
  readonly kind: 'name' | 'string' | 'integer' | 'sign' | 'comment' | 'end';
  /** Text of a name, sign or integer; the content of a string or comment. */
  readonly text: string;
  readonly offset: number;
}

const signs = [
  '&&',
  '||',
  '==',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
  '!',
  '(',
  ')',
  '[',
  ']',
  ',',
  '.',
  ';',
  '=',
  ':',
] as const;

/** Names may hold a hyphen between letters: action classes do, and the language has no subtraction. */
const namePattern = /[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9_]*)*/y;
const integerPattern = /(?:0|[1-9][0-9]*)u?(?![A-Za-z0-9_.])/y;
const spacePattern = /[ \t\r\n]+/y;
const commentPattern = /\/\/ ?([^\n]*)/y;
const stringPattern = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const singlePattern = /'([^'\\\p{Cc}"]*)'/uy;

export function syntaxError(source: string, offset: number, detail: string): KmsError {
  const before = source.slice(0, offset).split('\n');
  const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`;
  return new KmsError('parameter-invalid', { field: place, detail: `${place}: ${detail}` });
}

/** Splits a text into tokens, the last of kind `end`. Throws KmsError `parameter-invalid`. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = offset;
    return pattern.exec(source);
  };
  while (offset < source.length) {
    const space = match(spacePattern);
    if (space !== null) {
      offset += space[0].length;
      continue;
    }
    const token = next(source, offset, match);
    tokens.push(token.token);
    offset += token.length;
  }
  tokens.push({ kind: 'end', text: 'the end', offset });
  return tokens;
}

function next(
  source: string,
  offset: number,
  match: (pattern: RegExp) => RegExpExecArray | null,
): { readonly token: Token; readonly length: number } {
  const found = (kind: Token['kind'], text: string, length: number) => ({
    token: { kind, text, offset },
    length,
  });
  const comment = match(commentPattern);
  if (comment !== null) return found('comment', comment[1]!.trimEnd(), comment[0].length);
  const name = match(namePattern);
  if (name !== null) return found('name', name[0], name[0].length);
  const integer = match(integerPattern);
  if (integer !== null) return found('integer', integer[0].replace('u', ''), integer[0].length);
  const quoted = match(stringPattern);
  if (quoted !== null) return found('string', JSON.parse(quoted[0]) as string, quoted[0].length);
  const single = match(singlePattern);
  if (single !== null) return found('string', single[1]!, single[0].length);
  const sign = signs.find((each) => source.startsWith(each, offset));
  if (sign !== undefined) return found('sign', sign, sign.length);
  throw syntaxError(
    source,
    offset,
    `${JSON.stringify(source.slice(offset, offset + 8))} cannot be read here`,
  );
}
