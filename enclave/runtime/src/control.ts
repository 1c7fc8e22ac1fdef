import { bool, bytes, choice, fixed, list, type Static, struct, text, variant } from '@keystead/crypto/pack';
import { DeploymentKeys, RoleKeys } from '@keystead/protocol/deployment';
import { maximumRecordBytes, RoleTag } from './genesis-record.ts';

/** spec/boot.md §3: what launcher and enclave say to each other on the control pipe, one message per frame. */

export const Profile = choice({ development: 1, production: 2 });

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
      /** EnclaveSettings as JSON. */
      settings: text(65536),
      profile: Profile,
      /** Of this process (spec/isolation.md §4). */
      measurement: fixed(48),
    }),
  ],
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
});
export type FromEnclave = Static<typeof FromEnclave>;
