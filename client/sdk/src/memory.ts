/** The newest end of an organization's chain that this client has been told, and when. */
export interface Remembered {
  readonly position: number;
  /** 32 bytes: hash of the entry at `position`. */
  readonly hash: Uint8Array;
  /** Milliseconds, as the enclaves stated it. */
  readonly time: number;
}

/** Where a client keeps what it remembers, by organization id. Whoever loses it can be shown an old world once. */
export interface ClientMemory {
  get(organizationId: string): Remembered | undefined | Promise<Remembered | undefined>;
  set(organizationId: string, remembered: Remembered): void | Promise<void>;
}

/** Remembers for as long as the process lives. */
export function processMemory(): ClientMemory {
  const known = new Map<string, Remembered>();
  return {
    get: (organizationId) => known.get(organizationId),
    set: (organizationId, remembered) => {
      known.set(organizationId, remembered);
    },
  };
}
