import { equalBytes } from '@keystead/crypto/bytes';
import {
  type BackupContent,
  type BackupGeneration,
  BackupPlacement,
  type BackupState,
  maximumBackups,
  maximumRetired,
} from '@keystead/protocol/backup-messages';
import { BackupRefusal } from './refusal.ts';

/** spec/backup.md §6: the backups of one organization. Every function gives the state after, or throws BackupRefusal. */

export interface Generation {
  readonly id: Uint8Array;
  readonly content: BackupContent;
}

export interface Backup {
  readonly backupName: string;
  readonly current: Generation | undefined;
  /** A new one, and when it came. */
  readonly staged: (Generation & { readonly since: number }) | undefined;
  /** What was overwritten, whole, for as long as that can be taken back. */
  readonly replaced: (Generation & { readonly until: number }) | undefined;
  readonly retired: readonly Retired[];
  readonly deletableAt: number | undefined;
}

/** Never in use again. Realms may still hold it. */
export interface Retired extends BackupGeneration {
  /** Whether tokens that delete it at its realms were made: before that nobody can have, and it is not forgotten. */
  readonly isDeletable: boolean;
}

export type Backups = readonly Backup[];

/**
 * How long a generation that is not in use is read and guessed, by the device that makes it and tries it; milliseconds. It can be
 * switched to later too, when the consent of others was waited for.
 */
export const stagingMilliseconds = 10 * 60_000;

/** When a request was entered, and how long what it destroys can be kept; milliseconds. */
export interface Times {
  readonly now: number;
  readonly delay: number;
}

/** The backups at a time: what was overwritten long enough ago is retired. The same list when nothing is due. */
export function settled(backups: Backups, now: number): Backups {
  const isDue = ({ replaced, retired }: Backup) =>
    replaced !== undefined && now >= replaced.until && retired.length < maximumRetired;
  if (!backups.some(isDue)) return backups;
  return backups.map((backup) =>
    isDue(backup)
      ? { ...backup, replaced: undefined, retired: retire(backup.retired, backup.replaced!) }
      : backup,
  );
}

/**
 * Takes a new generation beside the one in use, of the same seed: what is in use, replaced and staged is of one seed at every time,
 * so that no switch puts one in the place of another. What was staged before and never used is retired.
 */
export function put(backups: Backups, backupName: string, generation: Generation, now: number): Backups {
  const backup = find(backups, backupName) ?? empty(backupName);
  const { current, staged, retired } = backup;
  if (staged !== undefined && equalBytes(staged.id, generation.id)) {
    if (!isSame(staged.content, generation.content)) throw new BackupRefusal('generation-used');
    return backups;
  }
  const used = [current, backup.replaced].filter((one) => one !== undefined);
  if ([...retired, ...used].some(({ id }) => equalBytes(id, generation.id)))
    throw new BackupRefusal('generation-used');
  const { seedIdentity } = generation.content;
  if (!used.every(({ content }) => equalBytes(content.seedIdentity, seedIdentity)))
    throw new BackupRefusal('seed-other');
  return replace(backups, {
    ...backup,
    staged: { ...generation, since: now },
    retired: staged === undefined ? retired : retire(retired, staged),
  });
}

/**
 * Puts the staged generation in the place of the one in use, which is kept for the delay. It also takes back a deletion, and, with
 * the generation that was replaced, a replacement. While one is kept, those that come after it are not: whoever overwrites twice
 * destroys nothing sooner. `over` is what its caller knows to be in use, null for none: what another device switched to meanwhile is
 * not replaced, and a deletion that was asked for since is not taken back.
 */
export function activate(
  backups: Backups,
  backupName: string,
  { generation, over }: { readonly generation: Uint8Array; readonly over: Uint8Array | null },
  { now, delay }: Times = { now: 0, delay: 0 },
): Backups {
  const backup = found(backups, backupName);
  const { current, staged, retired, replaced } = backup;
  const isKnown = current === undefined ? over === null : over !== null && equalBytes(current.id, over);
  if (current !== undefined && equalBytes(current.id, generation))
    return backup.deletableAt === undefined || !isKnown
      ? backups
      : replace(backups, { ...backup, deletableAt: undefined });
  const isKept = (kept: Generation | undefined) => kept !== undefined && equalBytes(kept.id, generation);
  if (!isKept(replaced) && !isKept(staged)) throw new BackupRefusal('generation-unknown');
  if (!isKnown) throw new BackupRefusal('current-other');
  if (replaced !== undefined && isKept(replaced))
    return replace(backups, {
      ...backup,
      current: { id: replaced.id, content: replaced.content },
      replaced: undefined,
      retired: current === undefined ? retired : retire(retired, current),
      deletableAt: undefined,
    });
  const { id, content } = staged!;
  const isRevertible = current !== undefined && replaced === undefined && delay > 0;
  return replace(backups, {
    ...backup,
    current: { id, content },
    staged: undefined,
    replaced: isRevertible ? { ...current, until: now + delay } : replaced,
    retired: current === undefined || isRevertible ? retired : retire(retired, current),
    deletableAt: undefined,
  });
}

/**
 * What has to be durable before anybody gets tokens that delete a generation at its realms: that it is retired, and so never comes
 * into use again. One that is staged is retired by this.
 */
export function prepareDeletion(backups: Backups, backupName: string, generation: Uint8Array): Backups {
  const backup = found(backups, backupName);
  const { staged, retired } = backup;
  if (staged !== undefined && equalBytes(staged.id, generation))
    return replace(backups, { ...backup, staged: undefined, retired: retire(retired, staged, true) });
  const kept = retired.find(({ id }) => equalBytes(id, generation));
  if (kept === undefined) throw new BackupRefusal('generation-unknown');
  if (kept.isDeletable) return backups;
  const deletable = retired.map((one) => (one === kept ? { ...one, isDeletable: true } : one));
  return replace(backups, { ...backup, retired: deletable });
}

/** Forgets a retired generation that can have been deleted at its realms: nothing of it opens anything any more. */
export function forget(backups: Backups, backupName: string, generation: Uint8Array): Backups {
  const backup = found(backups, backupName);
  const { staged, retired } = backup;
  if (staged !== undefined && equalBytes(staged.id, generation))
    throw new BackupRefusal('deletion-unprepared');
  const left = retired.find(({ id }) => equalBytes(id, generation));
  if (left === undefined) throw new BackupRefusal('generation-unknown');
  if (!left.isDeletable) throw new BackupRefusal('deletion-unprepared');
  return replace(backups, { ...backup, retired: retired.filter((one) => one !== left) });
}

/** The first call begins a delay; a call after it retires the generation in use and forgets its content. */
export function remove(
  backups: Backups,
  backupName: string,
  generation: Uint8Array,
  { now, delay }: Times,
): Backups {
  const backup = found(backups, backupName);
  const { current, retired, replaced, deletableAt } = backup;
  if (replaced !== undefined && equalBytes(replaced.id, generation))
    throw new BackupRefusal('replacement-pending');
  if (current === undefined || !equalBytes(current.id, generation))
    throw new BackupRefusal('generation-unknown');
  const from = deletableAt ?? now + delay;
  if (now < from) {
    if (deletableAt !== undefined) throw new BackupRefusal('deletion-pending');
    return replace(backups, { ...backup, deletableAt: from });
  }
  return replace(backups, {
    ...backup,
    current: undefined,
    retired: retire(retired, current),
    deletableAt: undefined,
  });
}

/** The content of a generation, of the one in use when none is named; of the staged one while it is being made. */
export function read(
  backups: Backups,
  backupName: string,
  generation: Uint8Array | null,
  now: number,
): Generation {
  const { current, staged } = found(backups, backupName);
  if (generation === null) {
    if (current === undefined) throw new BackupRefusal('backup-not-found');
    return current;
  }
  if (current !== undefined && equalBytes(current.id, generation)) return current;
  if (staged === undefined || !equalBytes(staged.id, generation))
    throw new BackupRefusal('generation-unknown');
  assertBeingMade(staged, now);
  return staged;
}

/**
 * Where the generation is. Throws unless the scope fits how it stands: nobody can overwrite or delete at realms what is in
 * use, or what can still come into use.
 */
export function placementFor(
  backups: Backups,
  backupName: string,
  generation: Uint8Array,
  asked: {
    readonly scope: 'register' | 'recover' | 'status' | 'delete';
    /** Whose stamps the tokens are for. */
    readonly deviceKey: Uint8Array | null;
    readonly now: number;
  },
): BackupPlacement {
  const { scope, deviceKey, now } = asked;
  const { current, staged, retired } = found(backups, backupName);
  const placedOnes = (kept: Generation | undefined) => (kept === undefined ? [] : [placed(kept)]);
  const fitting = {
    register: placedOnes(staged),
    recover: [...placedOnes(staged), ...placedOnes(current)],
    status: placedOnes(current),
    delete: retired.filter(({ isDeletable }) => isDeletable),
  }[scope].find(({ id }) => equalBytes(id, generation));
  if (fitting === undefined) throw new BackupRefusal('generation-unknown');
  if (staged !== undefined && equalBytes(staged.id, generation)) {
    assertBeingMade(staged, now);
    // Guesses of what is not in use yet would come beside those that are counted and told of the one in use.
    const { deviceKey: own } = staged.content;
    if (own !== undefined && (deviceKey === null || !equalBytes(own, deviceKey)))
      throw new BackupRefusal('device-key-other');
  }
  return fitting.placement;
}

function assertBeingMade({ since }: { readonly since: number }, now: number): void {
  if (now >= since + stagingMilliseconds) throw new BackupRefusal('staging-over');
}

export function stateOf({
  backupName,
  current,
  staged,
  replaced,
  retired,
  deletableAt,
}: Backup): BackupState {
  return {
    backupName,
    current: current === undefined ? undefined : placed(current),
    staged: staged === undefined ? undefined : placed(staged),
    replaced: replaced === undefined ? undefined : { generation: placed(replaced), until: replaced.until },
    retired: retired.map(({ id, placement }) => ({ id, placement })),
    deletableAt,
  };
}

/** How a backup stands; one that was forgotten altogether has nothing in it. */
export function stateNamed(backups: Backups, backupName: string): BackupState {
  return stateOf(find(backups, backupName) ?? empty(backupName));
}

const empty = (backupName: string): Backup => ({
  backupName,
  current: undefined,
  staged: undefined,
  replaced: undefined,
  retired: [],
  deletableAt: undefined,
});

const find = (backups: Backups, backupName: string): Backup | undefined =>
  backups.find((backup) => backup.backupName === backupName);

function found(backups: Backups, backupName: string): Backup {
  const backup = find(backups, backupName);
  if (backup === undefined) throw new BackupRefusal('backup-not-found');
  return backup;
}

function replace(backups: Backups, backup: Backup): Backups {
  const { backupName, current, staged, replaced, retired } = backup;
  const others = backups.filter((one) => one.backupName !== backupName);
  if ([current, staged, replaced].every((one) => one === undefined) && retired.length === 0) return others;
  if (others.length >= maximumBackups) throw new BackupRefusal('too-many-backups');
  return [...others, backup];
}

function retire(retired: readonly Retired[], kept: Generation, isDeletable = false): readonly Retired[] {
  if (retired.length >= maximumRetired) throw new BackupRefusal('too-many-retired');
  return [...retired, { ...placed(kept), isDeletable }];
}

const none = new Uint8Array(0);

const placed = ({ id, content }: Generation): BackupGeneration => ({ id, placement: content.placement });

const isSame = (one: BackupContent, other: BackupContent): boolean =>
  equalBytes(one.share, other.share) &&
  equalBytes(one.ciphertext, other.ciphertext) &&
  equalBytes(one.pepper, other.pepper) &&
  equalBytes(one.seedIdentity, other.seedIdentity) &&
  equalBytes(one.deviceKey ?? none, other.deviceKey ?? none) &&
  equalBytes(BackupPlacement.encode(one.placement), BackupPlacement.encode(other.placement));
