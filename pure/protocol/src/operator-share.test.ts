import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import {
  decodeShare,
  encodeShare,
  type OperatorShare,
  parsePrintedShare,
  printShare,
  ShareError,
  shareCommitment,
} from './operator-share.ts';

interface Vector {
  readonly set: string;
  readonly threshold: number;
  readonly shares: number;
  readonly number: number;
  readonly share: string;
  readonly packed: string;
  readonly commitment: string;
  readonly printed: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/keystead/operator-share.json', import.meta.url), 'utf8'),
) as { readonly shares: readonly Vector[] };

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

const packed = encodeShare({
  set: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  threshold: 2,
  shares: 3,
  number: 2,
  share: Uint8Array.from({ length: 33 }, (_, index) => (index * 37 + 11) & 255),
});
/** The ten groups of it, without dashes. */
const groups = text(printShare(packed))
  .replace(/^ *\d+:/gm, '')
  .trim()
  .split(/\s+/)
  .map((group) => group.replace('-', ''));

/** The group in which a typed share is refused; fails when it is not. */
function refusedIn(typed: readonly string[]): number | undefined {
  try {
    parsePrintedShare(utf8(typed.join(' ')));
  } catch (error) {
    assert.ok(error instanceof ShareError);
    return error.group;
  }
  return assert.fail(`taken: ${typed.join(' ')}`);
}

const withGroup = (index: number, group: string) => groups.with(index, group);

describe('an operator’s share', () => {
  it('is packed, committed to and printed as the vectors say', () => {
    assert.ok(vectors.shares.length >= 3);
    for (const vector of vectors.shares) {
      const { threshold, shares, number } = vector;
      const share: OperatorShare = {
        set: hexDecode(vector.set),
        threshold,
        shares,
        number,
        share: hexDecode(vector.share),
      };
      assert.equal(hexEncode(encodeShare(share)), vector.packed);
      assert.deepEqual(decodeShare(hexDecode(vector.packed)), share);
      assert.equal(hexEncode(shareCommitment(hexDecode(vector.packed))), vector.commitment);
      assert.equal(text(printShare(hexDecode(vector.packed))), vector.printed);
      assert.equal(hexEncode(parsePrintedShare(utf8(vector.printed))), vector.packed);
    }
  });

  it('is read in any case, with or without dashes, lines and numbers, and with letters for 0 and 1', () => {
    const forms = [
      groups.join(' '),
      groups.join('\n').toLowerCase(),
      groups.join('  ').replaceAll('0', 'o').replaceAll('1', 'l'),
      groups.join(' ').replaceAll('0', 'O').replaceAll('1', 'I'),
      `${text(printShare(packed)).replaceAll('\n', '\r\n')}\n\n`,
    ];
    for (const form of forms) assert.deepEqual(parsePrintedShare(utf8(form)), packed, form);
  });

  it('shows every wrong character, and every two, in the group where they are', () => {
    let tried = 0;
    for (const [index, group] of groups.entries())
      for (let at = 0; at < group.length; at++)
        for (const wrong of alphabet) {
          if (wrong === group[at]) continue;
          const one = group.slice(0, at) + wrong + group.slice(at + 1);
          assert.equal(refusedIn(withGroup(index, one)), index + 1, one);
          tried += 1;
          // A second one beside it: all pairs would be 4 million.
          const next = (at + 1) % group.length;
          const other = alphabet[(alphabet.indexOf(group[next]!) + 1 + (tried % 31)) % 32]!;
          const two = one.slice(0, next) + other + one.slice(next + 1);
          assert.equal(refusedIn(withGroup(index, two)), index + 1, two);
        }
    assert.equal(tried, 10 * 10 * 31);
  });

  it('shows two exchanged characters, exchanged groups, and missing, added and impossible characters', () => {
    for (const [index, group] of groups.entries()) {
      for (let at = 1; at < group.length; at++) {
        if (group[at] === group[at - 1]) continue;
        const exchanged = `${group.slice(0, at - 1)}${group[at]}${group[at - 1]}${group.slice(at + 1)}`;
        assert.equal(refusedIn(withGroup(index, exchanged)), index + 1);
      }
      for (let other = index + 1; other < groups.length; other++) {
        if (groups[other] === group) continue;
        const swapped = groups.with(index, groups[other]!).with(other, group);
        assert.equal(refusedIn(swapped), index + 1);
      }
      assert.equal(refusedIn(withGroup(index, group.slice(1))), index + 1);
      assert.equal(refusedIn(withGroup(index, `${group}0`)), index + 1);
      assert.equal(refusedIn(withGroup(index, `${group.slice(1)}U`)), index + 1);
    }
    assert.equal(refusedIn(groups.slice(0, 9)), 10);
    assert.equal(refusedIn([...groups, groups[0]!]), undefined);
    assert.equal(refusedIn(['']), 1);
  });

  it('is not put together of groups of two shares', () => {
    const other = encodeShare({ ...decodeShare(packed), share: new Uint8Array(33).fill(9) });
    const mixed = text(printShare(other))
      .replace(/^ *\d+:/gm, '')
      .trim()
      .split(/\s+/);
    assert.equal(refusedIn([...groups.slice(0, 5), ...mixed.slice(5)]), undefined);
  });

  it('is refused with numbers that contradict one another, another version, or the point zero', () => {
    const good = decodeShare(packed);
    const cases: Partial<OperatorShare>[] = [
      { threshold: 1 },
      { threshold: 4 },
      { shares: 17, threshold: 2 },
      { number: 0 },
      { number: 4 },
      { share: new Uint8Array(33) },
    ];
    for (const changed of cases)
      assert.throws(() => decodeShare(encodeShare({ ...good, ...changed })), ShareError);
    assert.throws(() => decodeShare(packed.with(0, 2)), /version 2/);
    assert.throws(() => decodeShare(packed.subarray(1)), ShareError);
    assert.throws(() => decodeShare(Uint8Array.of(...packed, 0)), ShareError);
  });
});
