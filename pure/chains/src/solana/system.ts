import { base58Encode } from '@keystead/crypto/base58';
import { concatBytes, utf8Decode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { ChainError } from '../error.ts';
import { parseAddress } from './address.ts';
import { DataReader, type EffectsCollector, type Instruction } from './instruction.ts';
import { SOL, TOKEN_PROGRAM, WRAPPED_SOL_MINT } from './programs.ts';

/** Every instruction of the System program by its discriminator. */
export const SYSTEM_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'system.create-account'],
  [1, 'system.assign'],
  [2, 'system.transfer'],
  [3, 'system.create-account-with-seed'],
  [4, 'system.advance-nonce'],
  [5, 'system.withdraw-nonce'],
  [6, 'system.initialize-nonce'],
  [7, 'system.authorize-nonce'],
  [8, 'system.allocate'],
  [9, 'system.allocate-with-seed'],
  [10, 'system.assign-with-seed'],
  [11, 'system.transfer-with-seed'],
  [12, 'system.upgrade-nonce'],
]);

/** Bincode string: u64 length and UTF-8. A seed has at most 32 bytes on the chain. */
function readSeed(reader: DataReader): Uint8Array {
  const length = reader.u64();
  return reader.bytes(length > 0xffffn ? 0xffff : Number(length));
}

function seedText(seed: Uint8Array): string | null {
  if (seed.length > 32) return null;
  try {
    return utf8Decode(seed);
  } catch {
    return null;
  }
}

/** Address of an account derived with a seed: SHA-256 of base, seed and owner. */
function addressWithSeed(base: string, seed: Uint8Array, owner: string): string {
  return base58Encode(sha256(concatBytes(parseAddress(base), seed, parseAddress(owner))));
}

/**
 * Owner of the recipient where that is certain: lamports sent to the wrapped-SOL account that is derived from our own
 * key, and wrapped in the same transaction, stay ours.
 */
function recipientOwner(effects: EffectsCollector, recipient: string): string {
  const made = effects.tokenAccounts.get(recipient);
  if (made !== undefined) {
    return made.mint === WRAPPED_SOL_MINT && made.owner !== null ? made.owner : recipient;
  }
  if (!effects.wrapped.has(recipient)) return recipient;
  const ownWrapped = effects.associated(effects.ours, WRAPPED_SOL_MINT, TOKEN_PROGRAM);
  return recipient === ownWrapped ? effects.ours : recipient;
}

/** Our address given to a program, or filled with data, is lost as a wallet; nobody means that. */
function refuseOnOurAddress(instruction: Instruction, name: string): never {
  throw new ChainError(
    'transaction-unsafe',
    `${name} on our own address would end its use as a wallet`,
    instruction.field,
  );
}

/**
 * Effects of one instruction of the System program (bincode, u32 discriminator).
 * @throws ChainError `transaction-unsafe` for what would take our own address away from us
 */
export function readSystem(instruction: Instruction, effects: EffectsCollector): void {
  const reader = new DataReader(instruction.data);
  const discriminator = reader.u32();
  const name = reader.short ? undefined : SYSTEM_NAMES.get(discriminator);
  if (name === undefined) {
    effects.unknownInstruction(instruction, 'system', discriminator);
    return;
  }
  const { accounts } = instruction;
  const details: Record<string, string> = { discriminator: String(discriminator) };
  const label = (index: number): string => accounts[index]!.label;

  const pay = (source: number, recipient: number, lamports: bigint, kind: 'transfer' | 'rent'): void => {
    const to = effects.resolve(instruction, recipient);
    effects.outflows.push({
      asset: SOL,
      amount: lamports,
      from: label(source),
      to: to === null ? null : recipientOwner(effects, to),
      kind,
    });
  };

  switch (discriminator) {
    case 2: {
      const lamports = reader.u64();
      if (!effects.complete(instruction, reader, 2)) break;
      Object.assign(details, { from: label(0), to: label(1), lamports: String(lamports) });
      if (accounts[0]!.ours) pay(0, 1, lamports, 'transfer');
      break;
    }
    case 11: {
      const lamports = reader.u64();
      const seed = readSeed(reader);
      const owner = reader.key();
      if (!effects.complete(instruction, reader, 3)) break;
      Object.assign(details, {
        from: label(0),
        base: label(1),
        to: label(2),
        lamports: String(lamports),
        owner,
      });
      if (accounts[1]!.ours || accounts[0]!.ours) pay(0, 2, lamports, 'transfer');
      if (seedText(seed) === null) {
        effects.doubt(
          'malformed-instruction-data',
          `${instruction.field}.data`,
          'the seed is not text of 32 bytes',
        );
      }
      break;
    }
    case 0:
    case 3: {
      let base: string | null = null;
      let seed = new Uint8Array(0) as Uint8Array;
      if (discriminator === 3) {
        base = reader.key();
        seed = readSeed(reader);
      }
      const lamports = reader.u64();
      const space = reader.u64();
      const owner = reader.key();
      if (!effects.complete(instruction, reader, 2)) break;
      Object.assign(details, { from: label(0), account: label(1), lamports: String(lamports) });
      Object.assign(details, { space: String(space), owner });
      if (base !== null) {
        details.base = base;
        const created = accounts[1]!.address;
        const derives = seedText(seed) !== null && created === addressWithSeed(base, seed, owner);
        if (!derives) {
          effects.doubt(
            'derived-address-mismatch',
            `${instruction.field}.accounts[1]`,
            'the account is not the one that base, seed and owner derive',
          );
        }
      }
      if (accounts[0]!.ours) pay(0, 1, lamports, 'rent');
      if (accounts[1]!.ours) refuseOnOurAddress(instruction, name);
      break;
    }
    case 1: {
      const owner = reader.key();
      if (!effects.complete(instruction, reader, 1)) break;
      Object.assign(details, { account: label(0), owner });
      if (accounts[0]!.ours) refuseOnOurAddress(instruction, name);
      break;
    }
    case 8: {
      const space = reader.u64();
      if (!effects.complete(instruction, reader, 1)) break;
      Object.assign(details, { account: label(0), space: String(space) });
      // A System account with data can no longer be the source of a transfer.
      if (accounts[0]!.ours) refuseOnOurAddress(instruction, name);
      break;
    }
    case 9:
    case 10: {
      const base = reader.key();
      readSeed(reader);
      if (discriminator === 9) reader.u64();
      const owner = reader.key();
      if (!effects.complete(instruction, reader, 2)) break;
      Object.assign(details, { account: label(0), base, owner });
      if (accounts[0]!.ours) refuseOnOurAddress(instruction, name);
      if (accounts[1]!.ours || base === effects.ours) {
        const kind = discriminator === 9 ? 'system-allocate-with-seed' : 'system-assign-with-seed';
        effects.takeovers.push({ kind, account: label(0), by: owner });
      }
      break;
    }
    case 4: {
      if (!effects.complete(instruction, reader, 3)) break;
      Object.assign(details, { nonceAccount: label(0), authority: label(2) });
      break;
    }
    case 5: {
      const lamports = reader.u64();
      if (!effects.complete(instruction, reader, 5)) break;
      Object.assign(details, { nonceAccount: label(0), to: label(1), lamports: String(lamports) });
      if (accounts[4]!.ours) pay(0, 1, lamports, 'transfer');
      break;
    }
    case 6: {
      const authority = reader.key();
      if (!effects.complete(instruction, reader, 3)) break;
      Object.assign(details, { nonceAccount: label(0), authority });
      break;
    }
    case 7: {
      const authority = reader.key();
      if (!effects.complete(instruction, reader, 2)) break;
      Object.assign(details, { nonceAccount: label(0), authority });
      if (accounts[1]!.ours) {
        effects.takeovers.push({ kind: 'nonce-authorize', account: label(0), by: authority });
      }
      break;
    }
    default: {
      if (!effects.complete(instruction, reader, 1)) break;
      details.nonceAccount = label(0);
    }
  }
  effects.call(instruction, name, details);
}

/** Nonce account of a durable-nonce transaction, or null: AdvanceNonceAccount with any trailing bytes, at index 0. */
export function durableNonceAccount(first: Instruction): string | null {
  const reader = new DataReader(first.data);
  if (reader.u32() !== 4 || reader.short || first.accounts.length === 0) return null;
  return first.accounts[0]!.label;
}
