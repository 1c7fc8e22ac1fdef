/** Documents that two parsers of JSON can read differently, made from one good document; our own cases after RFC 8259. */
import { utf8 } from '../raw-client.ts';

export type JsonCase = readonly [name: string, body: Uint8Array];

/** Texts that are no JSON value, or one that loses something in ordinary parsers. */
const VALUES: readonly string[] = [
  ...['', '[1,]', '[,1]', '[1,,2]', '[1:2]', '[1 2]', '[', ']', '[1', '[1]]', '["a"', '[}', '{]'],
  ...[
    '{"a"}',
    '{"a":}',
    '{"a",1}',
    '{:1}',
    '{a:1}',
    "{'a':1}",
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{1:1}',
  ],
  ...['{null:1}', '{"a"::1}', '{"a":1,,"b":2}', '{"a":1', '{"a" "b"}', '{{}}', '{"a":{}'],
  ...[
    '+1',
    '-',
    '--1',
    '.5',
    '5.',
    '-.5',
    '01',
    '-01',
    '00',
    '0x1',
    '1e',
    '1e+',
    '1e1.5',
    '1 000',
    '1_000',
    '1n',
    '- 1',
  ],
  ...[
    'Infinity',
    '-Infinity',
    'NaN',
    '-NaN',
    '1e400',
    '-1e400',
    '1.0',
    '1e2',
    '1E2',
    '1e+2',
    '-0',
    '-0.0',
    '0e0',
    '1e-7000',
  ],
  ...[
    '9007199254740993',
    '-9007199254740993',
    '100000000000000000000',
    '0.10',
    '1.00000000000000000001',
    '\uff11',
  ],
  ...['tru', 'TRUE', 'True', 'truee', 'nul', 'NULL', 'undefined', 'None', 'yes', 'm'],
  ...[
    '"',
    '"a',
    "'a'",
    '"a""b"',
    '"\\x41"',
    '"\\a"',
    '"\\u12"',
    '"\\u12G4"',
    '"\\U0041"',
    '"\\"',
    '"\\',
    '"\\u"',
    '"\\ u0041"',
  ],
  ...[
    '"\\ud800"',
    '"\\udc00"',
    '"\\udc00\\ud800"',
    '"\\ud800\\u0041"',
    '"\\ud800x"',
    '"\\ud83d\\ud83d\\ude00"',
  ],
  ...['"\t"', '"\n"', '"\r"', '"\u0000"', '"\u001f"', '"\\\n"'],
  ...[
    '/**/1',
    '//\n1',
    '#1',
    '1//',
    '1/**/',
    '(1)',
    '<a>',
    '`a`',
    '1;',
    '"a"b',
    '1\u000c',
    '\u000b1',
    '\u00a01',
    '\u20281',
    '\ufeff1',
  ],
];

/** In hexadecimal: what is no UTF-8, or an overlong or forbidden form of it. */
const BYTES: readonly string[] = [
  ...[
    'ff',
    'fe',
    '80',
    'bf',
    'c0af',
    'c1bf',
    'e080af',
    'f08080af',
    'eda080',
    'edbfbf',
    'f4908080',
    'f5808080',
  ],
  ...['e28228', 'e282', 'c3', 'f0288cbc', 'f0908c', 'f8888080af', 'c080', 'eda081edb080'],
];

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** Each has `text` with one thing wrong; `text` names one member `message` whose value is a string without escapes. */
export function malformedDocuments(text: string): readonly JsonCase[] {
  const [head, , tail] = text.split(/("message":)"[^"]*"/) as [string, string, string];
  const rest = text.slice(text.indexOf(head) + head.length).replace(/^"message":"[^"]*"/, '');
  const withValue = (value: Uint8Array) =>
    Buffer.concat([utf8(`${head}"message":`), value, utf8(rest ?? tail)]);
  return [
    ...VALUES.map((value): JsonCase => [`the value ${JSON.stringify(value)}`, withValue(utf8(value))]),
    ...BYTES.map((hex): JsonCase => [`the bytes ${hex}`, withValue(Buffer.from(`22${hex}22`, 'hex'))]),
    ...[33, 100, 20_000].map((levels): JsonCase => [`${levels} levels`, withValue(utf8(nested(levels)))]),
    ...[33, 20_000].map((levels): JsonCase => [`${levels} open levels`, withValue(utf8('['.repeat(levels)))]),
    ...['{}', 'x', ',', ']', '}', '\u0000', '"', '1', '\u000c', '\u00a0', '\ufeff'].map(
      (after): JsonCase => [`${JSON.stringify(after)} behind it`, utf8(text + after)],
    ),
    ...[',', '\u0000', 'x', '\u000b', ")]}',\n", 'while(1);'].map(
      (before): JsonCase => [`${JSON.stringify(before)} before it`, utf8(before + text)],
    ),
    ['a byte order mark', Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), utf8(text)])],
    ['UTF-16, little endian', Buffer.from(text, 'utf16le')],
    ['UTF-16 with its mark', Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['cut by one byte', utf8(text.slice(0, -1))],
    ['nothing', utf8('')],
    ['white space', utf8(' \n')],
  ];
}

/** One member twice at each of three levels: written the same, with an escape, with the same and another value. */
export function duplicates(text: string): readonly JsonCase[] {
  const add = (before: string, member: string) => utf8(text.replace(before, `${before}${member},`));
  const cases: JsonCase[] = [];
  for (const [level, before, name] of [
    ['first level', '{', 'params'],
    ['first level, method', '{', 'method'],
    ['second level', '"params":{', 'message'],
  ] as const) {
    if (!text.includes(`"${name}"`)) continue;
    const escaped = `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`;
    for (const written of [
      name,
      escaped,
      escaped.toUpperCase().replace('\\U', '\\u').slice(0, 6) + name.slice(1),
    ])
      for (const value of ['null', '"x"', '{}', '[]'])
        cases.push([`${written} twice on the ${level}, ${value}`, add(before, `"${written}":${value}`)]);
  }
  const third = text.replace(/"message":"[^"]*"/, '"message":{"a":1,"b":{},"a":1}');
  cases.push(['a twice on the third level', utf8(third)]);
  cases.push(['a twice on the third level, escaped', utf8(third.replace('"a"', '"\\u0061"'))]);
  cases.push(['an empty name twice', utf8(third.replaceAll('"a"', '""'))]);
  for (const name of ['__proto__', '\\u005f_proto__', '__pr\\u006Fto__'])
    cases.push([`${name}`, add('"params":{', `"${name}":{"a":1}`)]);
  return cases;
}

/** The same document in other words that every parser reads the same. */
export function acceptedOddities(text: string): readonly JsonCase[] {
  const named = (mark: string) => text.replace(/"message":"/, `"message":"${mark} `);
  return [
    [
      'white space everywhere',
      utf8(
        named('1')
          .replaceAll(/[{},:]/g, (sign) => `\t ${sign}\r\n`)
          .replaceAll(/\s*:\s*(?=\/\/)/g, ':'),
      ),
    ],
    ['white space around it', utf8(` \n\t\r${named('2')}\r\n `)],
    ['an escaped name', utf8(named('3').replace('"method"', '"\\u006Dethod"'))],
    ['an escaped solidus', utf8(named('4').replace("m/44'", "m\\/44'"))],
    ['escaped characters', utf8(named('5 \\u0041\\n\\t\\"\\\\\\/'))],
    ['a pair of surrogates', utf8(named('6 \\ud83d\\ude00'))],
    ['an emoji in UTF-8', utf8(named('7 \u{1f600}'))],
    ['a letter of two bytes', utf8(named('8 é'))],
    ['U+2028', utf8(named('9 \u2028'))],
    ['U+007F', utf8(named('10 \u007f'))],
    ['a noncharacter', utf8(named('11 \uffff'))],
  ];
}
