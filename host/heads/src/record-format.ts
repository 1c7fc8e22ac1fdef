import { crc32 } from 'node:zlib';

/**
 * spec/heads.md §3. A record on disk: u32 length, u32 CRC-32 over length, sequence and bytes, u64 sequence,
 * the bytes, one end mark. All integers are big-endian. What follows the last record is zeros.
 */

export const recordHeaderBytes = 16;
export const recordOverhead = recordHeaderBytes + 1;
const endMark = 0xa5;

/** Sectors reach the medium whole; one that did not is still the zeros of the preallocation. */
const sectorBytes = 512;

export interface FoundRecord {
  sequence: number;
  /** A view of the record's bytes. */
  bytes: Buffer;
  /** Offset after the end mark. */
  end: number;
  /** False when everything but the end mark is there. */
  marked: boolean;
}

/** The bytes of a record as they lie on disk, in `room` where it is large enough. */
export function encodeRecord(
  sequence: number,
  bytes: Uint8Array,
  room: Buffer = Buffer.alloc(recordOverhead + bytes.length),
): Buffer {
  const record = room.subarray(0, recordOverhead + bytes.length);
  record.writeUInt32BE(bytes.length, 0);
  record.writeBigUInt64BE(BigInt(sequence), 8);
  record.set(bytes, recordHeaderBytes);
  record.writeUInt32BE(checksum(record, 0, bytes.length), 4);
  record[record.length - 1] = endMark;
  return record;
}

/** The whole record at `offset`, or undefined when its checksum says that there is none. */
export function recordAt(file: Buffer, offset: number): FoundRecord | undefined {
  if (offset + recordHeaderBytes > file.length) return undefined;
  return recordOfLength(file, offset, file.readUInt32BE(offset));
}

/**
 * What stands at `offset`, where no record is whole. `empty`: nothing but zeros. `torn`: the beginning of
 * the last record, whose write never ended, so that nobody was told that it is kept. `corrupt`: a record
 * that was written to its end and is now different.
 *
 * A record is written to its end when a later record exists, or when its own end mark stands in its place
 * and no sector inside is still empty, or when only its length field disagrees with the rest.
 */
export function judgeTail(file: Buffer, offset: number): 'empty' | 'torn' | 'corrupt' {
  const end = endOfContent(file, offset);
  if (end === offset) return 'empty';
  if (recordFollows(file, offset, end)) return 'corrupt';
  if (offset + recordHeaderBytes > file.length) return 'torn';
  const stated = offset + recordOverhead + file.readUInt32BE(offset);
  if (stated === end && !hasEmptySector(file, offset, end)) return 'corrupt';
  if (hasOtherLength(file, offset, end)) return 'corrupt';
  return 'torn';
}

/** Offset after the last byte that is not zero, at least `offset`. */
export function endOfContent(file: Buffer, offset: number): number {
  let end = file.length;
  while (end > offset && file[end - 1] === 0) end -= 1;
  return end;
}

function recordOfLength(file: Buffer, offset: number, length: number): FoundRecord | undefined {
  const end = offset + recordHeaderBytes + length;
  if (length === 0 || end > file.length) return undefined;
  // A sequence above 2^53-1 is none of ours: the upper eleven bits are clear in every record.
  if (file[offset + 8] !== 0 || file[offset + 9] > 0x1f) return undefined;
  if (file.readUInt32BE(offset + 4) !== checksum(file, offset, length)) return undefined;
  const mark = end < file.length ? file[end] : 0;
  // Another byte than the mark or the zero before it means that the record was changed later.
  if (mark !== endMark && mark !== 0) return undefined;
  return {
    sequence: Number(file.readBigUInt64BE(offset + 8)),
    bytes: file.subarray(offset + recordHeaderBytes, end),
    end: end + 1,
    marked: mark === endMark,
  };
}

/** Whether any whole record begins after `offset`. Run on a damaged file only: it tries every offset. */
function recordFollows(file: Buffer, offset: number, end: number): boolean {
  for (let at = offset + 1; at + recordOverhead < end; at += 1) {
    const length = file.readUInt32BE(at);
    // The cheap checks first, so that a checksum is computed for few offsets.
    const mark = at + recordHeaderBytes + length;
    if (length === 0 || mark >= end || file[mark] !== endMark) continue;
    if (recordOfLength(file, at, length)?.marked) return true;
  }
  return false;
}

/** Whether the checksum or the end mark says that the record ends at `end`, whatever its length field says. */
function hasOtherLength(file: Buffer, offset: number, end: number): boolean {
  const length = end - offset - recordOverhead;
  if (length <= 0 || file[end - 1] === 0) return false;
  return file.readUInt32BE(offset + 4) === checksum(file, offset, length);
}

function hasEmptySector(file: Buffer, offset: number, end: number): boolean {
  let sector = Math.ceil(offset / sectorBytes) * sectorBytes;
  for (; sector + sectorBytes <= end; sector += sectorBytes)
    if (file.subarray(sector, sector + sectorBytes).every((byte) => byte === 0)) return true;
  return false;
}

/** CRC-32 over the length (as stated by `length`), the sequence and the bytes of the record at `offset`. */
function checksum(file: Buffer, offset: number, length: number): number {
  const stated = Buffer.alloc(4);
  stated.writeUInt32BE(length);
  return crc32(file.subarray(offset + 8, offset + recordHeaderBytes + length), crc32(stated));
}
