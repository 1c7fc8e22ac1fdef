import { fixed, list, type Static, struct, u32 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';

/** Generations that one record holds: so many are not retired at one time. */
export const maximumGenerations = 8;

/** The signer's key-encryption key of one generation (spec/signer.md §5). */
export interface WalletKey {
  /** From 1, one more with each. */
  readonly generation: number;
  /** 32 random bytes. */
  readonly key: SecretBytes;
}

export const PackedWalletKeys = list(struct({ generation: u32, key: fixed(32) }), maximumGenerations);

/** Newest and oldest generation that open rows. */
export const Generations = struct({ newest: u32, oldest: u32 });
export type Generations = Static<typeof Generations>;

export const packedWalletKeys = (keys: readonly WalletKey[]): Static<typeof PackedWalletKeys> =>
  keys.map(({ generation, key }) => ({ generation, key: key.expose() }));

/** Takes the bytes over. Throws TypeError unless the generations follow one another. */
export function takeWalletKeys(packed: Static<typeof PackedWalletKeys>): WalletKey[] {
  for (const [index, { generation }] of packed.entries())
    if (generation === 0 || (index > 0 && generation !== packed[index - 1]!.generation + 1))
      throw new TypeError('generations of the wallet key do not follow one another');
  return packed.map(({ generation, key }) => ({ generation, key: SecretBytes.take(key) }));
}

/** Throws TypeError when there is none. */
export function generationsOf(keys: readonly WalletKey[]): Generations {
  if (keys.length === 0) throw new TypeError('no wallet key');
  return { newest: keys.at(-1)!.generation, oldest: keys[0]!.generation };
}

/** Whether `one` knows a generation that `other` does not, or has retired one that it has. */
export const isNewer = (one: Generations, other: Generations): boolean =>
  one.newest > other.newest || one.oldest > other.oldest;
