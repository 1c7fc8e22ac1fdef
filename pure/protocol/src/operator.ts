import {
  bool,
  bytes,
  choice,
  fixed,
  list,
  option,
  type Static,
  struct,
  text,
  u8,
  u32,
  u53,
  variant,
} from '@keystead/crypto/pack';

/** spec/unlock.md §5: what operators' programs and the launcher say to each other, one message per frame. */

export const minimumPasswordBytes = 12;
export const maximumPasswordBytes = 1024;

export const UnlockKind = choice({ 'development-file': 1, password: 2, shares: 3 });
export type UnlockKind = Static<typeof UnlockKind>;

export const ToLauncher = variant('type', {
  status: [1, struct({})],
  /** Founds the deployment: `password` becomes what opens it. */
  foundPassword: [2, struct({ password: bytes(maximumPasswordBytes) })],
  /** Makes shares; `confirm` on the same connection says that they are written down, and founds the deployment. */
  foundShares: [3, struct({ threshold: u8, shares: u8 })],
  confirm: [4, struct({})],
  password: [5, struct({ password: bytes(maximumPasswordBytes) })],
  /** Packed (operator-share.ts). */
  share: [6, struct({ share: bytes(64) })],
  /** Begins to replace what unlocks; the operators of now have to agree by `password` or `share`. */
  rotatePassword: [7, struct({ password: bytes(maximumPasswordBytes) })],
  rotateShares: [8, struct({ threshold: u8, shares: u8 })],
  /** Whether they have: answered with what is still missing, or with `shares` to be confirmed. */
  rotated: [9, struct({})],
  /**
   * Begins to replace the wallet key, or to retire the older ones (§7); the operators of now have to agree, and `rotated` tells.
   * With a development file it is done at once.
   */
  rotateWalletKey: [10, struct({ retire: bool })],
  /** The same for the keys of the roles (§8). */
  rotateRoleKeys: [11, struct({})],
});
export type ToLauncher = Static<typeof ToLauncher>;

/** `rotating`: open, and operators are asked to agree to other shares or another password. */
export const LauncherState = choice({ founding: 1, locked: 2, open: 3, rotating: 4 });

/** Generations of the wallet key in the signer, and how far the rows are (spec/unlock.md §7). */
export const WalletKeyStatus = struct({
  newest: u32,
  oldest: u32,
  /** Whether the heads log has these generations, so that they are in use. */
  isUsed: bool,
  /** Whether every row is under the newest one. */
  isComplete: bool,
  /** Rows wrapped anew since the signer's start. */
  rewrapped: u53,
});
export type WalletKeyStatus = Static<typeof WalletKeyStatus>;

export const FromLauncher = variant('type', {
  status: [
    1,
    struct({
      state: LauncherState,
      kind: UnlockKind,
      /** Of shares; also k, n and the numbers that were given. */
      set: option(fixed(8)),
      threshold: u8,
      shares: u8,
      given: list(u8, 16),
      walletKey: option(WalletKeyStatus),
      /** Generation of the keys of the roles; 0 while locked. */
      roleKeys: u32,
    }),
  ],
  shares: [2, struct({ shares: list(bytes(64), 16) })],
  /** `missing`: how many more shares are needed; 0 when the enclaves open. */
  done: [3, struct({ missing: u8 })],
  /** The wallet key was replaced, or the older ones were retired. */
  walletKey: [5, struct({ newest: u32, oldest: u32 })],
  /** All enclaves are open again, with these. */
  roleKeys: [6, struct({ generation: u32 })],
  refused: [4, struct({ code: text(64), detail: text(512), hint: text(512) })],
});
export type FromLauncher = Static<typeof FromLauncher>;
