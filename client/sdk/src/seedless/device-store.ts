/**
 * Where a device keeps its seed and what its PIN is checked against. An implementation keeps them from whoever does not
 * have the unlocked device: a phone's keystore, `browserDeviceStore`. `write` resolves when the value is durable, and
 * takes the place of what was there whole or not at all.
 */
export interface DeviceStore {
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, value: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Keeps everything for as long as the process lives. */
export function memoryDeviceStore(): DeviceStore {
  const kept = new Map<string, Uint8Array>();
  return {
    read: async (name) => kept.get(name)?.slice(),
    write: async (name, value) => {
      kept.set(name, value.slice());
    },
    remove: async (name) => {
      kept.get(name)?.fill(0);
      kept.delete(name);
    },
  };
}
