import { DataReader, type EffectsCollector, type Instruction } from './instruction.ts';
import { SOL } from './programs.ts';

/** Accounts needed, and the position of the authority that signs (null when it is none of ours to give). */
interface Shape {
  readonly name: string;
  readonly accounts: number;
  readonly authority: number | null;
}

const SHAPES: ReadonlyMap<number, Shape> = new Map([
  [0, { name: 'stake.initialize', accounts: 2, authority: null }],
  [1, { name: 'stake.authorize', accounts: 3, authority: 2 }],
  [2, { name: 'stake.delegate', accounts: 6, authority: 5 }],
  [3, { name: 'stake.split', accounts: 3, authority: 2 }],
  [4, { name: 'stake.withdraw', accounts: 5, authority: 4 }],
  [5, { name: 'stake.deactivate', accounts: 3, authority: 2 }],
  [6, { name: 'stake.set-lockup', accounts: 2, authority: 1 }],
  [7, { name: 'stake.merge', accounts: 5, authority: 4 }],
  [8, { name: 'stake.authorize-with-seed', accounts: 3, authority: 1 }],
  [9, { name: 'stake.initialize-checked', accounts: 4, authority: null }],
  [10, { name: 'stake.authorize-checked', accounts: 4, authority: 2 }],
  [11, { name: 'stake.authorize-checked-with-seed', accounts: 4, authority: 1 }],
  [12, { name: 'stake.set-lockup-checked', accounts: 2, authority: 1 }],
  [13, { name: 'stake.get-minimum-delegation', accounts: 0, authority: null }],
  [14, { name: 'stake.deactivate-delinquent', accounts: 3, authority: null }],
  [16, { name: 'stake.move-stake', accounts: 3, authority: 2 }],
  [17, { name: 'stake.move-lamports', accounts: 3, authority: 2 }],
]);

/** Every instruction of the Stake program by its discriminator. */
export const STAKE_NAMES: ReadonlyMap<number, string> = new Map(
  [...SHAPES].map(([discriminator, { name }]) => [discriminator, name]),
);

function readOption(reader: DataReader, length: number): void {
  if (reader.u8() === 1) for (let left = length; left > 0; left -= 8) reader.u64();
}

/** Bincode string followed by a key: the seed and owner of a derived authority. */
function readSeedAndOwner(reader: DataReader): void {
  const length = reader.u64();
  reader.bytes(length > 0xffffn ? 0xffff : Number(length));
  reader.key();
}

/** Effects of one instruction of the Stake program (bincode, u32 discriminator). */
export function readStake(instruction: Instruction, effects: EffectsCollector): void {
  const reader = new DataReader(instruction.data);
  const discriminator = reader.u32();
  const shape = reader.short ? undefined : SHAPES.get(discriminator);
  if (shape === undefined) {
    effects.unknownInstruction(instruction, 'stake', discriminator);
    return;
  }
  const details: Record<string, string> = { discriminator: String(discriminator) };
  let lamports: bigint | null = null;
  let authority: string | null = null;
  switch (discriminator) {
    case 0:
      details.staker = reader.key();
      details.withdrawer = reader.key();
      reader.u64();
      reader.u64();
      details.custodian = reader.key();
      break;
    case 1:
      authority = reader.key();
      details.authorityType = String(reader.u32());
      break;
    case 3:
    case 4:
    case 16:
    case 17:
      lamports = reader.u64();
      break;
    case 6:
      readOption(reader, 8);
      readOption(reader, 8);
      readOption(reader, 32);
      break;
    case 8:
      authority = reader.key();
      details.authorityType = String(reader.u32());
      readSeedAndOwner(reader);
      break;
    case 10:
      details.authorityType = String(reader.u32());
      break;
    case 11:
      details.authorityType = String(reader.u32());
      readSeedAndOwner(reader);
      break;
    case 12:
      readOption(reader, 8);
      readOption(reader, 8);
      break;
    default:
  }
  if (effects.complete(instruction, reader, shape.accounts)) {
    const { accounts } = instruction;
    const account = accounts[0]?.label ?? '';
    details.account = account;
    if (lamports !== null) details.lamports = String(lamports);
    if (discriminator === 2) details.vote = accounts[1]!.label;
    if ([3, 4, 7, 16, 17].includes(discriminator)) details.other = accounts[1]!.label;
    if (discriminator === 10 || discriminator === 11) authority = accounts[3]!.label;
    if (authority !== null) details.newAuthority = authority;
    // Clients may leave out the sysvars before the authority, and a lockup's custodian may sign after it.
    const ours =
      shape.authority !== null && accounts.slice(Math.min(shape.authority, 2)).some((each) => each.ours);
    if (ours && discriminator === 4) {
      const to = effects.resolve(instruction, 1);
      effects.outflows.push({ asset: SOL, amount: lamports ?? 0n, from: account, to, kind: 'transfer' });
    }
    if (ours && (discriminator === 6 || discriminator === 12)) {
      effects.takeovers.push({ kind: shape.name.replace('.', '-'), account, by: null });
    }
    if (ours && [1, 8, 10, 11].includes(discriminator) && authority !== effects.ours) {
      effects.takeovers.push({ kind: shape.name.replace('.', '-'), account, by: authority });
    }
  }
  effects.call(instruction, shape.name, details);
}
