import type { Outflow } from '../effects.ts';
import { authorisedByUs, DataReader, type EffectsCollector, type Instruction } from './instruction.ts';
import { SOL, tokenAsset, UNKNOWN_TOKEN } from './programs.ts';

/** `key`: 32 bytes. `option`: a byte 0 or 1 and, after 1, 32 bytes. A number: so many bytes. */
type Field = 'key' | 'option' | number;

/**
 * What an instruction of an extension means for us. `plain` moves nothing of ours and gives nobody power over what we
 * hold. `explicit`: its consequence cannot be bounded from the bytes, whoever signs. `authority`: the same, when our key
 * is the authority. `sweep`: all withheld fees go to account 1. `burn`: tokens of account 0 end.
 */
interface Extension {
  readonly name: string;
  readonly data: readonly Field[];
  readonly accounts: number;
  readonly authority: number | null;
  readonly meaning:
    | { readonly kind: 'plain' }
    | { readonly kind: 'explicit' | 'authority'; readonly doubt: string; readonly why: string }
    | { readonly kind: 'sweep' | 'burn' };
}

const plain = { kind: 'plain' } as const;
const explicit = (doubt: string, why: string) => ({ kind: 'explicit', doubt, why }) as const;
const forAuthority = (doubt: string, why: string) => ({ kind: 'authority', doubt, why }) as const;
const HOOK = 'a hook runs code of the mint in every transfer';
const PAUSE = 'the mint can stop every transfer of its token';
const ISSUER = 'the rules of a token that others hold change';

function extension(
  name: string,
  data: readonly Field[],
  accounts: number,
  authority: number | null,
  meaning: Extension['meaning'] = plain,
): Extension {
  return { name: `token.${name}`, data, accounts, authority, meaning };
}

/** Instructions by discriminator, and `discriminator.second` where a second byte tells them apart. */
const EXTENSIONS: ReadonlyMap<string, Extension> = new Map([
  ['25', extension('initialize-mint-close-authority', ['option'], 1, null)],
  ['26.0', extension('initialize-transfer-fee', ['option', 'option', 2, 8], 1, null)],
  ['26.2', extension('withdraw-withheld-from-mint', [], 3, 2, { kind: 'sweep' })],
  ['26.3', extension('withdraw-withheld-from-accounts', [1], 3, 2, { kind: 'sweep' })],
  ['26.4', extension('harvest-withheld-to-mint', [], 1, null)],
  ['26.5', extension('set-transfer-fee', [2, 8], 2, 1, forAuthority('token-issuer', ISSUER))],
  ['28.0', extension('initialize-default-account-state', [1], 1, null)],
  ['28.1', extension('update-default-account-state', [1], 2, 1, forAuthority('token-issuer', ISSUER))],
  ['30.0', extension('enable-memo-transfers', [], 2, 1)],
  ['30.1', extension('disable-memo-transfers', [], 2, 1)],
  ['32', extension('initialize-non-transferable-mint', [], 1, null)],
  ['33.0', extension('initialize-interest-bearing-mint', ['key', 2], 1, null)],
  ['33.1', extension('update-interest-rate', [2], 2, 1)],
  ['34.0', extension('enable-cpi-guard', [], 2, 1)],
  [
    '34.1',
    extension(
      'disable-cpi-guard',
      [],
      2,
      1,
      forAuthority('cpi-guard-off', 'programs that we call could move and approve from the account again'),
    ),
  ],
  [
    '35',
    extension(
      'initialize-permanent-delegate',
      ['key'],
      1,
      null,
      explicit('permanent-delegate', 'the delegate can take the token from everybody, for ever'),
    ),
  ],
  ['36.0', extension('initialize-transfer-hook', ['key', 'key'], 1, null, explicit('transfer-hook', HOOK))],
  ['36.1', extension('update-transfer-hook', ['key'], 2, 1, forAuthority('transfer-hook', HOOK))],
  ['39.0', extension('initialize-metadata-pointer', ['key', 'key'], 1, null)],
  ['39.1', extension('update-metadata-pointer', ['key'], 2, 1)],
  ['40.0', extension('initialize-group-pointer', ['key', 'key'], 1, null)],
  ['40.1', extension('update-group-pointer', ['key'], 2, 1)],
  ['41.0', extension('initialize-group-member-pointer', ['key', 'key'], 1, null)],
  ['41.1', extension('update-group-member-pointer', ['key'], 2, 1)],
  // Changes how amounts are shown, and nothing that is moved.
  ['43.0', extension('initialize-scaled-ui-amount', ['key', 8], 1, null)],
  ['43.1', extension('update-scaled-ui-amount', [8, 8], 2, 1)],
  ['44.0', extension('initialize-pausable', ['key'], 1, null, explicit('pausable', PAUSE))],
  ['44.1', extension('pause', [], 2, 1, forAuthority('pausable', PAUSE))],
  ['44.2', extension('resume', [], 2, 1, forAuthority('pausable', PAUSE))],
  ['46.0', extension('initialize-permissioned-burn', ['key'], 1, null)],
  ['46.1', extension('permissioned-burn', [8], 4, 3, { kind: 'burn' })],
  ['46.2', extension('permissioned-burn-checked', [8, 1], 4, 3, { kind: 'burn' })],
]);

/** Amounts of these are encrypted; nothing in the bytes says how much moves. Fees, minting and burning included. */
const CONFIDENTIAL: ReadonlyMap<number, string> = new Map([
  [27, 'confidential-transfer'],
  [37, 'confidential-transfer-fee'],
  [42, 'confidential-mint-burn'],
]);
const REALLOCATE = 29;
const CREATE_NATIVE_MINT = 31;

/** (128 + size) × 6,960 lamports make an account rent exempt; this is the rent of 200 bytes. */
const NATIVE_MINT_RENT = 2_282_880n;
/** Rent of 400 bytes: the largest extension of an account, for confidential transfers, has fewer than 300. */
const RENT_PER_EXTENSION = 6_960n * 400n;

/** Every instruction that only Token-2022 has. */
export const TOKEN_EXTENSION_NAMES: readonly string[] = [
  ...[...EXTENSIONS.values()].map(({ name }) => name),
  ...[...CONFIDENTIAL.values()].map((name) => `token.${name}`),
  'token.reallocate',
  'token.create-native-mint',
];

/** Effects of an instruction that only Token-2022 has; false when it is not known. */
export function readTokenExtension(instruction: Instruction, effects: EffectsCollector): boolean {
  const [first, second] = instruction.data;
  if (first === undefined) return false;
  const confidential = CONFIDENTIAL.get(first) ?? (first === 46 && second === 3 ? 'confidential-burn' : null);
  if (confidential !== null) {
    effects.call(instruction, `token.${confidential}`, { discriminator: `${first}.${second ?? ''}` });
    effects.doubt(
      'confidential-transfer',
      instruction.field,
      'the amount is encrypted, so that nothing bounds it',
      `token.${confidential}`,
    );
    return true;
  }
  if (first === REALLOCATE || first === CREATE_NATIVE_MINT) {
    readRent(instruction, effects, first);
    return true;
  }
  const single = EXTENSIONS.get(String(first));
  const known = single ?? (second === undefined ? undefined : EXTENSIONS.get(`${first}.${second}`));
  if (known === undefined) return false;
  readKnown(instruction, effects, known, single === undefined ? 2 : 1);
  return true;
}

function readKnown(
  instruction: Instruction,
  effects: EffectsCollector,
  { name, data, accounts, authority, meaning }: Extension,
  start: number,
): void {
  const reader = new DataReader(instruction.data.subarray(start));
  const details: Record<string, string> = {
    discriminator: [...instruction.data.subarray(0, start)].join('.'),
  };
  let amount = 0n;
  for (const [index, field] of data.entries()) {
    if (field === 'key') {
      details[`key${index}`] = reader.key();
    } else if (field === 'option') {
      const some = reader.u8();
      if (some === 1) details[`key${index}`] = reader.key();
      if (some > 1) {
        effects.doubt(
          'malformed-instruction-data',
          `${instruction.field}.data`,
          'an option is neither 0 nor 1',
        );
      }
    } else if (meaning.kind === 'burn' && index === 0) {
      amount = reader.u64();
      details.amount = String(amount);
    } else {
      reader.bytes(field);
    }
  }
  if (effects.complete(instruction, reader, accounts)) {
    details.account = instruction.accounts[0]!.label;
    const ours = authority !== null && authorisedByUs(instruction, authority);
    if (meaning.kind === 'explicit' || (meaning.kind === 'authority' && ours)) {
      effects.doubt(meaning.doubt, instruction.field, meaning.why, name);
    }
    if (ours && meaning.kind === 'sweep') sweep(instruction, effects);
    if (ours && meaning.kind === 'burn') burn(instruction, effects, amount);
  }
  effects.call(instruction, name, details);
}

/** Withheld fees of all accounts that are named go to the account at 1. */
function sweep(instruction: Instruction, effects: EffectsCollector): void {
  const mint = effects.resolve(instruction, 0);
  const receiver = effects.resolve(instruction, 1);
  const to = receiver === null ? null : (effects.ownerOf(receiver, mint, instruction.program) ?? receiver);
  const asset = mint === null ? UNKNOWN_TOKEN : tokenAsset(mint);
  effects.outflows.push({ asset, amount: 'unbounded', from: mint ?? '', to, kind: 'other' });
}

function burn(instruction: Instruction, effects: EffectsCollector, amount: bigint): void {
  const mint = effects.resolve(instruction, 1);
  const asset = mint === null ? UNKNOWN_TOKEN : tokenAsset(mint);
  const from = instruction.accounts[0]!.label;
  effects.outflows.push({ asset, amount, from, to: null, kind: 'burn' });
}

/** What makes an account larger is paid by its payer; the figure is a bound. */
function readRent(instruction: Instruction, effects: EffectsCollector, discriminator: number): void {
  const grows = discriminator === REALLOCATE;
  const reader = new DataReader(instruction.data.subarray(1));
  const types: number[] = [];
  while (grows && reader.remaining > 1) types.push(reader.u16());
  const name = grows ? 'token.reallocate' : 'token.create-native-mint';
  const details: Record<string, string> = { discriminator: String(discriminator) };
  if (grows) details.extensions = types.join(',');
  const payer = grows ? 1 : 0;
  if (effects.complete(instruction, reader, grows ? 4 : 3)) {
    details.account = instruction.accounts[grows ? 0 : 1]!.label;
    if (instruction.accounts[payer]!.ours) {
      const amount: Outflow['amount'] = grows
        ? RENT_PER_EXTENSION * BigInt(Math.max(1, types.length))
        : NATIVE_MINT_RENT;
      effects.outflows.push({ asset: SOL, amount, from: effects.ours, to: details.account, kind: 'rent' });
    }
  }
  effects.call(instruction, name, details);
}
