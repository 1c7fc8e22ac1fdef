import {
  bool,
  bytes,
  choice,
  fixed,
  list,
  type Static,
  struct,
  text,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { DeploymentKeys, RoleKeys } from '@keystead/protocol/deployment';
import { Sealed } from '@keystead/protocol/frames';
import { maximumCertificateBytes } from '@keystead/protocol/certificate';
import { maximumRoleKeyChangeBytes, maximumRoleKeyChanges } from '@keystead/protocol/role-key-change';
import { maximumRecordBytes, RoleTag } from './genesis-record.ts';
import { Approved } from './seed-halves.ts';
import { Generations } from './wallet-keys.ts';

/** spec/boot.md §3: what launcher and enclave say to each other on the control pipe, one message per frame. */

export const Profile = choice({ development: 1, production: 2 });

/** What a process is told when its keys come to it. */
const surroundings = {
  /** EnclaveSettings as JSON. */
  settings: text(65536),
  profile: Profile,
  /** Of this process (spec/isolation.md §4). */
  measurement: fixed(48),
  approved: Approved,
  /** Public key of the launcher's certificates. */
  launcher: fixed(32),
  /** Every change of the roles' keys since the founding (spec/unlock.md §8). */
  changes: list(bytes(maximumRoleKeyChangeBytes), maximumRoleKeyChanges),
};

const certificate = bytes(maximumCertificateBytes);
const sealedHalf = bytes(4096);

/** Launcher to enclave. */
export const ToEnclave = variant('type', {
  /** Make a root seed. The unlock key stays with the enclave for `pin`. */
  generate: [1, struct({ role: RoleTag, unlockKey: fixed(32) })],
  /** The public keys of all three, as their enclaves stated them. */
  pin: [2, struct({ deployment: DeploymentKeys })],
  unlock: [
    3,
    struct({
      role: RoleTag,
      unlockKey: fixed(32),
      record: bytes(maximumRecordBytes),
      ...surroundings,
    }),
  ],
  /** Split the own seed anew, and keep halves of the others' (spec/unlock.md §6). */
  split: [4, struct({})],
  keep: [5, struct({ role: RoleTag, sealed: sealedHalf })],
  challenge: [6, struct({})],
  release: [7, struct({ role: RoleTag, certificate })],
  /** In the place of `unlock`: make a setup key, then go on with the seed that both holders gave to it. */
  setup: [8, struct({ role: RoleTag })],
  resume: [
    9,
    struct({
      role: RoleTag,
      released: list(struct({ certificate, sealed: sealedHalf }), 2),
      ...surroundings,
    }),
  ],
  /** To the certifier: state what runs as a role. */
  certify: [10, struct({ role: RoleTag, measurement: fixed(48) })],
  /**
   * To the signer (spec/unlock.md §7): add a wallet key to the record, or take all but the newest out of it. It is in use
   * after `adopt`, once the record is on disk, and after `useGenerations`.
   */
  renew: [11, struct({ unlockKey: fixed(32), record: bytes(maximumRecordBytes), retire: bool })],
  adopt: [12, struct({})],
  /** Which generations the signer has; answered with `generations`. */
  stateGenerations: [13, struct({})],
  /** To the certifier, what the signer stated; and back, once it is in the heads log. */
  recordGenerations: [14, struct({ stated: Sealed })],
  useGenerations: [15, struct({ recorded: Sealed })],
  /** The own record as it lies on disk, under another unlock key (spec/unlock.md §4.1). */
  reseal: [16, struct({ unlockKey: fixed(32), record: bytes(maximumRecordBytes), nextUnlockKey: fixed(32) })],
  /**
   * Other keys of the role (spec/unlock.md §8): made from a new seed, then signed for all three under the old ones and the new
   * ones, then sealed. They are in use at the next start.
   */
  makeRoleKeys: [17, struct({})],
  signRoleKeys: [18, struct({ keys: DeploymentKeys })],
  sealRoleKeys: [
    19,
    struct({
      unlockKey: fixed(32),
      record: bytes(maximumRecordBytes),
      change: bytes(maximumRoleKeyChangeBytes),
    }),
  ],
  /** A realm's genesis: make id and root seed, sealed under the unlock key (spec/realm.md §12). */
  makeRealm: [20, struct({ unlockKey: fixed(32) })],
  unlockRealm: [
    21,
    struct({
      unlockKey: fixed(32),
      record: bytes(maximumRecordBytes),
      /** What its operator says, as JSON. */
      settings: text(1048576),
      profile: Profile,
      measurement: fixed(48),
    }),
  ],
  /** At any time after unlock. */
  configureRealm: [22, struct({ settings: text(1048576) })],
});
export type ToEnclave = Static<typeof ToEnclave>;

/** What the enclave tried at start, and whether the sandbox refused it. */
export const ProbeResult = struct({ name: text(32), refused: bool, code: text(64) });
export type ProbeResult = Static<typeof ProbeResult>;

/** Enclave to launcher. */
export const FromEnclave = variant('type', {
  generated: [1, struct({ keys: RoleKeys })],
  sealed: [2, struct({ record: bytes(maximumRecordBytes) })],
  ready: [3, struct({ deploymentId: fixed(32), deployment: DeploymentKeys })],
  /** The enclave ends after it. `record-refused`: wrong unlock key, or another record. */
  failed: [4, struct({ code: text(64), detail: text(512) })],
  /** The first message of every process; it is given nothing before the launcher has judged it. */
  probed: [5, struct({ probes: list(ProbeResult, 16) })],
  halves: [6, struct({ halves: list(struct({ holder: RoleTag, sealed: sealedHalf }), 2) })],
  kept: [7, struct({})],
  challenged: [8, struct({ challenge: fixed(32) })],
  released: [9, struct({ sealed: sealedHalf })],
  /** In the place of an answer; the enclave goes on. */
  withheld: [10, struct({ code: text(64) })],
  setupKey: [11, struct({ publicKey: fixed(32) })],
  certified: [12, struct({ certificate })],
  /** Unasked: its stream to the gateway has ended; it serves nobody any more, and still holds halves. */
  orphaned: [13, struct({ reason: text(64) })],
  renewed: [14, struct({ record: bytes(maximumRecordBytes), generations: Generations })],
  adopted: [15, struct({})],
  generations: [
    16,
    struct({ generations: Generations, isComplete: bool, rewrapped: u53, isUsed: bool, stated: Sealed }),
  ],
  recorded: [17, struct({ recorded: Sealed })],
  used: [18, struct({})],
  resealed: [19, struct({ record: bytes(maximumRecordBytes) })],
  roleKeysMade: [30, struct({ keys: RoleKeys })],
  roleKeysSigned: [31, struct({ before: fixed(64), after: fixed(64) })],
  roleKeysSealed: [32, struct({ record: bytes(maximumRecordBytes) })],
  /** A realm is unlocked, or configured anew. The key is of the newest Noise generation. */
  realm: [20, struct({ realmId: fixed(16), publicKey: fixed(32) })],
});
export type FromEnclave = Static<typeof FromEnclave>;
