import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { maximumBackups, maximumRetired } from '@keystead/protocol/backup-messages';
import {
  activate,
  type Backups,
  forget as forgetOf,
  placementFor as placementOf,
  prepareDeletion,
  put as putAt,
  read as readAt,
  remove,
  stagingMilliseconds,
  settled,
  stateNamed,
} from './backup-state.ts';
import { BackupRefusal } from './refusal.ts';

const id = (value: number) => new Uint8Array(16).fill(value);
const generation = (value: number, seed = 0) => ({
  id: id(value),
  content: {
    share: new Uint8Array([value]),
    ciphertext: new Uint8Array([value, 1]),
    pepper: new Uint8Array(32).fill(value),
    seedIdentity: id(seed),
    deviceKey: undefined as Uint8Array | undefined,
    placement: { realmIds: [id(value)], recoverThreshold: 1, pinHashingMode: 'Standard2019' as const },
  },
});
const refusedWith = (code: string) => (error: unknown) =>
  error instanceof BackupRefusal && error.code === code;
const put = (backups: Backups, backupName: string, made: Parameters<typeof putAt>[2]) =>
  putAt(backups, backupName, made, 0);
const read = (backups: Backups, backupName: string, named: Uint8Array | null) =>
  readAt(backups, backupName, named, 0);
const placementFor = (
  backups: Backups,
  backupName: string,
  named: Uint8Array,
  scope: 'register' | 'recover' | 'status' | 'delete',
) => placementOf(backups, backupName, named, { scope, deviceKey: null, now: 0 });
/** Over what is in use. */
const switchTo = (
  backups: Backups,
  backupName: string,
  named: Uint8Array,
  times?: Parameters<typeof activate>[3],
) => {
  const over = stateNamed(backups, backupName).current?.id ?? null;
  return activate(backups, backupName, { generation: named, over }, times);
};
const at = (now: number, delay = 0) => ({ now, delay });
/** Forgets a generation as clients do: tokens first. */
const forget = (backups: Backups, value: number) =>
  forgetOf(prepareDeletion(backups, 'a', id(value)), 'a', id(value));

describe('backups of an organization', () => {
  const made = switchTo(put([], 'a', generation(1)), 'a', id(1));

  test('a new generation is beside the one in use until it is activated, and then the old one waits for its deletion', () => {
    const staged = put(made, 'a', generation(2));
    assert.deepEqual(read(staged, 'a', null).id, id(1));
    assert.deepEqual(read(staged, 'a', id(2)).id, id(2));
    const switched = switchTo(staged, 'a', id(2));
    assert.deepEqual(read(switched, 'a', null).id, id(2));
    assert.throws(() => read(switched, 'a', id(1)), refusedWith('generation-unknown'));
    assert.deepEqual(stateNamed(switched, 'a').retired, [
      { id: id(1), placement: generation(1).content.placement },
    ]);
    assert.deepEqual(stateNamed(forget(switched, 1), 'a').retired, []);
  });

  test('what is overwritten is kept whole for the delay and can be put back; nobody deletes or guesses it meanwhile', () => {
    const over = switchTo(put(made, 'a', generation(2)), 'a', id(2), at(100, 50));
    assert.deepEqual(read(over, 'a', null).id, id(2));
    const { replaced, retired } = stateNamed(over, 'a');
    assert.deepEqual([replaced?.generation.id, replaced?.until, retired], [id(1), 150, []]);
    assert.throws(() => remove(over, 'a', id(1), at(149, 50)), refusedWith('replacement-pending'));
    for (const scope of ['register', 'recover', 'status', 'delete'] as const)
      assert.throws(() => placementFor(over, 'a', id(1), scope), refusedWith('generation-unknown'));
    assert.throws(() => put(over, 'a', generation(1)), refusedWith('generation-used'));
    const back = switchTo(over, 'a', id(1), at(120, 50));
    assert.deepEqual(read(back, 'a', null), generation(1));
    assert.deepEqual(
      stateNamed(back, 'a').retired.map(({ id: one }) => one),
      [id(2)],
    );
    // The control: once the delay is over it is as any retired one, and cannot be put back.
    assert.equal(settled(over, 149), over);
    const due = settled(over, 150);
    assert.deepEqual(placementFor(prepareDeletion(due, 'a', id(1)), 'a', id(1), 'delete').realmIds, [id(1)]);
    assert.throws(() => switchTo(due, 'a', id(1), at(150, 50)), refusedWith('generation-unknown'));
    assert.deepEqual(stateNamed(forget(due, 1), 'a').retired, []);
  });

  test('whoever overwrites twice, or overwrites and deletes, destroys the first no sooner', () => {
    const twice = [2, 3].reduce(
      (backups, value) => switchTo(put(backups, 'a', generation(value)), 'a', id(value), at(100, 50)),
      made,
    );
    assert.deepEqual(stateNamed(twice, 'a').replaced?.generation.id, id(1));
    const asked = remove(twice, 'a', id(3), at(100, 10));
    const gone = remove(asked, 'a', id(3), at(110, 10));
    assert.deepEqual(read(switchTo(gone, 'a', id(1), at(149, 50)), 'a', null), generation(1));
  });

  test('a name of a generation is used once, and the same content under it may come again', () => {
    const staged = put(made, 'a', generation(2));
    assert.equal(put(staged, 'a', generation(2)), staged);
    const other = { id: id(2), content: generation(3).content };
    assert.throws(() => put(staged, 'a', other), refusedWith('generation-used'));
    const { content } = generation(2);
    const peppered = { id: id(2), content: { ...content, pepper: new Uint8Array(32).fill(3) } };
    assert.throws(() => put(staged, 'a', peppered), refusedWith('generation-used'));
    assert.throws(() => put(made, 'a', generation(1)), refusedWith('generation-used'));
    assert.throws(
      () => put(switchTo(staged, 'a', id(2)), 'a', generation(1)),
      refusedWith('generation-used'),
    );
  });

  test('tokens register what is staged, recover what can be read, ask after what is in use, delete what is not', () => {
    let both = put(switchTo(put(made, 'a', generation(2)), 'a', id(2)), 'a', generation(3));
    const scopes = (value: number) =>
      (['register', 'recover', 'status', 'delete'] as const).filter((scope) => {
        try {
          assert.deepEqual(placementFor(both, 'a', id(value), scope).realmIds, [id(value)]);
          return true;
        } catch (error) {
          assert.ok(refusedWith('generation-unknown')(error));
          return false;
        }
      });
    assert.deepEqual(scopes(1), []);
    assert.deepEqual(scopes(2), ['recover', 'status']);
    assert.deepEqual(scopes(3), ['register', 'recover']);
    assert.deepEqual(scopes(4), []);
    both = prepareDeletion(both, 'a', id(1));
    assert.deepEqual(scopes(1), ['delete']);
    assert.throws(() => prepareDeletion(both, 'a', id(2)), refusedWith('generation-unknown'));
    assert.throws(() => placementFor(both, 'b', id(1), 'delete'), refusedWith('backup-not-found'));
  });

  test("what is staged is read and guessed for as long as a device needs to try it, and with that device's key alone; it can be switched to later", () => {
    const bound = generation(2);
    bound.content.deviceKey = new Uint8Array(32).fill(5);
    const staged = putAt(made, 'a', bound, 100);
    const last = 100 + stagingMilliseconds - 1;
    const own = bound.content.deviceKey;
    const stranger = new Uint8Array(32).fill(6);
    for (const scope of ['register', 'recover'] as const) {
      for (const deviceKey of [null, stranger])
        assert.throws(
          () => placementOf(staged, 'a', id(2), { scope, deviceKey, now: 100 }),
          refusedWith('device-key-other'),
        );
      assert.ok(placementOf(staged, 'a', id(2), { scope, deviceKey: own, now: last }));
      assert.throws(
        () => placementOf(staged, 'a', id(2), { scope, deviceKey: own, now: last + 1 }),
        refusedWith('staging-over'),
      );
    }
    assert.ok(readAt(staged, 'a', id(2), last));
    assert.throws(() => readAt(staged, 'a', id(2), last + 1), refusedWith('staging-over'));
    // Who puts it again does not prolong that.
    assert.equal(putAt(staged, 'a', bound, last), staged);
    const switched = switchTo(staged, 'a', id(2), at(last + 1));
    assert.deepEqual(readAt(switched, 'a', null, last + 1), bound);
    // The one in use is for every device of the account, with tokens of which its person is told.
    for (const deviceKey of [null, stranger])
      assert.ok(placementOf(switched, 'a', id(2), { scope: 'recover', deviceKey, now: last + 1 }));
  });

  test('what realms can be asked to delete never comes into use: making the tokens retires what is staged, for good', () => {
    const staged = put(made, 'a', generation(2));
    // The control: without such tokens it is switched to.
    assert.deepEqual(read(switchTo(staged, 'a', id(2)), 'a', null).id, id(2));
    const prepared = prepareDeletion(staged, 'a', id(2));
    assert.throws(() => switchTo(prepared, 'a', id(2)), refusedWith('generation-unknown'));
    assert.throws(() => put(prepared, 'a', generation(2)), refusedWith('generation-used'));
    for (const scope of ['register', 'recover'] as const)
      assert.throws(() => placementFor(prepared, 'a', id(2), scope), refusedWith('generation-unknown'));
    assert.equal(prepareDeletion(prepared, 'a', id(2)), prepared);
    assert.deepEqual(read(prepared, 'a', null).id, id(1));
  });

  test('a seed is put in the place of another by nobody, in whatever order: what is in use, replaced and staged is of one seed', () => {
    const otherSeed = refusedWith('seed-other');
    assert.throws(() => put(made, 'a', generation(2, 1)), otherSeed);
    // Also not in the place of what was replaced and can still be put back.
    const over = switchTo(put(made, 'a', generation(2)), 'a', id(2), at(0, 50));
    const gone = remove(over, 'a', id(2), at(0, 0));
    assert.throws(() => put(gone, 'a', generation(3, 1)), otherSeed);
    assert.ok(put(gone, 'a', generation(3)));
    // Two that begin at the same time: one of them never comes into use.
    const both = put(put([], 'a', generation(1, 1)), 'a', generation(2, 2));
    assert.throws(() => switchTo(both, 'a', id(1)), refusedWith('generation-unknown'));
    assert.throws(() => put(switchTo(both, 'a', id(2)), 'a', generation(3, 1)), otherSeed);
    // The control: another name, or the same after the deletion.
    assert.ok(put(made, 'b', generation(2, 1)));
    assert.ok(put(remove(made, 'a', id(1), at(0)), 'a', generation(2, 1)));
  });

  test('nothing that realms may hold is forgotten before tokens to delete it were made', () => {
    const staged = put(made, 'a', generation(2));
    assert.throws(() => forgetOf(staged, 'a', id(2)), refusedWith('deletion-unprepared'));
    assert.throws(() => forgetOf(staged, 'a', id(1)), refusedWith('generation-unknown'));
    const switched = switchTo(staged, 'a', id(2));
    assert.throws(() => forgetOf(switched, 'a', id(1)), refusedWith('deletion-unprepared'));
    // What deletes a backup ends what is in use, and nothing else.
    for (const [backups, value] of [
      [staged, 2],
      [switched, 1],
    ] as const)
      assert.throws(() => remove(backups, 'a', id(value), at(0)), refusedWith('generation-unknown'));
    assert.deepEqual(stateNamed(forget(switched, 1), 'a').retired, []);
  });

  test('the generation in use is deleted after the delay and not before, and activating it takes that back', () => {
    const asked = remove(made, 'a', id(1), at(1000, 500));
    assert.equal(stateNamed(asked, 'a').deletableAt, 1500);
    assert.deepEqual(read(asked, 'a', null).id, id(1));
    assert.throws(() => remove(asked, 'a', id(1), at(1499, 500)), refusedWith('deletion-pending'));
    // A shorter delay than at the first call does not count.
    assert.throws(() => remove(asked, 'a', id(1), at(1499, 0)), refusedWith('deletion-pending'));
    assert.equal(stateNamed(switchTo(asked, 'a', id(1)), 'a').deletableAt, undefined);
    const gone = remove(asked, 'a', id(1), at(1500, 500));
    assert.throws(() => read(gone, 'a', null), refusedWith('backup-not-found'));
    assert.deepEqual(forget(gone, 1), []);
    assert.equal(stateNamed(remove(made, 'a', id(1), at(0)), 'a').current, undefined);
  });

  test('of two changes within the delay the first generation is kept, and the one between them is not', () => {
    const once = switchTo(put(made, 'a', generation(2)), 'a', id(2), at(0, 50));
    const twice = switchTo(put(once, 'a', generation(3)), 'a', id(3), at(10, 50));
    const { replaced, retired } = stateNamed(twice, 'a');
    assert.deepEqual([replaced!.generation.id, replaced!.until], [id(1), 50]);
    assert.deepEqual(
      retired.map((one) => one.id),
      [id(2)],
    );
    assert.deepEqual(read(switchTo(twice, 'a', id(1), at(49, 50)), 'a', null), generation(1));
  });

  test('a switch, back or forth, is made over the generation that its caller knows to be in use, and takes a deletion back of no other', () => {
    const over = switchTo(put(made, 'a', generation(2)), 'a', id(2), at(0, 50));
    const staged = put(over, 'a', generation(3));
    const other = refusedWith('current-other');
    for (const named of [id(1), id(3)])
      for (const known of [id(1), id(3), id(4), null])
        assert.throws(() => activate(staged, 'a', { generation: named, over: known }, at(1, 50)), other);
    const none = put([], 'a', generation(1));
    assert.throws(() => activate(none, 'a', { generation: id(1), over: id(2) }), other);
    const asked = remove(over, 'a', id(2), at(1, 50));
    for (const known of [id(1), null]) {
      const late = activate(asked, 'a', { generation: id(2), over: known }, at(2, 50));
      assert.equal(late, asked, 'it is in use already, and that is all');
    }
    const kept = activate(asked, 'a', { generation: id(2), over: id(2) }, at(2, 50));
    assert.equal(stateNamed(kept, 'a').deletableAt, undefined);
  });

  test('there is a bound to backups and to what waits for deletion', () => {
    let backups: Backups = [];
    for (let name = 0; name < maximumBackups; name += 1) backups = put(backups, String(name), generation(1));
    assert.throws(() => put(backups, 'one more', generation(1)), refusedWith('too-many-backups'));
    let one: Backups = [];
    for (let value = 0; value <= maximumRetired; value += 1) one = put(one, 'a', generation(value));
    assert.throws(() => put(one, 'a', generation(100)), refusedWith('too-many-retired'));
    assert.ok(put(forget(one, 0), 'a', generation(100)).length === 1);
  });

  test('no series of requests loses the generation in use, but a deletion of that generation', () => {
    const step = fc.record({
      action: fc.constantFrom('put', 'activate', 'remove'),
      value: fc.integer({ min: 1, max: 6 }),
      now: fc.integer({ min: 0, max: 3000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let backups: Backups = made;
        for (const { action, value, now } of steps) {
          const before = stateNamed(backups, 'a').current;
          try {
            if (action === 'put') backups = put(backups, 'a', generation(value));
            else if (action === 'activate') backups = switchTo(backups, 'a', id(value));
            else backups = remove(backups, 'a', id(value), at(now, 1000));
          } catch (error) {
            assert.ok(error instanceof BackupRefusal);
          }
          const { current } = stateNamed(backups, 'a');
          if (before === undefined || current !== undefined) continue;
          assert.equal(action, 'remove');
          assert.deepEqual(before.id, id(value));
        }
      }),
    );
  });
});
