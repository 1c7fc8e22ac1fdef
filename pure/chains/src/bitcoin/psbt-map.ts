/** One record of a map: key type, the rest of the key, value. */
export interface PsbtRecord {
  readonly type: number;
  readonly keyData: Uint8Array;
  readonly value: Uint8Array;
}

export type PsbtMap = readonly PsbtRecord[];

/** Value of the record with this type and an empty rest of key. */
export function findRecord(map: PsbtMap, type: number): Uint8Array | undefined {
  return map.find((record) => record.type === type && record.keyData.length === 0)?.value;
}
