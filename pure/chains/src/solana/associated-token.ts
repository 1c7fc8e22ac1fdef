import { DataReader, type EffectsCollector, type Instruction } from './instruction.ts';
import { SOL, TOKEN_2022_PROGRAM, TOKEN_PROGRAM, tokenAsset } from './programs.ts';

/** Rent exemption of a token account of 165 bytes: (128 + 165) × 6,960 lamports. */
const TOKEN_ACCOUNT_RENT = 2_039_280n;
/**
 * Token-2022 accounts also hold what the mint's extensions require (transfer fee, hook, pause, non-transferable,
 * immutable owner): at most 195 bytes today; this is the rent of 200.
 */
const TOKEN_2022_ACCOUNT_RENT = 2_282_880n;

/** Effects of one instruction of the Associated Token Account program. */
export function readAssociatedToken(instruction: Instruction, effects: EffectsCollector): void {
  const reader = new DataReader(instruction.data);
  const discriminator = instruction.data.length === 0 ? 0 : reader.u8();
  if (discriminator === 2) {
    readRecoverNested(instruction, effects, reader);
    return;
  }
  if (discriminator > 2) {
    effects.unknownInstruction(instruction, 'associated-token', discriminator);
    return;
  }
  const name = discriminator === 0 ? 'associated-token.create' : 'associated-token.create-idempotent';
  const details: Record<string, string> = { discriminator: String(discriminator) };
  if (effects.complete(instruction, reader, 6)) {
    const { accounts } = instruction;
    Object.assign(details, { payer: accounts[0]!.label, account: accounts[1]!.label });
    Object.assign(details, { owner: accounts[2]!.label, mint: accounts[3]!.label });
    details.tokenProgram = accounts[5]!.label;
    const account = effects.resolve(instruction, 1);
    const owner = effects.resolve(instruction, 2);
    const mint = effects.resolve(instruction, 3);
    const program = effects.resolve(instruction, 5);
    if (program !== null && program !== TOKEN_PROGRAM && program !== TOKEN_2022_PROGRAM) {
      effects.doubt('unknown-program', `${instruction.field}.accounts[5]`, `${program} is no token program`);
    } else if (account !== null && owner !== null && mint !== null && program !== null) {
      if (account === effects.associated(owner, mint, program)) {
        effects.tokenAccounts.set(account, { owner, mint });
      } else {
        effects.doubt(
          'derived-address-mismatch',
          `${instruction.field}.accounts[1]`,
          'the account is not the one that owner, token program and mint derive',
        );
      }
    }
    if (accounts[0]!.ours) {
      effects.outflows.push({
        asset: SOL,
        amount: program === TOKEN_PROGRAM ? TOKEN_ACCOUNT_RENT : TOKEN_2022_ACCOUNT_RENT,
        from: effects.ours,
        to: owner ?? account,
        kind: 'rent',
      });
    }
  }
  effects.call(instruction, name, details);
}

/**
 * Tokens of an account whose owner is another associated account go to the wallet's own associated account, and the
 * rent to the wallet. Where our wallet's account is named and derives, nothing leaves, but for what a mint of Token-2022
 * may keep of the tokens, however many they are.
 */
function readRecoverNested(instruction: Instruction, effects: EffectsCollector, reader: DataReader): void {
  const details: Record<string, string> = { discriminator: '2' };
  if (effects.complete(instruction, reader, 7)) {
    const { accounts } = instruction;
    Object.assign(details, { nested: accounts[0]!.label, mint: accounts[1]!.label });
    Object.assign(details, { destination: accounts[2]!.label, owner: accounts[5]!.label });
    const mint = effects.resolve(instruction, 1);
    const destination = effects.resolve(instruction, 2);
    const program = effects.resolve(instruction, 6);
    if (accounts[5]!.ours && mint !== null && destination !== null && program !== null) {
      if (destination !== effects.associated(effects.ours, mint, program)) {
        effects.doubt(
          'derived-address-mismatch',
          `${instruction.field}.accounts[2]`,
          'the account is not the one that wallet, token program and mint derive',
        );
      }
      if (program === TOKEN_2022_PROGRAM) {
        const from = accounts[0]!.label;
        effects.outflows.push({
          asset: tokenAsset(mint),
          amount: 'unbounded',
          from,
          to: null,
          kind: 'other',
        });
      }
    }
  }
  effects.call(instruction, 'associated-token.recover-nested', details);
}
