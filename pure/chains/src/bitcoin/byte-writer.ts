/** Compact size in its shortest form. */
export function compactSize(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value);
  if (value < 0x1_0000) return Uint8Array.of(0xfd, value & 0xff, value >> 8);
  const out = new Uint8Array(5);
  out[0] = 0xfe;
  out.set(uint32(value), 1);
  return out;
}

/** Four bytes, little-endian. */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

/** Eight bytes, little-endian. */
export function uint64(value: bigint): Uint8Array {
  const out = new Uint8Array(8);
  out.set(uint32(Number(value & 0xffff_ffffn)));
  out.set(uint32(Number(value >> 32n)), 4);
  return out;
}

/** Bytes with their compact size before them. */
export function variable(bytes: Uint8Array): Uint8Array {
  return join([compactSize(bytes.length), bytes]);
}

/** Joins any number of parts. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
