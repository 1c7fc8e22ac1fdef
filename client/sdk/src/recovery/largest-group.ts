import type { RealmConnection } from './realm-connection.ts';

export interface Answered<V> {
  readonly from: RealmConnection;
  readonly value: V;
}

/** The answers that agree, of the largest set that does. */
export function largestGroup<V>(
  answers: readonly Answered<V>[],
  isSame: (a: V, b: V) => boolean,
): readonly Answered<V>[] {
  const groups: Answered<V>[][] = [];
  for (const answer of answers) {
    const group = groups.find((each) => isSame(each[0]!.value, answer.value));
    if (group === undefined) groups.push([answer]);
    else group.push(answer);
  }
  return groups.reduce<readonly Answered<V>[]>((a, b) => (b.length > a.length ? b : a), []);
}
