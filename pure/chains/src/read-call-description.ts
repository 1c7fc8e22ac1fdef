import type { BorshType, CallDescription } from './call-description.ts';
import { ChainError } from './error.ts';
import { parseSignature } from './ethereum/abi.ts';
import { parseAddress as parseEthereumAddress } from './ethereum/address.ts';
import { parseAddress as parseSolanaAddress } from './solana/address.ts';

const NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const FIELD = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const NETWORK = /^eip155:[1-9][0-9]{0,15}$/;
const SIMPLE_TYPES: ReadonlySet<unknown> = new Set([
  'bool',
  ...[8, 16, 32, 64, 128].flatMap((bits) => [`u${bits}`, `i${bits}`]),
  'publicKey',
  'string',
  'bytes',
]);
const MOST_FIELDS = 64;
const LONGEST_SIGNATURE = 1024;
const LONGEST_ARRAY = 256;
const DEEPEST_TYPE = 8;

type Members = Readonly<Record<string, unknown>>;

/**
 * A description from JSON, as a policy holds it. Everything that decoding relies on is checked here, once, when the policy
 * is read: unknown members, names, addresses, signatures, layouts.
 * @throws ChainError `call-description-malformed` with the member at fault
 */
export function readCallDescription(value: unknown): CallDescription {
  const members = membersOf(value, '');
  if (members.chain === 'ethereum') {
    only(members, ['chain', 'name', 'network', 'contract', 'signature']);
    const signature = text(members, 'signature', (given) => given.length <= LONGEST_SIGNATURE);
    const contract = text(members, 'contract', () => true);
    attempt('contract', () => parseEthereumAddress(contract));
    attempt('signature', () => {
      const { fields } = parseSignature(signature);
      if (new Set(fields.map(({ name }) => name)).size < fields.length) throw new TypeError('names repeat');
      if (fields.some(({ name }) => name === '')) throw new TypeError('a parameter has no name');
    });
    return {
      chain: 'ethereum',
      name: text(members, 'name', (given) => NAME.test(given)),
      network: text(members, 'network', (given) => NETWORK.test(given)),
      contract,
      signature,
    };
  }
  if (members.chain !== 'solana') throw malformed('is neither ethereum nor solana', 'chain');
  only(members, ['chain', 'name', 'program', 'discriminator', 'arguments', 'accounts', 'moreAccounts']);
  const program = text(members, 'program', () => true);
  attempt('program', () => parseSolanaAddress(program));
  const discriminator = text(members, 'discriminator', (given) => /^([0-9a-f]{2}){1,16}$/.test(given));
  if (members.moreAccounts !== undefined && typeof members.moreAccounts !== 'boolean') {
    throw malformed('is neither true nor false', 'moreAccounts');
  }
  const given = list(members, 'arguments').map((each, index) => {
    const at = `arguments[${index}]`;
    const argument = membersOf(each, at);
    only(argument, ['name', 'type'], at);
    return {
      name: text(argument, 'name', (name) => FIELD.test(name), at),
      type: borshType(argument.type, `${at}.type`, 0),
    };
  });
  const accounts = list(members, 'accounts').map((each, index) => {
    if (typeof each !== 'string' || !FIELD.test(each)) throw malformed('is no name', `accounts[${index}]`);
    return each;
  });
  for (const names of [given.map(({ name }) => name), accounts]) {
    if (new Set(names).size < names.length) throw malformed('names repeat', 'arguments');
  }
  return {
    chain: 'solana',
    name: text(members, 'name', (name) => NAME.test(name)),
    program,
    discriminator,
    arguments: given,
    accounts,
    ...(members.moreAccounts === true ? { moreAccounts: true } : {}),
  };
}

function borshType(value: unknown, field: string, depth: number): BorshType {
  if (depth > DEEPEST_TYPE) throw malformed('is nested too deeply', field);
  if (SIMPLE_TYPES.has(value)) return value as BorshType;
  const members = membersOf(value, field);
  const [kind, ...more] = Object.keys(members);
  if (more.length > 0) throw malformed('is no type', field);
  if (kind === 'option') return { option: borshType(members.option, `${field}.option`, depth + 1) };
  if (kind === 'vec') return { vec: borshType(members.vec, `${field}.vec`, depth + 1) };
  const { array } = members;
  const length: unknown = Array.isArray(array) && array.length === 2 ? array[1] : null;
  if (typeof length !== 'number' || !Number.isInteger(length) || length < 0 || length > LONGEST_ARRAY) {
    throw malformed('is no type', field);
  }
  return { array: [borshType((array as unknown[])[0], `${field}.array`, depth + 1), length] };
}

function membersOf(value: unknown, field: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw malformed('is no object', field);
}

function only(members: Members, known: readonly string[], at = ''): void {
  for (const name of Object.keys(members)) {
    if (!known.includes(name)) throw malformed('is unknown', at === '' ? name : `${at}.${name}`);
  }
}

function text(members: Members, name: string, fits: (value: string) => boolean, at = ''): string {
  const value = Object.hasOwn(members, name) ? members[name] : undefined;
  if (typeof value === 'string' && fits(value)) return value;
  throw malformed('is missing or not of its form', at === '' ? name : `${at}.${name}`);
}

function list(members: Members, name: string): readonly unknown[] {
  const value = members[name];
  if (Array.isArray(value) && value.length <= MOST_FIELDS) return value;
  throw malformed(`is no list of at most ${MOST_FIELDS}`, name);
}

/** Other code's errors about a member become one of ours. */
function attempt(field: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw malformed(`is not of its form: ${(error as Error).message}`, field);
  }
}

function malformed(detail: string, field: string): ChainError {
  return new ChainError('call-description-malformed', `${field || 'the description'} ${detail}`, field);
}
