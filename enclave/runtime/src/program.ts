import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { DeploymentKeys, Edge, Role } from '@keystead/protocol/deployment';
import type { Sealed } from '@keystead/protocol/frames';
import type { SealedKind } from '@keystead/protocol/sealed';
import type { Generations, WalletKey } from './wallet-keys.ts';

/** Milliseconds since 1970. Enclaves use the later of this and the newest time mark they have seen. */
export type Clock = () => number;

/** Cryptographically strong random bytes. */
export type Random = (length: number) => Uint8Array;

/** What an unlocked enclave program has: nothing else of the machine is in its reach. */
export interface EnclaveContext {
  readonly role: Role;
  readonly profile: 'development' | 'production';
  /** The role's root seed; programs take HKDF branches of it (`branch` of @keystead/protocol/deployment). */
  readonly seed: SecretBytes;
  /** The role's own Ed25519 signing seed. */
  readonly signSeed: SecretBytes;
  /** Of the keys of the three roles that are in use: 1 until they are replaced (spec/unlock.md §8). */
  readonly roleGeneration: number;
  /** The signer's, oldest first. None before `useWalletKeys`, and none of another role. */
  readonly walletKeys: readonly WalletKey[];
  readonly deployment: DeploymentKeys;
  readonly deploymentId: Uint8Array;
  /** 16 random bytes that name this start of the process. */
  readonly boot: Uint8Array;
  /** SHA-384 of what runs (spec/isolation.md §4), as the launcher measured it. */
  readonly measurement: Uint8Array;
  readonly clock: Clock;
  /** Milliseconds that have passed since some moment, by the machine's monotonic clock: nobody sets it. */
  readonly passed: Clock;
  readonly random: Random;
  /** Operator's settings that enclaves honour, from the launcher: never from a frame. */
  readonly settings: EnclaveSettings;
  seal(edge: Edge, kind: SealedKind, bytes: Uint8Array): Sealed;
  /** Throws KmsError `frame-forged`. */
  open(edge: Edge, kind: SealedKind, sealed: Sealed): Uint8Array;
  /** One JSON line to standard error; never a secret. */
  log(event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

export interface EnclaveSettings {
  /** Who may create organizations: anyone who stamps, or nobody but operators' public keys. */
  readonly organizationCreation: 'open' | 'operators';
  /** base64url of authenticator public keys that may create organizations when it is not open. */
  readonly operatorKeys: readonly string[];
  /** Organizations that one key may create when creation is open in production; 0 is no bound. */
  readonly organizationQuota: number;
  /** Requests that one authenticator, one user and one organization may make in a minute; 0 is no bound. */
  readonly authenticatorRate: number;
  readonly userRate: number;
  readonly organizationRate: number;
  /** Import through the compatibility surface. */
  readonly compatibilityImport: boolean;
  /** How far the clock may be ahead of the newest time mark at a start of the certifier, in milliseconds; 0 is no bound. */
  readonly largestClockJump: number;
  /** The one time mark, in milliseconds since 1970, from which the operator accepts a farther jump; 0 is none. */
  readonly acceptedMark: number;
  /** The epoch that the operators begin after the heads log was lost or restored; 0 is none. */
  readonly reanchorEpoch: number;
}

/** How far the rows are under the newest wallet key, as the host says. */
export interface Rewrapping {
  /** Whether a whole pass, begun after no request from before was under way any more, found no older one. */
  readonly isComplete: boolean;
  /** Rows wrapped anew since the start. */
  readonly rewrapped: number;
}

/** What a program does when wallet keys change (spec/unlock.md §7); each role has its part, or none. */
export interface Rotation {
  /**
   * The signer's: these are the wallet keys, and the certifier knows of them. Before the first call it serves nobody.
   */
  useWalletKeys?(keys: readonly WalletKey[]): void;
  readonly rewrapping?: Rewrapping;
  /**
   * The certifier's: makes generations part of the heads log. False when the log knows newer ones; undefined while the log is
   * not loaded.
   */
  recordGenerations?(generations: Generations): Promise<boolean> | undefined;
}

/**
 * A program is a state machine: messages in, messages out. The runtime turns both into frames and writes once per
 * turn. `receive` never throws for bad input; an exception ends the process.
 */
export interface Program<Incoming, Outgoing> extends Rotation {
  receive(message: Incoming): void;
  /** Called once after all messages of one turn: the place where batches are closed. */
  turn(): void;
  /** Set by the runtime before the first message. */
  send: (message: Outgoing) => void;
}
