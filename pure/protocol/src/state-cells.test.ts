import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import {
  type CounterRow,
  counterName,
  decodePage,
  encodePage,
  groupOfOne,
  type Page,
  PlaceCell,
  pageOf,
  placeCellOf,
  placeName,
  SegmentCell,
  UsageCell,
  writtenPage,
} from './state-cells.ts';

const named = (domain: string, text: string): string =>
  createHash('sha256').update(`${domain}\0${text}`).digest('hex').slice(0, 32);

describe('rows of a counter', () => {
  const rows = (...given: CounterRow[]) => hexEncode(SegmentCell.encode(given));

  it('have one encoding, as wide as the newest total', () => {
    assert.equal(rows(), '000000');
    assert.equal(rows([5, 0n]), '0001000000000000000005');
    assert.equal(
      rows([5, 7n], [0x1a1f8d3ea00, 2n ** 64n - 1n]),
      '0002010000000000000005' + '0000000000000007' + '000001a1f8d3ea00' + 'ffffffffffffffff',
    );
    assert.equal(
      rows([5, 7n], [6, 2n ** 64n]),
      '0002020000000000000005' +
        '0'.repeat(31) +
        '7' +
        '0000000000000006' +
        '0000000000000001' +
        '0'.repeat(16),
    );
  });

  it('are read back as they were, to totals far above what an entry can name', () => {
    for (const most of [0n, 1n, 2n ** 63n, 2n ** 64n, 10n ** 80n, 2n ** 512n - 1n]) {
      const given: CounterRow[] = [
        [0, 0n],
        [1_795_176_000_000, most / 2n],
        [Number.MAX_SAFE_INTEGER, most],
      ];
      assert.deepEqual(SegmentCell.decode(SegmentCell.encode(given)), given);
    }
    assert.throws(() => SegmentCell.encode([[0, 2n ** 512n]]), RangeError);
  });

  it('are refused in any other encoding', () => {
    const refused = [
      ['another length', '00010100000000000000050000000000000007ff'],
      ['more words than the total needs', `0001020000000000000005${'0'.repeat(31)}7`],
      ['words without rows', '000001'],
      ['too many words', `000109${'11'.repeat(80)}`],
      ['cut short', '0001'],
    ];
    for (const [what, bytes] of refused)
      assert.throws(() => SegmentCell.decode(hexDecode(bytes!)), RangeError, what);
  });

  it('stand by level in the cell of the counter', () => {
    const cell = { open: [[], [[5, 7n] as const]], sealed: [1, 0] };
    const bytes = UsageCell.encode(cell);
    assert.equal(
      hexEncode(bytes),
      '00000002' +
        '00000003000000' +
        '00000013' +
        '00010100000000000000050000000000000007' +
        '00000002' +
        '0000000000000001' +
        '0000000000000000',
    );
    assert.deepEqual(UsageCell.decode(bytes), cell);
  });

  it('belong to a counter whose name is the hash of its scope', () => {
    for (const scope of ['count', 'amount wallet="w"', 'count'])
      assert.equal(counterName(scope), named('keystead/usage/v1', scope));
  });
});

describe('places', () => {
  it('of neighbouring nonces of one sender lie in one page, and of everything else in pages of their own', () => {
    const page = (text: string) => named('keystead/place-page/v1', text);
    for (const [place, name] of [
      ['eip155:1 0xab 0', `${page('eip155:1 0xab 0')}/0`],
      ['eip155:1 0xab 63', `${page('eip155:1 0xab 0')}/63`],
      ['eip155:1 0xab 64', `${page('eip155:1 0xab 1')}/0`],
      ['eip155:1 0xac 64', `${page('eip155:1 0xac 1')}/0`],
      ['eip155:10 0xab 64', `${page('eip155:10 0xab 1')}/0`],
      ['eip155:1 0xab 18446744073709551615', `${page('eip155:1 0xab 288230376151711743')}/63`],
      ['bitcoin ab:64', `${page('bitcoin ab:64')}/0`],
      ['sui 0xab@64', `${page('sui 0xab@64')}/0`],
    ] as const)
      assert.equal(placeName(place), name);
  });

  it('hold a group, or say where it stands, in one encoding', () => {
    const counter = 'ab'.repeat(16);
    const cells: PlaceCell[] = [
      { stands: 'elsewhere', at: `${counter}/63` },
      { stands: 'alone', position: 3, time: 5, places: [`${counter}/0`], amounts: [{ counter, amount: 7n }] },
      {
        stands: 'here',
        places: [`${counter}/0`],
        members: [{ position: 3, amounts: [{ counter, amount: 10n ** 79n }] }],
        rows: [{ counter, open: [{ time: 5, amount: 0n }] }],
      },
    ];
    for (const cell of cells) assert.deepEqual(PlaceCell.decode(PlaceCell.encode(cell)), cell);
    const bytes = hexEncode(PlaceCell.encode(cells[2]!));
    assert.ok(bytes.endsWith('0000000130'), 'an amount is written in decimal');
    for (const amount of ['0000000230' + '30', '00000000', '000000012d', '0000000161'])
      assert.throws(() => PlaceCell.decode(hexDecode(bytes.slice(0, -10) + amount)), {
        code: 'pack-malformed',
      });
  });

  it('begin as what the entry reserved without counts, which is a group of one member', () => {
    const [home, other] = ['ab', 'cd'].map((byte) => `${byte.repeat(16)}/0`) as [string, string];
    const reservation = (byte: number, asset: string, amount: string) => ({
      counter: new Uint8Array(16).fill(byte),
      scope: 's',
      asset,
      amount,
    });
    const entry = {
      position: 3,
      time: 5,
      places: [home, other],
      reservations: [reservation(1, 'count', '1'), reservation(2, 'usd', '7'), reservation(3, 'a', '0')],
    };
    const cell = placeCellOf(entry, home);
    assert.ok(cell.stands === 'alone');
    const counters = ['02', '03'].map((byte) => byte.repeat(16)) as [string, string];
    const amounts = [
      { counter: counters[0], amount: 7n },
      { counter: counters[1], amount: 0n },
    ];
    assert.deepEqual(groupOfOne(cell), {
      stands: 'here',
      places: [home, other],
      members: [{ position: 3, amounts }],
      rows: amounts.map(({ counter, amount }) => ({ counter, open: [{ time: 5, amount }] })),
    });
    assert.deepEqual(placeCellOf(entry, other), { stands: 'elsewhere', at: home });
  });

  it('are found in their page by name, and no other cell lies in one', () => {
    assert.deepEqual(pageOf('place/ab/63'), { page: 'place/ab', slot: 63 });
    for (const name of ['organization', 'usage/ab', 'usage-segment/ab/0/1', 'policy/place/1'])
      assert.equal(pageOf(name), undefined);
  });
});

describe('a page', () => {
  const short = Uint8Array.of(1, 2);
  const longest = new Uint8Array(1024);
  const long = new Uint8Array(1025);
  const empty: Page = new Map();

  it('has one encoding, whatever the order of the writes', () => {
    const forth = writtenPage(
      empty,
      new Map([
        [7, short],
        [0, longest],
      ]),
    ).page;
    const back = writtenPage(writtenPage(empty, new Map([[0, longest]])).page, new Map([[7, short]])).page;
    assert.deepEqual(encodePage(forth), encodePage(back));
    assert.deepEqual(
      decodePage(encodePage(forth)),
      new Map([
        [0, longest],
        [7, short],
      ]),
    );
    assert.equal(
      hexEncode(
        encodePage(
          new Map([
            [7, short],
            [9, undefined],
          ]),
        ),
      ),
      '00000002' + '07' + '01' + '000000020102' + '0900',
    );
  });

  it('leaves a long value to a cell of its own, for as long as it is long', () => {
    const first = writtenPage(empty, new Map([[3, long]]));
    assert.deepEqual([...first.page], [[3, undefined]]);
    assert.deepEqual([...first.own], [[3, long]]);
    const second = writtenPage(first.page, new Map([[3, short]]));
    assert.deepEqual([...second.page], [[3, short]]);
    assert.deepEqual([...second.own], [[3, undefined]]);
    assert.equal(writtenPage(second.page, new Map([[3, short]])).own.size, 0);
  });
});

describe('vectors/keystead/state.json', () => {
  const { counters } = JSON.parse(
    readFileSync(new URL('../../../vectors/keystead/state.json', import.meta.url), 'utf8'),
  ) as { counters: Vectors };
  const bytesOf = (text: string): Uint8Array => hexDecode(text.slice(2));
  const rowsOf = (rows: PlainRows): CounterRow[] => rows.map(([time, total]) => [time, BigInt(total)]);

  it('names counters and places', () => {
    for (const { scope, counter } of counters.scopes) assert.equal(counterName(scope), counter);
    for (const { place, name } of counters.places) assert.equal(placeName(place), name);
  });

  it('gives the cells of places where an entry begins a group', () => {
    const { entry, cells } = counters.begins;
    const begins = {
      ...entry,
      reservations: entry.reservations.map((each) => ({ ...each, counter: bytesOf(each.counter) })),
    };
    assert.deepEqual(
      entry.places.map((place) => PlaceCell.encode(placeCellOf(begins, place))),
      cells.map(({ bytes }) => bytesOf(bytes)),
    );
    assert.deepEqual(
      entry.places.map((place) => `place/${place}`),
      cells.map(({ name }) => name),
    );
  });

  it('encodes rows, counters, places and pages', () => {
    for (const { rows, bytes } of counters.rows) {
      assert.deepEqual(SegmentCell.encode(rowsOf(rows)), bytesOf(bytes));
      assert.deepEqual(SegmentCell.decode(bytesOf(bytes)), rowsOf(rows));
    }
    const { open, sealed, bytes } = counters.usage;
    assert.deepEqual(UsageCell.encode({ open: open.map(rowsOf), sealed }), bytesOf(bytes));
    for (const { cell, bytes: encoded } of counters.cells) {
      const decoded = PlaceCell.decode(bytesOf(encoded));
      assert.deepEqual(PlaceCell.encode(decoded), bytesOf(encoded));
      const plain = JSON.stringify(decoded, (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      assert.deepEqual(JSON.parse(plain), cell);
    }
    const slots = counters.page.slots.map(
      ([slot, value]) => [slot, value === null ? undefined : bytesOf(value)] as const,
    );
    assert.deepEqual(encodePage(new Map(slots)), bytesOf(counters.page.bytes));
  });
});

type PlainRows = readonly (readonly [time: number, total: string])[];
interface Vectors {
  readonly scopes: readonly { readonly scope: string; readonly counter: string }[];
  readonly places: readonly { readonly place: string; readonly name: string }[];
  readonly rows: readonly { readonly rows: PlainRows; readonly bytes: string }[];
  readonly usage: { readonly open: readonly PlainRows[]; readonly sealed: number[]; readonly bytes: string };
  readonly cells: readonly { readonly cell: unknown; readonly bytes: string }[];
  readonly begins: {
    readonly entry: {
      readonly position: number;
      readonly time: number;
      readonly places: string[];
      readonly reservations: readonly {
        readonly counter: string;
        readonly scope: string;
        readonly asset: string;
        readonly amount: string;
      }[];
    };
    readonly cells: readonly { readonly name: string; readonly bytes: string }[];
  };
  readonly page: { readonly slots: readonly (readonly [number, string | null])[]; readonly bytes: string };
}
