import type { Stack } from './start-stack.ts';

/** What the first start makes, and every later one finds. */
export interface FirstRun {
  readonly organizationId?: string;
  readonly walletId?: string;
  /** Path of the file with the root user's key. */
  readonly credentials?: string;
}

export async function firstRun(_stack: Stack): Promise<FirstRun> {
  return {};
}
