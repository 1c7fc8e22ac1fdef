import type { Command } from './command.ts';
import { ledgerVerify } from './commands/ledger/verify.ts';

export const commands: readonly Command[] = [ledgerVerify];
