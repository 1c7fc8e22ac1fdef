/** Requests with exactly one fault, made from accepted ones. */
import { gzipSync } from 'node:zlib';
import { methods } from '@keystead/protocol/method-table';
import { type AcceptedRequest, pathOf } from './accepted-requests.ts';
import { type Headers, nativeStamp, newStampKey, pkiStamp, type StampKey, utf8 } from './raw-client.ts';

export type FaultKind = 'schema' | 'stamp' | 'json' | 'type' | 'size' | 'depth' | 'encoding';

export const FAULT_KINDS: readonly FaultKind[] = [
  'schema',
  'stamp',
  'json',
  'type',
  'size',
  'depth',
  'encoding',
];

export interface FaultyRequest {
  readonly kind: FaultKind;
  /** What was done to it. */
  readonly fault: string;
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Headers;
}

/** Integers from 0 on, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Json = unknown;
type Path = readonly (string | number)[];
type Document = { readonly [member: string]: Json };

/** Paths of all values below the root; leaves, lists or objects only. */
function places(value: Json, wanted: 'leaf' | 'list' | 'object', path: Path = []): Path[] {
  const isObject = typeof value === 'object' && value !== null;
  const below = isObject
    ? Object.entries(value).flatMap(([key, inner]) =>
        places(inner, wanted, [...path, Array.isArray(value) ? Number(key) : key]),
      )
    : [];
  const found = !isObject ? 'leaf' : Array.isArray(value) ? 'list' : 'object';
  const self = found === wanted && (wanted !== 'leaf' || path.length > 0);
  return self ? [path, ...below] : below;
}

function replaced(value: Json, [key, ...rest]: Path, by: (old: Json) => Json): Json {
  if (key === undefined) return by(value);
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string | number,
    Json
  >;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

const without = (name: string) => (old: Json) => {
  const { [name]: _, ...rest } = old as Record<string, Json>;
  return rest;
};

/** Members that the method's schema requires, or of the envelope. */
function requiredOf({ surface, route, method }: AcceptedRequest): Path[] {
  const schema = methods[method][surface].toJSONSchema() as { required?: string[] };
  const inParams = (schema.required ?? []).map((name): Path => (route === 'rpc' ? ['params', name] : [name]));
  if (route !== 'rpc') return inParams;
  const envelope: Path[] =
    surface === 'native' ? [['method'], ['params']] : [['method'], ['params'], ['timestampMs']];
  return [...envelope, ...inParams];
}

const IDS = ['', 'x', '1e7d9a3c0b1d4c2e8f3a5a6b7c8d9e0f', '{1e7d9a3c-0b1d-4c2e-8f3a-5a6b7c8d9e0f}'];
const NAMES = ['', ' x', 'x\u200b', 'e\u0301', 'x'.repeat(65)];
const PATHS = ['m/', "44'/501'", "m/044'/501'", "m/44'/501'/2147483648'", `m${"/0'".repeat(11)}`];
const many = (count: number) => Array.from({ length: count }, (_, index) => `m/44'/501'/${index}'/0'`);

/** Values out of the range of members with these names, on both surfaces. */
const OUT_OF_RANGE: Readonly<Record<string, readonly Json[]>> = {
  method: ['', 'getorganization', 'GetOrganization', 'toString', '__proto__'],
  timestampMs: [-1, 8_640_000_000_000_001, 1.5],
  organizationId: IDS,
  ownerOrganizationId: IDS,
  targetOrganizationId: IDS,
  walletId: IDS,
  authenticatorId: IDS,
  organizationName: NAMES,
  username: NAMES,
  authenticatorName: NAMES,
  walletName: NAMES,
  tag: NAMES,
  policyName: NAMES,
  targetPolicyName: NAMES,
  tags: [['a', 'a'], [''], many(33)],
  limit: [0, 101, -1],
  offset: [-1, 1_000_000_001],
  expiresInMs: [0, -1, 315_360_000_001],
  mnemonicLength: [0, 11, 13, 25],
  curve: ['Ed448', 'secp256k1', ''],
  addressFormat: ['Tron', 'solana', ''],
  algorithm: ['RSA', 'none', ''],
  authenticatorKind: ['totp', 'Keypair'],
  preset: ['ANY', 'allow_all'],
  role: ['OWNER', 'admin'],
  version: ['v2', 'V0'],
  scopes: [[], ['owner', 'owner'], ['everything']],
  derivationAllowlist: [[], many(65)],
  derivationPath: PATHS,
  derivationPaths: [many(65), ["m/44'/501'/0'/0'", "m/44'/501'/0'/0'"], PATHS],
  accounts: [many(65), ["m/44'/501'/0'/0'", "m/44'/501'/0'/0'"], PATHS],
  chain: ['dogecoin', 'SOLANA!', ''],
  network: ['moon', 'eip155:', ''],
  kind: ['EIP_4844', 'rlp_encoded'],
  account: ['', 'not an address', 'x'.repeat(129)],
};

/** Members that hold bytes as base64, base64url or hexadecimal. */
const ENCODED = ['payload', 'publicKey', 'proof', 'encryptedSecret', 'envelope', 'transaction', 'bytes'];

/** Paths of values whose member has one of these names, outside of typed data. */
function named(value: Json, names: readonly string[]): Path[] {
  return [...places(value, 'leaf'), ...places(value, 'list')].filter(
    (path) => names.includes(String(path.at(-1))) && !path.includes('typedData'),
  );
}

/** The value at a path. */
const at = (value: Json, path: Path): Json =>
  path.reduce((inner, key) => (inner as Record<string | number, Json>)[key], value);

/** A text that is almost base64, base64url or hexadecimal. */
function misspelt(text: string, pick: <T>(list: readonly T[]) => T): string {
  if (text.startsWith('0x'))
    return pick([text.slice(2), `${text}a`, `${text.slice(0, -2)}zz`, `0X${text.slice(2)}`]);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // The bits behind the last byte are zeros in the one way to write these bytes.
  const last = alphabet[alphabet.indexOf(text.at(-1)!) + 1]!;
  const unused = text.length % 4 === 0 ? `${text}A` : `${text.slice(0, -1)}${last}`;
  return pick([`${text}!`, `${text}====`, ` ${text}`, `${text.slice(0, 2)}\n${text.slice(2)}`, unused]);
}

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

export interface FaultMaker {
  readonly key: StampKey;
  readonly deploymentId: string;
  readonly random: (below: number) => number;
}

/** One faulty request of a kind. What it says of a wallet, user or key stays as it is: nothing else is wrong. */
export function faulty(maker: FaultMaker, accepted: AcceptedRequest, kind: FaultKind): FaultyRequest {
  const { random } = maker;
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const hasTime = accepted.surface === 'compatibility' && accepted.route === 'rpc';
  const fresh: Document = hasTime ? { ...accepted.request, timestampMs: Date.now() } : accepted.request;
  const path = pathOf(accepted);
  const stamped = (fault: string, body: Uint8Array): FaultyRequest => ({
    kind,
    fault,
    path,
    body,
    headers: headersOf(maker, accepted, body),
  });
  const document = (fault: string, value: Json) => stamped(fault, utf8(JSON.stringify(value)));
  const text = JSON.stringify(fresh);

  switch (kind) {
    case 'schema': {
      const form = random(3);
      const ranged = named(fresh, Object.keys(OUT_OF_RANGE));
      if (form === 1 && ranged.length > 0) {
        const place = pick(ranged);
        const by = pick(OUT_OF_RANGE[String(place.at(-1))]!);
        return document(
          `${JSON.stringify(by).slice(0, 60)} at ${place.join('.')}`,
          replaced(fresh, place, () => by),
        );
      }
      if (form === 0) {
        const missing = pick(requiredOf(accepted));
        return document(
          `without ${missing.join('.')}`,
          replaced(fresh, missing.slice(0, -1), without(String(missing.at(-1)))),
        );
      }
      const place = pick(places(fresh, 'object'));
      const name = pick(['unknownMember', 'constructor', 'toString', 'Method', 'id', 'jsonrpc']);
      return document(
        `${name} added at ${place.join('.')}`,
        replaced(fresh, place, (old) => ({ ...(old as object), [name]: pick([{ a: 1 }, [[]], 1.5]) })),
      );
    }
    case 'type': {
      const place = pick(places(fresh, 'leaf'));
      const by = pick([1.5, [[[]]], { unknown: {} }, -1e300]);
      return document(
        `${JSON.stringify(by)} at ${place.join('.')}`,
        replaced(fresh, place, () => by),
      );
    }
    case 'json': {
      const cut = 1 + random(text.length - 1);
      const forms: [string, string][] = [
        ['cut short', text.slice(0, cut)],
        ['bytes behind the end', text + pick(['x', '{}', '\u0000', ',', ']'])],
        ['a member twice', `${text.slice(0, -1)},"${pick(Object.keys(fresh))}":null}`],
        ['a list around it', `[${text}]`],
        ['no quotes', text.replace(/"([A-Za-z]+)":/, '$1:')],
        ['single quotes', text.replaceAll('"', "'")],
        ['a comma too many', `${text.slice(0, -1)},}`],
        ['a comment', `/* */${text}`],
        ['NaN', `${text.slice(0, -1)},"x":NaN}`],
        ['a number beyond its range', `${text.slice(0, -1)},"x":1e999}`],
        ['an unsafe integer', `${text.slice(0, -1)},"x":9007199254740993}`],
        ['__proto__', `${text.slice(0, -1)},"__proto__":{}}`],
        ['nothing', pick(['', ' ', '\n'])],
        ['no object', pick(['null', '1', 'true', '"x"', '[]'])],
      ];
      const [fault, body] = pick(forms);
      return stamped(fault, utf8(body));
    }
    case 'depth': {
      const place = pick(places(fresh, 'leaf'));
      const marker = '"@"';
      const levels = pick([33, 34, 64, 1000, 20_000]);
      const shape = JSON.stringify(replaced(fresh, place, () => '@')).replace(marker, nested(levels));
      return stamped(`${levels} levels at ${place.join('.')}`, utf8(shape));
    }
    case 'size': {
      const padding = 262_145 - text.length;
      const place = pick(places(fresh, 'leaf'));
      // Texts inside typed data have no limit but that of the body.
      if (random(8) === 0 || place.includes('typedData'))
        return stamped('one byte too many', utf8(`${text.slice(0, -1)}${' '.repeat(padding)}}`));
      // Beyond every limit also where the characters are base64 of fewer bytes.
      const length = 176_000 + random(60_000);
      return document(
        `${length} characters at ${place.join('.')}`,
        replaced(fresh, place, () => pick(['A', 'x', '9']).repeat(length)),
      );
    }
    case 'encoding': {
      const form = random(3);
      if (form === 0) return coded(maker, accepted, utf8(text));
      const texts = named(fresh, ENCODED).filter((path) => typeof at(fresh, path) === 'string');
      if (form === 1 && texts.length > 0) {
        const place = pick(texts);
        return document(
          `misspelt at ${place.join('.')}`,
          replaced(fresh, place, (old) => misspelt(old as string, pick)),
        );
      }
      const place = pick(places(fresh, 'leaf'));
      const spoiled = (bytes: string) => {
        const value = JSON.stringify(replaced(fresh, place, () => '@'));
        const [head, tail] = value.split('"@"') as [string, string];
        return Buffer.concat([utf8(`${head}"`), Buffer.from(bytes, 'hex'), utf8(`"${tail}`)]);
      };
      const forms: [string, Uint8Array][] = [
        ['UTF-16', Buffer.from(text, 'utf16le')],
        ['a byte order mark', Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), utf8(text)])],
        ['a byte that is no UTF-8', spoiled(pick(['ff', 'c0af', 'eda080', 'f5808080', 'e28228']))],
        ['a control character', spoiled(pick(['00', '0a', '1f', '09']))],
        ['a lone surrogate', utf8(text.replace(/":"/, '":"\\ud800'))],
        ['an unknown escape', utf8(text.replace(/":"/, '":"\\x41'))],
      ];
      const [fault, body] = pick(forms);
      return stamped(fault, body);
    }
    case 'stamp':
      return accepted.surface === 'native'
        ? nativeFault(maker, path, utf8(text))
        : pkiFault(maker, path, utf8(text), accepted);
  }
}

function headersOf({ key, deploymentId }: FaultMaker, accepted: AcceptedRequest, body: Uint8Array): Headers {
  return accepted.surface === 'native'
    ? nativeStamp(key, { path: pathOf(accepted), body, deploymentId })
    : { 'x-phantom-stamp': pkiStamp(key, body) };
}

/** A body that is not sent as the bytes that it is. */
function coded(maker: FaultMaker, accepted: AcceptedRequest, body: Uint8Array): FaultyRequest {
  const zipped = gzipSync(body);
  const path = pathOf(accepted);
  const header = (bytes: Uint8Array, more: Headers) => ({ ...headersOf(maker, accepted, bytes), ...more });
  const forms: [string, Uint8Array, Headers, string?][] = [
    ['gzip', zipped, header(zipped, { 'content-encoding': 'gzip' })],
    ['gzip, stamped before', zipped, header(body, { 'content-encoding': 'gzip' })],
    ['plain, called gzip', body, header(body, { 'content-encoding': 'gzip' })],
    ['gzip, called plain', zipped, header(zipped, {})],
    ['an unknown coding', body, header(body, { 'content-encoding': 'identity, br' })],
    ['chunked', body, header(body, { 'transfer-encoding': 'chunked' })],
    ['a query', body, header(body, {}), `${path}?x=1`],
    ['an escaped path', body, header(body, {}), path.replace('v1', '%761')],
  ];
  const [fault, bytes, headers, written = path] = forms[maker.random(forms.length)]!;
  return { kind: 'encoding', fault, path: written, body: bytes, headers };
}

function flipped(base64: string, random: (below: number) => number): string {
  const bytes = Buffer.from(base64, 'base64url');
  bytes[random(bytes.length)]! ^= 1 << random(8);
  return bytes.toString('base64url');
}

function pkiFault(
  { key, random, deploymentId }: FaultMaker,
  path: string,
  body: Uint8Array,
  { route }: AcceptedRequest,
): FaultyRequest {
  const other = newStampKey();
  const signature = Buffer.from(key.sign(body)).toString('base64url');
  const stamp = (changed: Record<string, unknown>) => ({ 'x-phantom-stamp': pkiStamp(key, body, changed) });
  const whole = pkiStamp(key, body);
  const time = Date.now() + (random(2) === 0 ? -1 : 1) * (301_000 + random(10_000_000));
  const late = utf8(JSON.stringify({ ...JSON.parse(Buffer.from(body).toString()), timestampMs: time }));
  const forms: [string, Headers, Uint8Array?][] = [
    ['a bit of the signature', stamp({ signature: flipped(signature, random) })],
    ['a bit of the key', stamp({ publicKey: flipped(key.publicKey, random) })],
    [
      'the signature of another key',
      stamp({ signature: Buffer.from(other.sign(body)).toString('base64url') }),
    ],
    ['an unknown key', { 'x-phantom-stamp': pkiStamp(other, body) }],
    ['of other bytes', { 'x-phantom-stamp': pkiStamp(key, Buffer.concat([body, utf8(' ')])) }],
    ['no stamp', {}],
    ['an empty stamp', { 'x-phantom-stamp': '' }],
    ['cut short', { 'x-phantom-stamp': whole.slice(0, 1 + random(whole.length - 1)) }],
    ['padded', { 'x-phantom-stamp': `${whole}=` }],
    ['no base64url', { 'x-phantom-stamp': `${whole.slice(0, -2)}!*` }],
    ['twice', { 'x-phantom-stamp': [whole, whole] }],
    ['another kind', stamp({ kind: 'X509' })],
    ['of Connect', stamp({ kind: 'OIDC', idToken: 'e30.e30.x', salt: '' })],
    ['another algorithm', stamp({ algorithm: 'RSA' })],
    ['the algorithm of another key', stamp({ algorithm: 'Secp256r1' })],
    ['an unknown member', stamp({ note: 'x' })],
    ['a short signature', stamp({ signature: signature.slice(0, 40) })],
    ['no signature', stamp({ signature: undefined })],
    ['a number for a signature', stamp({ signature: 1 })],
    ['a key of low order', stamp({ publicKey: Buffer.alloc(32).toString('base64url') })],
    ['a stamp of both kinds', { ...stamp({}), ...nativeStamp(key, { path, body, deploymentId }) }],
    ...(route === 'rpc'
      ? ([['out of its time', { 'x-phantom-stamp': pkiStamp(key, late) }, late]] as [
          string,
          Headers,
          Uint8Array,
        ][])
      : []),
  ];
  const [fault, headers, bytes = body] = forms[random(forms.length)]!;
  return { kind: 'stamp', fault, path, body: bytes, headers };
}

function nativeFault(maker: FaultMaker, path: string, body: Uint8Array): FaultyRequest {
  const { key, random, deploymentId } = maker;
  const now = Math.floor(Date.now() / 1000);
  const good = nativeStamp(key, { path, body, deploymentId });
  const made = (changed: Partial<Parameters<typeof nativeStamp>[1]>) =>
    nativeStamp(key, { path, body, deploymentId, ...changed });
  const omit = (name: string) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
  const signature = good.signature!.slice('keystead=:'.length, -1);
  const broken = Buffer.from(signature, 'base64');
  broken[random(64)]! ^= 1 << random(8);
  const forms: [string, Headers][] = [
    ...Object.keys(good).map((name): [string, Headers] => [`without ${name}`, omit(name)]),
    ['a bit of the signature', { ...good, signature: `keystead=:${broken.toString('base64')}:` }],
    ['an unknown key', nativeStamp(newStampKey(), { path, body, deploymentId })],
    ['another path', made({ path: '/v1/wallets/kms/rpc' })],
    ['of other bytes', made({ body: utf8('{}') })],
    ['another deployment', made({ deploymentId: Buffer.alloc(32, 5).toString('base64url') })],
    ['expired', made({ created: now - 600, expires: now - 540 })],
    ['from the future', made({ created: now + 600, expires: now + 660 })],
    ['valid for too long', made({ created: now, expires: now + 3600 })],
    ['expired before it was created', made({ created: now, expires: now - 1 })],
    ['a short nonce', made({ nonce: 'abc' })],
    ['a nonce with other characters', made({ nonce: `${'a'.repeat(20)}+/` })],
    ['a wrong origin', made({ origin: 'javascript:x' })],
    ['a malformed seen', made({ seen: 'everything' })],
    ['another label', { ...good, signature: good.signature!.replace('keystead=', 'sig1=') }],
    [
      'another tag',
      { ...good, 'signature-input': good['signature-input']!.replace('tag="keystead"', 'tag="x"') },
    ],
    ['a component less', { ...good, 'signature-input': good['signature-input']!.replace(' "@path"', '') }],
    [
      'another algorithm',
      { ...good, 'signature-input': good['signature-input']!.replace('ed25519', 'hmac-sha256') },
    ],
    ['another digest', { ...good, 'content-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }],
    [
      'a digest of another kind',
      { ...good, 'content-digest': good['content-digest']!.replace('256', '512') },
    ],
    ['no base64', { ...good, signature: 'keystead=:####:' }],
    ['twice', { ...good, signature: [good.signature!, good.signature!] }],
    ['a stamp of both kinds', { ...good, 'x-phantom-stamp': pkiStamp(key, body) }],
  ];
  const [fault, headers] = forms[random(forms.length)]!;
  return { kind: 'stamp', fault, path, body, headers };
}
