import assert from 'node:assert/strict';
import { guessOf, register2, registrationFor } from './registrations.ts';
import { Crashed, type CrashPoint, crashPoints, RealmWorld, type RunningRealm } from './realm-world.ts';

const limit = 5;
/** A turn has four points, and three more when a snapshot follows; two turns of a batch lie in one step. */
const pointsOfStep = 14;
/** Snapshots come after every record, after two, and so on, round by round. */
const mostSnapshotRecords = 3;

/**
 * Guesses until the lock-out, with a crash at the next point of a write in every step, and starts again, until there
 * were `wanted` crashes. Never are more guesses evaluated than the limit. Returns how many crashes there were at each
 * point.
 */
export async function crashRun(wanted: number): Promise<Readonly<Record<CrashPoint, number>>> {
  const crashes = Object.fromEntries(crashPoints.map((point) => [point, 0])) as Record<CrashPoint, number>;
  let count = 0;
  let countdown = -1;
  const crash = (point: CrashPoint) => {
    if (countdown < 0) return;
    countdown -= 1;
    if (countdown >= 0 || count >= wanted) return;
    count += 1;
    crashes[point] += 1;
    throw new Crashed();
  };
  const { realmId } = new RealmWorld();
  const registration = registrationFor(realmId, '1234', limit);
  const wrong = guessOf('0', registration.version).request;
  let mostEvaluated = 0;
  for (let round = 0; count < wanted; round++) {
    countdown = -1;
    const world = new RealmWorld({ crash, snapshotRecords: 1 + (round % mostSnapshotRecords) });
    let realm: RunningRealm = world.start();
    await realm.ask('ada', register2(registration));
    let evaluated = 0;
    let isLocked = false;
    for (let step = round; !isLocked; step++) {
      countdown = step % pointsOfStep;
      const guesses = Array.from({ length: 1 + (step % 3) }, () => realm.ask('ada', wrong));
      for (const answer of await Promise.allSettled(guesses)) {
        if (answer.status === 'rejected') assert.ok(answer.reason instanceof Crashed, String(answer.reason));
        else if ('evaluation' in answer.value) evaluated += 1;
        else isLocked = true;
      }
      if (!realm.ended) continue;
      countdown = -1;
      realm = world.start();
    }
    assert.ok(evaluated <= limit, `${evaluated} evaluations`);
    mostEvaluated = Math.max(mostEvaluated, evaluated);
    countdown = -1;
    assert.equal((await realm.ask('ada', wrong)).outcome, 'NoGuesses');
    // Whoever is told of the last guess is told of the lock-out, once, and whoever crashes loses neither.
    const told = world.events.map(({ event, guessCount }) => `${event} ${guessCount}`);
    assert.deepEqual(told.slice(-2), [`guess_used ${limit}`, `locked_out ${limit}`]);
    assert.equal(told.filter((one) => one.startsWith('locked_out')).length, 1);
  }
  // Negative control: guesses were evaluated at all.
  assert.ok(mostEvaluated > 0);
  return crashes;
}
