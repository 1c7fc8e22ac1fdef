/**
 * The rows in their order, in parts of at most `mostBytes` bytes and `mostRows` rows; a longer row has a part of its
 * own. At least one part, which may be empty.
 */
export function inParts(
  rows: readonly Uint8Array[],
  mostBytes: number,
  mostRows: number,
): [Uint8Array[], ...Uint8Array[][]] {
  const parts: [Uint8Array[], ...Uint8Array[][]] = [[]];
  let part = parts[0];
  let bytes = 0;
  for (const row of rows) {
    if (part.length === mostRows || (part.length > 0 && bytes + row.length > mostBytes)) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(row);
    bytes += row.length;
  }
  return parts;
}

export function bytesOf(rows: readonly Uint8Array[]): number {
  return rows.reduce((sum, { length }) => sum + length, 0);
}
