import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { syntaxError, tokensOf } from './tokens.ts';

/** Kind and text of each token but the end. */
const read = (source: string) =>
  tokensOf(source)
    .slice(0, -1)
    .map(({ kind, text }) => `${kind} ${text}`);

describe('the tokens of a text', () => {
  it('are names, with hyphens between letters', () => {
    assert.deepEqual(read('sign-transaction _a a1 a-b-c Z_9'), [
      'name sign-transaction',
      'name _a',
      'name a1',
      'name a-b-c',
      'name Z_9',
    ]);
    for (const [source, rest] of [
      ['a-', '-'],
      ['a-1', '-1'],
      ['a--b', '--b'],
      ['-a', '-a'],
    ] as const)
      assert.throws(() => read(source), {
        message: new RegExp(`${JSON.stringify(rest)} cannot be read here`),
      });
  });

  it('are integers without a sign, a zero before them, or a letter after them but u', () => {
    assert.deepEqual(read('0 7 10 42u 0u'), [
      'integer 0',
      'integer 7',
      'integer 10',
      'integer 42',
      'integer 0',
    ]);
    for (const source of ['01', '1.5', '1e3', '0x10', '5uu', '5u1', '1_000', '-1', '5.', '9a'])
      assert.throws(() => read(source), { code: 'parameter-invalid' }, source);
  });

  it('are strings as JSON writes them, or between single quotes as they stand', () => {
    const escaped = String.raw`"a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`;
    assert.deepEqual(tokensOf(escaped)[0], {
      kind: 'string',
      text: 'a"\\/\b\f\n\r\té😀',
      offset: 0,
    });
    assert.deepEqual(read(`"" '' 'it' "it's" 'é😀'`), [
      'string ',
      'string ',
      'string it',
      "string it's",
      'string é😀',
    ]);
    for (const source of [
      '"a',
      '"a\nb"',
      '"a\tb"',
      String.raw`"\x"`,
      String.raw`"\u12"`,
      String.raw`"\u12g4"`,
      '"\u0085"',
      "'a",
      "'a\nb'",
      String.raw`'a\b'`,
      `'a"b'`,
      "'\u0085'",
    ])
      assert.throws(() => read(source), { code: 'parameter-invalid' }, JSON.stringify(source));
  });

  it('are signs, the longest that there is', () => {
    assert.deepEqual(
      read('&&||==!=<=>=<>!()[],.;=:').map((token) => token.slice('sign '.length)),
      ['&&', '||', '==', '!=', '<=', '>=', '<', '>', '!', '(', ')', '[', ']', ',', '.', ';', '=', ':'],
    );
    for (const source of [
      '&',
      '|',
      '?',
      '+',
      '*',
      '/',
      '%',
      '{',
      '}',
      '@',
      '#',
      '$',
      '\\',
      '~',
      '^',
      '\u00a0',
    ])
      assert.throws(() => read(source), { code: 'parameter-invalid' }, source);
  });

  it('are comments up to the end of their line, and white space is none of them', () => {
    assert.deepEqual(read('a // b c \t\nd//e\r\n\t //  f'), [
      'name a',
      'comment b c',
      'name d',
      'comment e',
      'comment  f',
    ]);
    assert.deepEqual(read(' \t\r\n'), []);
  });

  it('end with the end, and each has its place', () => {
    assert.deepEqual(tokensOf('a  "b"\n5'), [
      { kind: 'name', text: 'a', offset: 0 },
      { kind: 'string', text: 'b', offset: 3 },
      { kind: 'integer', text: '5', offset: 7 },
      { kind: 'end', text: 'the end', offset: 8 },
    ]);
    assert.deepEqual(tokensOf(''), [{ kind: 'end', text: 'the end', offset: 0 }]);
  });

  it('say of what is none of them where it stands, and its first eight characters', () => {
    assert.throws(() => read('a\n  ?123456789'), {
      field: 'line 2, column 3',
      message: /line 2, column 3: "\?1234567" cannot be read here/,
    });
    assert.equal(syntaxError('abc', 3, 'x').field, 'line 1, column 4');
    assert.equal(syntaxError('a\nbc\n', 5, 'x').field, 'line 3, column 1');
  });
});
