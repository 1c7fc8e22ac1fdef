import { utf8Decode } from '@keystead/crypto/bytes';
import type { Outflow } from '../effects.ts';
import { authorisedByUs, DataReader, type EffectsCollector, type Instruction } from './instruction.ts';
import { SOL, TOKEN_2022_PROGRAM, tokenAsset, UNKNOWN_TOKEN } from './programs.ts';
import { readTokenExtension } from './token-extension.ts';

/** Instructions that SPL Token and Token-2022 share, by discriminator. */
export const TOKEN_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'token.initialize-mint'],
  [1, 'token.initialize-account'],
  [2, 'token.initialize-multisig'],
  [3, 'token.transfer'],
  [4, 'token.approve'],
  [5, 'token.revoke'],
  [6, 'token.set-authority'],
  [7, 'token.mint-to'],
  [8, 'token.burn'],
  [9, 'token.close-account'],
  [10, 'token.freeze-account'],
  [11, 'token.thaw-account'],
  [12, 'token.transfer-checked'],
  [13, 'token.approve-checked'],
  [14, 'token.mint-to-checked'],
  [15, 'token.burn-checked'],
  [16, 'token.initialize-account2'],
  [17, 'token.sync-native'],
  [18, 'token.initialize-account3'],
  [19, 'token.initialize-multisig2'],
  [20, 'token.initialize-mint2'],
  [21, 'token.get-account-data-size'],
  [22, 'token.initialize-immutable-owner'],
  [23, 'token.amount-to-ui-amount'],
  [24, 'token.ui-amount-to-amount'],
  [38, 'token.withdraw-excess-lamports'],
  [45, 'token.unwrap-lamports'],
]);

/** The first four are those of SPL Token; the rest are of the extensions of Token-2022. */
export const AUTHORITY_TYPES: readonly string[] = [
  'mint-tokens',
  'freeze-account',
  'account-owner',
  'close-account',
  'transfer-fee-config',
  'withheld-withdraw',
  'close-mint',
  'interest-rate',
  'permanent-delegate',
  'confidential-transfer-mint',
  'transfer-hook-program',
  'confidential-transfer-fee-config',
  'metadata-pointer',
  'group-pointer',
  'group-member-pointer',
  'scaled-ui-amount',
  'pause',
  'permissioned-burn',
];

const BATCH = 255;
const DEEPEST_BATCH = 2;
const MOST_BATCHED = 64;
const U64_MAX = 2n ** 64n - 1n;

/** Accounts whose lamports the transaction turns into wrapped SOL, batches included. */
export function collectWrapped(instruction: Instruction, wrapped: Set<string>, depth = 0): void {
  const address = instruction.accounts[0]?.address;
  if (instruction.data[0] === 17 && address) wrapped.add(address);
  if (instruction.data[0] !== BATCH || depth >= DEEPEST_BATCH) return;
  for (const inner of splitBatch(instruction) ?? []) collectWrapped(inner, wrapped, depth + 1);
}

/** Instructions of a batch: each one is a count of accounts, a length of data, and that data; null when malformed. */
function splitBatch(instruction: Instruction): Instruction[] | null {
  const { data, accounts } = instruction;
  const inner: Instruction[] = [];
  let offset = 1;
  let taken = 0;
  while (offset < data.length) {
    if (offset + 2 > data.length || inner.length === MOST_BATCHED) return null;
    const count = data[offset]!;
    const length = data[offset + 1]!;
    offset += 2;
    if (offset + length > data.length || taken + count > accounts.length) return null;
    inner.push({
      field: `${instruction.field}.batch[${inner.length}]`,
      program: instruction.program,
      accounts: accounts.slice(taken, taken + count),
      data: data.subarray(offset, offset + length),
    });
    offset += length;
    taken += count;
  }
  return inner.length > 0 && taken === accounts.length ? inner : null;
}

/** Effects of one instruction of SPL Token or Token-2022 (u8 discriminator), batches included. */
export function readToken(instruction: Instruction, effects: EffectsCollector, depth = 0): void {
  effects.steps.spend(1 + instruction.accounts.length + instruction.data.length, instruction.field);
  const discriminator = instruction.data[0];
  if (discriminator === BATCH) {
    readBatch(instruction, effects, depth);
    return;
  }
  if (discriminator === 26 && instruction.data[1] === 1 && instruction.program === TOKEN_2022_PROGRAM) {
    const reader = new DataReader(instruction.data.subarray(2));
    readTransfer(instruction, effects, reader, 'token.transfer-checked-with-fee');
    return;
  }
  const name = discriminator === undefined ? undefined : TOKEN_NAMES.get(discriminator);
  if (name === undefined && instruction.program === TOKEN_2022_PROGRAM) {
    if (readTokenExtension(instruction, effects)) return;
  }
  if (discriminator === undefined || name === undefined) {
    effects.unknownInstruction(instruction, 'token', discriminator ?? -1);
    return;
  }
  const reader = new DataReader(instruction.data.subarray(1));
  switch (discriminator) {
    case 3:
    case 12:
      readTransfer(instruction, effects, reader, name);
      break;
    case 4:
    case 13:
      readApprove(instruction, effects, reader, name);
      break;
    case 7:
    case 14:
      readMintTo(instruction, effects, reader, name);
      break;
    case 8:
    case 15:
      readBurn(instruction, effects, reader, name);
      break;
    case 6:
      readSetAuthority(instruction, effects, reader, name);
      break;
    case 9:
    case 38:
    case 45:
      readLamportsOut(instruction, effects, reader, name);
      break;
    case 1:
    case 16:
    case 18:
      readInitializeAccount(instruction, effects, reader, name);
      break;
    default:
      readHarmless(instruction, effects, reader, name);
  }
}

function readBatch(instruction: Instruction, effects: EffectsCollector, depth: number): void {
  effects.call(instruction, 'token.batch', { discriminator: String(BATCH) });
  if (depth >= DEEPEST_BATCH) {
    effects.doubt('batch-too-deep', instruction.field, `batches are read ${DEEPEST_BATCH} levels deep`);
    return;
  }
  const inner = splitBatch(instruction);
  if (inner === null) {
    effects.doubt(
      'malformed-instruction-data',
      `${instruction.field}.data`,
      `a batch is 1 to ${MOST_BATCHED} whole instructions that use all its accounts`,
    );
    return;
  }
  for (const each of inner) readToken(each, effects, depth + 1);
}

function label(instruction: Instruction, index: number): string {
  return instruction.accounts[index]!.label;
}

function details(instruction: Instruction, more: Record<string, string>): Record<string, string> {
  return { discriminator: String(instruction.data[0]), ...more };
}

/** Mint as an instruction names it, or as an account made in this transaction has it; null leaves a doubt. */
function mintOf(
  instruction: Instruction,
  effects: EffectsCollector,
  mintIndex: number | null,
  accounts: number[],
) {
  if (mintIndex !== null) return effects.resolve(instruction, mintIndex);
  for (const index of accounts) {
    const address = instruction.accounts[index]!.address;
    if (address === null) continue;
    const mint =
      effects.tokenAccounts.get(address)?.mint ?? effects.context.tokenAccounts?.get(address)?.mint;
    if (mint !== undefined && mint !== null) return mint;
  }
  effects.doubt(
    'token-mint-unknown',
    instruction.field,
    'the instruction does not name the mint that it moves',
  );
  return null;
}

/** Owner of a receiving token account where the bytes prove it, else the token account itself. */
function recipientOf(
  instruction: Instruction,
  effects: EffectsCollector,
  index: number,
  mint: string | null,
): string | null {
  const account = effects.resolve(instruction, index);
  return account === null ? null : (effects.ownerOf(account, mint, instruction.program) ?? account);
}

/** Whether what goes to an owner would be taken for kept. */
function isOwn(owner: string | null, { ours, context }: EffectsCollector): boolean {
  return owner !== null && (owner === ours || context.ownAddresses?.has(owner) === true);
}

function assetOf(mint: string | null): string {
  return mint === null ? UNKNOWN_TOKEN : tokenAsset(mint);
}

function readTransfer(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  const checked = name !== 'token.transfer';
  const withFee = name === 'token.transfer-checked-with-fee';
  const amount = reader.u64();
  const decimals = checked ? reader.u8() : null;
  const fee = withFee ? reader.u64() : null;
  const [destination, authority] = checked ? [2, 3] : [1, 2];
  if (!effects.complete(instruction, reader, authority + 1)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  const ours = authorisedByUs(instruction, authority);
  const more: Record<string, string> = { source: label(instruction, 0), amount: String(amount) };
  more.destination = label(instruction, destination);
  more.authority = label(instruction, authority);
  if (checked) more.mint = label(instruction, 1);
  if (decimals !== null) more.decimals = String(decimals);
  if (fee !== null) more.fee = String(fee);
  if (ours) {
    const mint = mintOf(instruction, effects, checked ? 1 : null, [0, destination]);
    const owner = recipientOf(instruction, effects, destination, mint);
    if (owner !== null) more.owner = owner;
    const asset = assetOf(mint);
    const from = label(instruction, 0);
    const kept = fee === null ? 0n : fee < amount ? fee : amount;
    const to =
      fee === null && instruction.program === TOKEN_2022_PROGRAM && isOwn(owner, effects)
        ? effects.resolve(instruction, destination)
        : owner;
    effects.outflows.push({ asset, amount: amount - kept, from, to, kind: 'transfer' });
    if (kept > 0n) effects.outflows.push({ asset, amount: kept, from, to: null, kind: 'other' });
    // Accounts after a single owner, and accounts that do not sign after a multisignature owner, can only serve a
    // transfer hook, a program of the mint's choice.
    const single = instruction.accounts[authority]!.signer;
    const extra = instruction.accounts.slice(authority + 1);
    if (
      instruction.program === TOKEN_2022_PROGRAM &&
      (single ? extra.length > 0 : extra.some((each) => !each.signer))
    ) {
      effects.doubt(
        'transfer-hook',
        instruction.field,
        'the transfer passes accounts to a hook of the mint',
        mint ?? UNKNOWN_TOKEN,
      );
    }
  }
  effects.call(instruction, name, details(instruction, more));
}

function readApprove(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  const checked = name === 'token.approve-checked';
  const amount = reader.u64();
  if (checked) reader.u8();
  const [delegate, authority] = checked ? [2, 3] : [1, 2];
  if (!effects.complete(instruction, reader, authority + 1)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  if (authorisedByUs(instruction, authority)) {
    const mint = mintOf(instruction, effects, checked ? 1 : null, [0]);
    const spender = effects.resolve(instruction, delegate) ?? label(instruction, delegate);
    effects.grants.push({
      kind: 'delegate',
      spender,
      asset: assetOf(mint),
      amount: amount === U64_MAX ? 'unbounded' : amount,
      expires: null,
    });
  }
  effects.call(
    instruction,
    name,
    details(instruction, {
      source: label(instruction, 0),
      delegate: label(instruction, delegate),
      amount: String(amount),
    }),
  );
}

/** New tokens are counted like an outflow: whoever holds a mint's authority spends it by minting. */
function readMintTo(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  const amount = reader.u64();
  if (name === 'token.mint-to-checked') reader.u8();
  if (!effects.complete(instruction, reader, 3)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  if (authorisedByUs(instruction, 2)) {
    const mint = effects.resolve(instruction, 0);
    const to = recipientOf(instruction, effects, 1, mint);
    effects.outflows.push({ asset: assetOf(mint), amount, from: label(instruction, 0), to, kind: 'other' });
  }
  const more = { mint: label(instruction, 0), destination: label(instruction, 1), amount: String(amount) };
  effects.call(instruction, name, details(instruction, more));
}

function readBurn(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  const amount = reader.u64();
  if (name === 'token.burn-checked') reader.u8();
  if (!effects.complete(instruction, reader, 3)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  if (authorisedByUs(instruction, 2)) {
    const mint = effects.resolve(instruction, 1);
    effects.outflows.push({
      asset: assetOf(mint),
      amount,
      from: label(instruction, 0),
      to: null,
      kind: 'burn',
    });
  }
  const more = { source: label(instruction, 0), mint: label(instruction, 1), amount: String(amount) };
  effects.call(instruction, name, details(instruction, more));
}

function readSetAuthority(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  const type = reader.u8();
  const some = reader.u8();
  const by = some === 1 ? reader.key() : null;
  if (!effects.complete(instruction, reader, 2)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  const known = instruction.program === TOKEN_2022_PROGRAM ? AUTHORITY_TYPES.length : 4;
  const typeName = type < known ? AUTHORITY_TYPES[type]! : `type-${type}`;
  if (type >= known) {
    effects.doubt(
      'unknown-instruction',
      `${instruction.field}.data`,
      `authority type ${type} has no defined meaning here`,
      `${instruction.program}:6:${type}`,
    );
  }
  const account = instruction.accounts[0]!;
  if (account.address !== null) {
    effects.tokenAccounts.delete(account.address);
    effects.disowned.add(account.address);
  }
  if (some > 1) {
    effects.doubt('malformed-instruction-data', `${instruction.field}.data`, 'an option is neither 0 nor 1');
  }
  if (authorisedByUs(instruction, 1) && by !== effects.ours) {
    effects.takeovers.push({ kind: `token-set-authority:${typeName}`, account: account.label, by });
  }
  effects.call(
    instruction,
    name,
    details(instruction, { account: account.label, authorityType: typeName, newAuthority: by ?? '' }),
  );
}

/** CloseAccount, WithdrawExcessLamports and UnwrapLamports: lamports of a token account, all of them unless told. */
function readLamportsOut(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  let amount: Outflow['amount'] = 'unbounded';
  let option = 0;
  if (name === 'token.unwrap-lamports') {
    option = reader.u8();
    if (option === 1) amount = reader.u64();
  }
  if (!effects.complete(instruction, reader, 3)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  if (option > 1) {
    effects.doubt('malformed-instruction-data', `${instruction.field}.data`, 'an option is neither 0 nor 1');
  }
  const source = instruction.accounts[0]!;
  if (name === 'token.close-account' && source.address !== null) effects.tokenAccounts.delete(source.address);
  if (authorisedByUs(instruction, 2) && !instruction.accounts[1]!.ours) {
    const to = effects.resolve(instruction, 1);
    effects.outflows.push({ asset: SOL, amount, from: source.label, to, kind: 'transfer' });
  }
  const more = { account: source.label, destination: label(instruction, 1), lamports: String(amount) };
  effects.call(instruction, name, details(instruction, more));
}

function readInitializeAccount(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  const inData = name !== 'token.initialize-account';
  const written = inData ? reader.key() : null;
  if (!effects.complete(instruction, reader, inData ? 2 : 3)) {
    effects.call(instruction, name, details(instruction, {}));
    return;
  }
  const { accounts } = instruction;
  const owner = inData ? written : accounts[2]!.address;
  if (accounts[0]!.address !== null) {
    effects.tokenAccounts.set(accounts[0]!.address, { owner, mint: accounts[1]!.address });
  }
  const more = { account: label(instruction, 0), mint: label(instruction, 1), owner: owner ?? '' };
  effects.call(instruction, name, details(instruction, more));
}

/** Instructions that move nothing and give nobody power over what exists: only their shape is checked. */
function readHarmless(
  instruction: Instruction,
  effects: EffectsCollector,
  reader: DataReader,
  name: string,
): void {
  let accounts = 1;
  switch (instruction.data[0]) {
    case 0:
    case 20: {
      reader.bytes(33);
      const option = reader.u8();
      // Some clients write the absent freeze authority as 32 zero bytes.
      if (option === 1 || reader.remaining === 32) reader.bytes(32);
      break;
    }
    case 2:
    case 19:
      reader.u8();
      accounts = 2;
      break;
    case 5:
      accounts = 2;
      break;
    case 10:
    case 11:
      accounts = 3;
      break;
    case 21:
      // Token-2022 lists extension types, two bytes each.
      reader.bytes(instruction.program === TOKEN_2022_PROGRAM ? reader.remaining : 0);
      break;
    case 23:
      reader.u64();
      break;
    case 24:
      if (!isText(reader.bytes(reader.remaining))) {
        effects.doubt('malformed-instruction-data', `${instruction.field}.data`, 'an amount is UTF-8 text');
      }
      break;
    default:
  }
  const understood = effects.complete(instruction, reader, accounts);
  effects.call(instruction, name, details(instruction, understood ? { account: label(instruction, 0) } : {}));
}

function isText(bytes: Uint8Array): boolean {
  try {
    utf8Decode(bytes);
    return true;
  } catch {
    return false;
  }
}
