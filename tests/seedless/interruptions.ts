/** A change of a PIN that is cut off at one of its requests. */
import assert from 'node:assert/strict';
import { RecoveryError } from '@keystead/sdk/recovery';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import type { Person, SeedlessWorld } from './with-seedless.ts';

/** `before`: the request never leaves. `after`: it is done, and its answer is lost. Everything later fails as well. */
export type Cut = { readonly request: number; readonly when: 'before' | 'after' };

/** Sends until the cut, and nothing afterwards. */
export function cutAt({ request, when }: Cut): typeof fetch {
  let count = 0;
  return async (input, init) => {
    count += 1;
    if (count < request) return fetch(input, init);
    if (count === request && when === 'after') await (await fetch(input, init)).arrayBuffer();
    throw new TypeError('connection lost');
  };
}

const backupName = 'main';
const pins = ['180361', '472936'] as const;

const otherThan = (pin: string) => pins.find((other) => other !== pin)!;

export class PinChanges {
  readonly #world: SeedlessWorld;
  readonly #person: Person;
  readonly #store = memoryDeviceStore();
  #current: string = pins[0];
  #phrase = '';

  private constructor(world: SeedlessWorld, person: Person) {
    this.#world = world;
    this.#person = person;
  }

  static async start(world: SeedlessWorld): Promise<PinChanges> {
    const changes = new PinChanges(world, await world.person());
    const phone = world.device(changes.#person, { deviceStore: changes.#store });
    await phone.create({ backupName, pin: changes.#current });
    changes.#phrase = await phone.exportPhrase({ backupName });
    return changes;
  }

  /** How many requests a change has when nothing is cut off. */
  async requests(): Promise<number> {
    let count = 0;
    await this.#change((input, init) => {
      count += 1;
      return fetch(input, init);
    });
    return count;
  }

  /**
   * Cuts a change off and asserts what must hold: one of both PINs recovers the seed on a new device, the device itself
   * agrees which one, and a change afterwards succeeds. Gives which PIN it was; a change that lacked only its clean-up
   * has succeeded, and the next one cleans up.
   */
  async cut(cut: Cut): Promise<'old' | 'new'> {
    const old = this.#current;
    const fresh = otherThan(old);
    const isDone = await this.#change(cutAt(cut)).then(
      () => true,
      () => false,
    );
    const at = `${cut.when} request ${cut.request}`;
    const [withOld, withNew] = [await this.#recovered(old), await this.#recovered(fresh)];
    if (isDone) assert.ok(withNew, `${at}: the change said that it succeeded`);
    assert.ok(withOld !== withNew, `${at}: old PIN ${withOld}, new PIN ${withNew}`);
    this.#current = withNew ? fresh : old;
    const phone = this.#world.device(this.#person, { deviceStore: this.#store });
    assert.equal(await phone.verifyPin({ backupName, pin: this.#current }), true, at);
    assert.equal(await phone.verifyPin({ backupName, pin: withNew ? old : fresh }), false, at);
    await phone.changePin({ backupName, pin: this.#current, newPin: withNew ? old : fresh });
    this.#current = withNew ? old : fresh;
    assert.ok(await this.#recovered(this.#current), `${at}: the next change`);
    return withNew ? 'new' : 'old';
  }

  async #change(send: typeof fetch): Promise<void> {
    const old = this.#current;
    const fresh = otherThan(old);
    const phone = this.#world.device(this.#person, {
      deviceStore: this.#store,
      fetch: send,
    });
    await phone.changePin({ backupName, pin: old, newPin: fresh });
    this.#current = fresh;
  }

  async #recovered(pin: string): Promise<boolean> {
    const device = this.#world.device(this.#person);
    try {
      await device.recover({ backupName, pin });
    } catch (error) {
      if (error instanceof RecoveryError && error.code === 'invalid-pin') return false;
      throw error;
    }
    assert.equal(await device.exportPhrase({ backupName }), this.#phrase);
    return true;
  }
}
