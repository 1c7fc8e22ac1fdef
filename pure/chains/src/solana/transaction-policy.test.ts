import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AddressLookupTableAccount,
  ComputeBudgetProgram,
  PublicKey,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import {
  brokenTransactionRule,
  type InstructionMatcher,
  type TransactionRule,
} from './transaction-policy.ts';

const key = (fill: number) => new PublicKey(new Uint8Array(32).fill(fill));
const ours = key(1);
const shop = key(2);
const stranger = key(3);
const mint = key(4);
const token = new PublicKey('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
const other = key(6);

function bytesOf(
  instructions: readonly TransactionInstruction[],
  payer = ours,
  tables: AddressLookupTableAccount[] = [],
): Uint8Array {
  const message = new TransactionMessage({
    payerKey: payer,
    recentBlockhash: key(9).toBase58(),
    instructions: [...instructions],
  });
  return new VersionedTransaction(message.compileToV0Message(tables)).serialize();
}

const pays = (lamports: number | bigint, to = shop, from = ours) =>
  SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports });

/** TransferChecked of 12: source, mint, destination, owner; u64 amount and decimals. */
function sends(amount: bigint, to = shop, of = mint, length = 10): TransactionInstruction {
  const data = Buffer.alloc(length);
  data[0] = 12;
  data.writeBigUInt64LE(amount, 1);
  const keys = [key(7), of, to].map((pubkey) => ({ pubkey, isSigner: false, isWritable: true }));
  return new TransactionInstruction({
    programId: token,
    keys: [...keys, { pubkey: ours, isSigner: true, isWritable: false }],
    data,
  });
}

const calls = (data: readonly number[], uses: readonly PublicKey[] = [], programId = other) =>
  new TransactionInstruction({
    programId,
    keys: uses.map((pubkey) => ({ pubkey, isSigner: pubkey.equals(ours), isWritable: false })),
    data: Buffer.from(data),
  });

const matcher = (
  programId: PublicKey,
  discriminator: InstructionMatcher['discriminator'] = 'Any',
  validate: InstructionMatcher['validate'] = [],
): InstructionMatcher => ({ programId: programId.toBase58(), discriminator, validate });

const broken = (rule: TransactionRule, ...instructions: TransactionInstruction[]) =>
  brokenTransactionRule([rule], bytesOf(instructions), ours.toBase58());

const system = SystemProgram.programId;
const only = (...instructions: InstructionMatcher[]): TransactionRule => ({
  rule: 'InstructionAllowlist',
  instructions,
});
const never = (...instructions: InstructionMatcher[]): TransactionRule => ({
  rule: 'InstructionDenylist',
  instructions,
});

describe('rules about the instructions of a Solana transaction', () => {
  it('let only instructions pass that a list names, by program and discriminator', () => {
    const list = only(matcher(system, { Exact: 2 }), matcher(other, { In: [1, 7] }));
    assert.equal(broken(list, pays(1), calls([7, 7])), null);
    assert.deepEqual(broken(list, pays(1), calls([8])), {
      rule: 'InstructionAllowlist',
      field: 'instructions[1]',
      why: `instruction ${other.toBase58()}:8 is not on the list`,
    });
    // Without data there is no discriminator: nothing but Any names it.
    assert.notEqual(broken(list, calls([])), null);
    assert.equal(broken(only(matcher(other)), calls([])), null);
    assert.notEqual(broken(list, SystemProgram.assign({ accountPubkey: ours, programId: other })), null);
    assert.notEqual(broken(only(), pays(1)), null);
    assert.equal(broken(only(), ...[]), null);
    assert.equal(broken({ rule: 'AllowAll' }, calls([8])), null);
  });

  it('let no instruction pass that a list names, and none that might be meant', () => {
    const list = never(matcher(other, { Exact: 8 }));
    assert.equal(broken(list, pays(1), calls([7])), null);
    assert.equal(broken(list, pays(1), calls([8]))?.field, 'instructions[1]');
    assert.equal(broken(list, calls([]))?.rule, 'InstructionDenylist');
    const large = never(
      matcher(system, 'Any', [{ rule: 'SystemInstructionLamportsThreshold', min: '100', max: null }]),
    );
    assert.equal(broken(large, pays(99)), null);
    assert.notEqual(broken(large, pays(100)), null);
    // It pays nothing that could be compared.
    const assign = SystemProgram.assign({ accountPubkey: ours, programId: other });
    assert.notEqual(broken(large, assign), null);
  });

  it('bound lamports and who receives them, of every instruction of the System program that pays', () => {
    const list = only(
      matcher(system, 'Any', [
        { rule: 'SystemInstructionLamportsThreshold', min: '10', max: '18446744073709551615' },
        { rule: 'SystemInstructionRecipientAllowlist', allowlist: [shop.toBase58()] },
      ]),
    );
    assert.equal(broken(list, pays(10)), null);
    assert.equal(broken(list, pays(2n ** 64n - 1n)), null);
    assert.notEqual(broken(list, pays(9)), null);
    assert.notEqual(broken(list, pays(10, stranger)), null);
    const seeded = (to: PublicKey, lamports: number) =>
      SystemProgram.createAccountWithSeed({
        fromPubkey: ours,
        newAccountPubkey: to,
        basePubkey: ours,
        seed: 'seed',
        lamports,
        space: 0,
        programId: other,
      });
    const bySeed = (to: PublicKey) =>
      SystemProgram.transfer({
        fromPubkey: ours,
        basePubkey: ours,
        toPubkey: to,
        lamports: 10,
        seed: 's',
        programId: other,
      });
    assert.equal(broken(list, seeded(shop, 10)), null);
    assert.notEqual(broken(list, seeded(shop, 9)), null);
    assert.equal(broken(list, bySeed(shop)), null);
    assert.notEqual(broken(list, bySeed(stranger)), null);
    // Data that ends early, or claims a seed that no chain takes, pays nothing that is known.
    assert.notEqual(broken(list, calls([2, 0, 0, 0, 10], [ours, shop], system)), null);
    assert.notEqual(broken(list, calls([3, 0, 0, 0], [ours, shop], system)), null);
    const endless = [3, 0, 0, 0, ...new Array(32).fill(0), 0, 0, 0, 1, 0, 0, 0, 0, ...new Array(16).fill(0)];
    assert.notEqual(broken(list, calls(endless, [ours, shop], system)), null);
  });

  it('bound amount, mint and recipient of checked token transfers', () => {
    const list = only(
      matcher(token, { Exact: 12 }, [
        {
          rule: 'TransferCheckedConstraints',
          min: null,
          max: '50',
          mintAllowlist: [mint.toBase58()],
          recipientAllowlist: [shop.toBase58()],
        },
      ]),
    );
    assert.equal(broken(list, sends(50n)), null);
    assert.notEqual(broken(list, sends(51n)), null);
    assert.notEqual(broken(list, sends(50n, stranger)), null);
    assert.notEqual(broken(list, sends(50n, shop, stranger)), null);
    assert.notEqual(broken(list, sends(50n, shop, mint, 11)), null);
    const open = { rule: 'TransferCheckedConstraints', min: '5', max: null } as const;
    const lists = { mintAllowlist: null, recipientAllowlist: null };
    assert.equal(broken(only(matcher(token, 'Any', [{ ...open, ...lists }])), sends(5n, stranger)), null);
    assert.notEqual(broken(only(matcher(token, 'Any', [{ ...open, ...lists }])), sends(4n)), null);
  });

  it('keep the account that signs out of instructions, but for those that a list names', () => {
    const rule = (...allowlist: InstructionMatcher[]): TransactionRule => ({
      rule: 'NoSignerAccountUsage',
      allowlist,
    });
    assert.equal(broken(rule(), calls([1], [stranger])), null);
    assert.equal(broken(rule(), calls([1], [stranger]), pays(1))?.field, 'instructions[1]');
    assert.equal(broken(rule(matcher(system, { Exact: 2 })), pays(1)), null);
    assert.notEqual(broken(rule(matcher(system, { Exact: 2 })), calls([1], [ours])), null);
    // It is about our account, not about who else signs.
    const theirs = bytesOf([pays(1, shop, stranger)]);
    assert.equal(brokenTransactionRule([rule()], theirs, ours.toBase58()), null);
    assert.notEqual(brokenTransactionRule([rule()], theirs, stranger.toBase58()), null);
  });

  it('refuse lookup tables, whose contents somebody can change after the signature', () => {
    const table = new AddressLookupTableAccount({
      key: key(8),
      state: {
        deactivationSlot: 2n ** 64n - 1n,
        lastExtendedSlot: 0,
        lastExtendedSlotStartIndex: 0,
        addresses: [shop],
      },
    });
    const rule: TransactionRule = { rule: 'NoAddressLookupTables' };
    const looked = bytesOf([pays(5)], ours, [table]);
    assert.equal(brokenTransactionRule([rule], looked, ours.toBase58())?.field, 'addressTableLookups');
    assert.equal(broken(rule, pays(5)), null);
    // A recipient that stands in a table is on no list.
    const listed = only(
      matcher(system, 'Any', [{ rule: 'SystemInstructionRecipientAllowlist', allowlist: [shop.toBase58()] }]),
    );
    assert.notEqual(brokenTransactionRule([listed], looked, ours.toBase58()), null);
    assert.equal(broken(listed, pays(5)), null);
  });

  it('bound compute units and their price, also where no instruction states them', () => {
    const rule = (units: string | null, price: string | null): TransactionRule => ({
      rule: 'ComputeBudgetLimit',
      maxComputeUnits: units,
      maxComputeUnitPrice: price,
    });
    const units = ComputeBudgetProgram.setComputeUnitLimit({ units: 300_000 });
    const price = ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 500 });
    assert.equal(broken(rule('300000', '500'), units, price, pays(1)), null);
    assert.equal(broken(rule('299999', null), units, pays(1))?.field, 'instructions[0]');
    assert.equal(broken(rule(null, '499'), units, price, pays(1))?.field, 'instructions[1]');
    assert.equal(broken(rule('200000', '0'), pays(1)), null);
    assert.equal(broken(rule('399999', null), pays(1), pays(2))?.field, 'instructions');
    assert.equal(broken(rule('203000', null), price, pays(1)), null);
    assert.notEqual(broken(rule('202999', null), price, pays(1)), null);
    assert.equal(broken(rule('1400000', null), ...Array.from({ length: 9 }, () => pays(1))), null);
    assert.equal(broken(rule(null, null), units, price, pays(1)), null);
  });

  it('count the one transaction that a request holds', () => {
    assert.equal(broken({ rule: 'BundleSizeLimit', max: 1 }, pays(1)), null);
    assert.equal(broken({ rule: 'BundleSizeLimit', max: 0 }, pays(1))?.rule, 'BundleSizeLimit');
  });

  it('all have to hold', () => {
    const rules: TransactionRule[] = [{ rule: 'NoAddressLookupTables' }, only(matcher(system))];
    assert.equal(brokenTransactionRule(rules, bytesOf([pays(1)]), ours.toBase58()), null);
    assert.equal(
      brokenTransactionRule(rules, bytesOf([pays(1), calls([1])]), ours.toBase58())?.rule,
      'InstructionAllowlist',
    );
  });
});
