/** The regular expressions that stand in a source text, and whether one of them can backtrack without bound. */

/** Literals outside of comments; `line` counts from 1. */
export function expressionsOf(
  source: string,
): readonly { readonly line: number; readonly pattern: string; readonly flags: string }[] {
  const literal =
    /(?:^|[=(,:;!&|?[{}+\s]|return)\s*\/(?![/*])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)(?=\s*(?:[.,;)\]}:?]|$))/gm;
  const withoutComments = source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/^(\s*)\/\/.*$/gm, '$1');
  return [...withoutComments.matchAll(literal)].map((match) => ({
    line: withoutComments.slice(0, match.index).split('\n').length,
    pattern: match[1]!,
    flags: match[2]!,
  }));
}

/**
 * True when an unbounded repetition holds another one, or alternatives of which one begins as another does: the forms
 * whose time can grow faster than the text. Errs towards true.
 */
export function mayBacktrack(pattern: string): boolean {
  let at = 0;
  let found = false;
  const isUnbounded = () => {
    const rest = pattern.slice(at);
    const quantifier = /^(?:[*+]|\{\d+,\})[?+]?/.exec(rest) ?? /^(?:\?|\{\d+(?:,\d+)?\})\??/.exec(rest);
    if (quantifier === null) return false;
    at += quantifier[0].length;
    return /^(?:[*+]|\{\d+,\})/.test(quantifier[0]);
  };
  /** Whether the alternatives up to `)` or the end repeat anything without bound. */
  const group = (): boolean => {
    let repeats = false;
    const begins = new Set<string>();
    let overlaps = false;
    let isFirst = true;
    while (at < pattern.length && pattern[at] !== ')') {
      if (pattern[at] === '|') {
        at += 1;
        isFirst = true;
        continue;
      }
      const from = at;
      let inner = false;
      if (pattern[at] === '(') {
        at += /^\((?:\?(?:[:=!]|<[=!]|<\w+>))?/.exec(pattern.slice(at))![0].length;
        inner = group();
        at += 1;
      } else if (pattern[at] === '[') {
        at += /^\[(?:\\.|[^\]\\])*\]/.exec(pattern.slice(at))![0].length;
      } else if (pattern[at] === '\\') {
        at += /^\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/.exec(pattern.slice(at))![0]
          .length;
      } else at += 1;
      const atom = pattern.slice(from, at);
      if (isFirst) {
        if (begins.has(atom)) overlaps = true;
        begins.add(atom);
        isFirst = false;
      }
      if (isUnbounded()) {
        if (inner) found = true;
        repeats = true;
      }
      repeats ||= inner;
    }
    return repeats || overlaps;
  };
  group();
  return found;
}
