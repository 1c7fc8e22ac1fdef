/**
 * A small reader of TypeScript source: enough to find what a file imports, without a parser.
 *
 * It skips comments, regular expressions and the text of templates, so that an import statement quoted in a
 * docstring is not mistaken for one.
 */

export type Token = { kind: 'word' | 'string' | 'punctuation'; text: string; line: number };

/** Characters after which a slash begins a regular expression and not a division. */
const BEFORE_EXPRESSION = new Set('=(,:;[!&|?{}+-*%~^<>');
const KEYWORDS_BEFORE_EXPRESSION = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'void',
  'await',
  'yield',
]);

/** Splits source text into words, string literals (unquoted) and single punctuation characters. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  // One number per open template expression: the braces open inside it.
  const templates: number[] = [];

  const push = (kind: Token['kind'], text: string) => tokens.push({ kind, text, line });
  const countLines = (text: string) => {
    for (const character of text) if (character === '\n') line += 1;
  };
  const skipTo = (end: number) => {
    countLines(source.slice(at, end));
    at = end;
  };
  const readTemplateText = () => {
    while (at < source.length) {
      if (source[at] === '\\') skipTo(at + 2);
      else if (source[at] === '`') {
        at += 1;
        return;
      } else if (source.startsWith('${', at)) {
        at += 2;
        templates.push(0);
        return;
      } else skipTo(at + 1);
    }
  };

  while (at < source.length) {
    const character = source[at]!;
    if (/\s/.test(character)) skipTo(at + 1);
    else if (source.startsWith('//', at) || (at === 0 && source.startsWith('#!'))) {
      const end = source.indexOf('\n', at);
      skipTo(end === -1 ? source.length : end);
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2);
      skipTo(end === -1 ? source.length : end + 2);
    } else if (character === "'" || character === '"') {
      let end = at + 1;
      while (end < source.length && source[end] !== character && source[end] !== '\n') {
        end += source[end] === '\\' ? 2 : 1;
      }
      push('string', source.slice(at + 1, end));
      skipTo(end + 1);
    } else if (character === '`') {
      push('punctuation', '`');
      at += 1;
      readTemplateText();
    } else if (/[\p{ID_Start}$_#]/u.test(character)) {
      const word = /^[\p{ID_Continue}$_#]+/u.exec(source.slice(at, at + 256))![0];
      push('word', word);
      at += word.length;
    } else if (character === '/' && startsExpression(tokens.at(-1))) {
      skipTo(endOfRegularExpression(source, at));
      push('punctuation', '/');
    } else {
      if (templates.length > 0) {
        const depth = templates.at(-1)!;
        if (character === '{') templates[templates.length - 1] = depth + 1;
        else if (character === '}' && depth > 0) templates[templates.length - 1] = depth - 1;
        else if (character === '}') {
          templates.pop();
          at += 1;
          readTemplateText();
          continue;
        }
      }
      push('punctuation', character);
      at += 1;
    }
  }
  return tokens;
}

function startsExpression(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === 'word') return KEYWORDS_BEFORE_EXPRESSION.has(previous.text);
  return previous.kind === 'punctuation' && BEFORE_EXPRESSION.has(previous.text);
}

function endOfRegularExpression(source: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at];
    if (character === '\n') return start + 1;
    if (character === '\\') at += 1;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) return at + 1;
  }
  return source.length;
}

export type SourceImports = {
  /** Every module specifier in an import, export-from, dynamic import or require, with its line. */
  specifiers: { specifier: string; line: number }[];
  /** Lines of dynamic imports whose argument is computed. */
  computed: number[];
  /** Lines of `export *`. */
  stars: number[];
  /** Every identifier of the file, with the first line it appears on. */
  words: Map<string, number>;
};

/** Reads what a file imports. */
export function readImports(source: string): SourceImports {
  const tokens = tokenize(source);
  const found: SourceImports = { specifiers: [], computed: [], stars: [], words: new Map() };
  tokens.forEach((token, index) => {
    const is = (offset: number, text: string) => {
      const other = tokens[index + offset];
      return other !== undefined && other.kind !== 'string' && other.text === text;
    };
    if (token.kind === 'string') {
      const called = is(-1, '(') && (is(-2, 'import') || is(-2, 'require') || is(-2, 'getBuiltinModule'));
      const resolved = is(-1, '(') && is(-2, 'resolve') && is(-4, 'meta');
      if (is(-1, 'from') || is(-1, 'import') || called || resolved) {
        found.specifiers.push({ specifier: token.text, line: token.line });
      }
      return;
    }
    if (token.kind !== 'word') return;
    const isProperty = is(-1, '.');
    if (token.text === 'import' && !isProperty && is(1, '(') && tokens[index + 2]?.kind !== 'string') {
      found.computed.push(token.line);
    }
    if (token.text === 'export' && is(1, '*')) found.stars.push(token.line);
    if (!found.words.has(token.text)) found.words.set(token.text, token.line);
  });
  return found;
}
