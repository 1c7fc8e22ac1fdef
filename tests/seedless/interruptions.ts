/** A change of a PIN that loses one of its requests, or is cut off there. */
import assert from 'node:assert/strict';
import { RecoveryError } from '@keystead/sdk/recovery';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { type Devices, type Loss, losing, openWay, requestsOf, type Way } from './ways.ts';

const backupName = 'main';
const pins = ['180361', '472936'] as const;

const otherThan = (pin: string) => pins.find((other) => other !== pin)!;

export class PinChanges {
  readonly #devices: Devices;
  readonly #store = memoryDeviceStore();
  #current: string = pins[0];
  #phrase = '';

  private constructor(devices: Devices) {
    this.#devices = devices;
  }

  static async start(devices: Devices): Promise<PinChanges> {
    const changes = new PinChanges(devices);
    const phone = devices.device(openWay, { deviceStore: changes.#store });
    await phone.create({ backupName, pin: changes.#current });
    changes.#phrase = await phone.exportPhrase({ backupName });
    return changes;
  }

  /** How many requests a change has when nothing is cut off. */
  requests(): Promise<number> {
    return requestsOf((way) => this.#change(way));
  }

  /**
   * Loses a request of a change, or cuts the change off there, and asserts what must hold: one of both PINs recovers the seed on a new device, the device itself
   * agrees which one, and a change afterwards succeeds. Gives which PIN it was; a change that lacked only its clean-up
   * has succeeded, and the next one cleans up.
   */
  async lose(loss: Loss): Promise<'old' | 'new'> {
    const at = `${loss.when} request ${loss.request}${loss.forGood ? ' for good' : ''}`;
    return this.change(losing(loss), at);
  }

  /** The same for requests that fare in any other way. */
  async change(way: Way, at: string): Promise<'old' | 'new'> {
    const old = this.#current;
    const fresh = otherThan(old);
    const isDone = await this.#change(way).then(
      () => true,
      () => false,
    );
    const [withOld, withNew] = [await this.#recovered(old), await this.#recovered(fresh)];
    if (isDone) assert.ok(withNew, `${at}: the change said that it succeeded`);
    assert.ok(withOld !== withNew, `${at}: old PIN ${withOld}, new PIN ${withNew}`);
    this.#current = withNew ? fresh : old;
    const phone = this.#devices.device(openWay, { deviceStore: this.#store });
    assert.equal(await phone.verifyPin({ backupName, pin: this.#current }), true, at);
    assert.equal(await phone.verifyPin({ backupName, pin: withNew ? old : fresh }), false, at);
    await phone.changePin({ backupName, pin: this.#current, newPin: withNew ? old : fresh });
    this.#current = withNew ? old : fresh;
    assert.ok(await this.#recovered(this.#current), `${at}: the next change`);
    return withNew ? 'new' : 'old';
  }

  async #change(way: Way): Promise<void> {
    const old = this.#current;
    const fresh = otherThan(old);
    const phone = this.#devices.device(way, { deviceStore: this.#store });
    await phone.changePin({ backupName, pin: old, newPin: fresh });
    this.#current = fresh;
  }

  async #recovered(pin: string): Promise<boolean> {
    const device = this.#devices.device(openWay);
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
