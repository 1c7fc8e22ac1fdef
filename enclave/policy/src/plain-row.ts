/** Rows of (time, amount or total) as JSON holds them: integers are decimal strings. */
export type PlainRow = readonly [time: number, amount: string];

export const rowOf = ([time, amount]: PlainRow): readonly [number, bigint] => [time, BigInt(amount)];
export const plainRow = ([time, amount]: readonly [number, bigint]): PlainRow => [time, amount.toString()];
