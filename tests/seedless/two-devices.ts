/** Two devices of one account that change one backup at the same time. */
import assert from 'node:assert/strict';
import type { RecoveryError } from '@keystead/sdk/recovery';
import type { SeedlessError, SeedlessWallets } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { type Devices, openWay, requestsOf, type Sent, type Way } from './ways.ts';

const backupName = 'main';
const pins = ['180361', '472936', '739164', '204857'] as const;

/** What the tablet does while the phone changes the PIN. */
export type Other = 'cleanUp' | 'resetPin' | 'changePin';

export interface Outcome {
  readonly phone: string;
  readonly tablet: string;
  /** Whose PIN recovers the seed afterwards. */
  readonly counts: 'old' | 'phone' | 'tablet';
}

export class TwoDevices {
  readonly #devices: Devices;
  readonly #phoneStore = memoryDeviceStore();
  readonly #tabletStore = memoryDeviceStore();
  #pin: string = pins[0];
  #phrase = '';

  private constructor(devices: Devices) {
    this.#devices = devices;
  }

  static async start(account: Devices): Promise<TwoDevices> {
    const devices = new TwoDevices(account);
    const phone = devices.#phone();
    await phone.create({ backupName, pin: devices.#pin });
    devices.#phrase = await phone.exportPhrase({ backupName });
    await devices.#tablet().recover({ backupName, pin: devices.#pin });
    return devices;
  }

  /** How many requests a change of the PIN has, and where each goes. */
  async requests(): Promise<readonly Sent['to'][]> {
    const sent: Sent['to'][] = [];
    const [pin, newPin] = [this.#pin, this.#others()[0]];
    await requestsOf((way) => {
      const counting: Way = (request, deliver) => {
        sent.push(request.to);
        return way(request, deliver);
      };
      return this.#phone(counting).changePin({ backupName, pin, newPin });
    });
    this.#pin = newPin;
    await this.#tablet().recover({ backupName, pin: newPin });
    return sent;
  }

  /**
   * The tablet acts before one request of the phone's change, as far as one of its own requests; the rest of it comes when the phone
   * is done. 0: it acts to the end.
   */
  async meet(request: number, other: Other, pause = 0): Promise<Outcome> {
    const paused = signal();
    const phoneIsDone = signal();
    let tablet = Promise.resolve('nothing');
    const tabletWay: Way = async (sent, deliver) => {
      if (sent.number === pause) paused.give();
      if (pause > 0 && sent.number >= pause) await phoneIsDone.given;
      return deliver();
    };
    const phone = await this.#change(async (sent, deliver) => {
      if (sent.number === request) {
        tablet = this.#act(this.#tablet(tabletWay), other);
        await Promise.race([tablet, paused.given]);
      }
      return deliver();
    });
    phoneIsDone.give();
    const at = `${other} before request ${request}, pausing at ${pause}`;
    return this.#settled(phone, await tablet, at);
  }

  /**
   * One request of the phone's change is kept back, for the phone it is lost; it arrives before one of the tablet's, or at the end.
   */
  async late(request: number, other: Other, arrives: number): Promise<Outcome> {
    let held: (() => Promise<unknown>) | undefined;
    const phone = await this.#change((sent, deliver) => {
      if (sent.number !== request) return deliver();
      held = deliver;
      throw new TypeError('connection lost');
    });
    const arrive = async () => {
      const deliver = held;
      held = undefined;
      await deliver?.().catch(() => {});
    };
    const tablet = await this.#act(
      this.#tablet(async (sent, deliver) => {
        if (sent.number === arrives) await arrive();
        return deliver();
      }),
      other,
    );
    await arrive();
    return this.#settled(phone, tablet, `request ${request} before request ${arrives} of ${other}`);
  }

  async #change(way: Way): Promise<string> {
    const [newPin] = this.#others();
    return outcomeOf(this.#phone(way).changePin({ backupName, pin: this.#pin, newPin }));
  }

  async #act(device: SeedlessWallets, other: Other): Promise<string> {
    const [, newPin] = this.#others();
    switch (other) {
      case 'cleanUp':
        return outcomeOf(device.cleanUp({ backupName }));
      case 'resetPin':
        return outcomeOf(device.resetPin({ backupName, newPin }));
      case 'changePin':
        return outcomeOf(device.changePin({ backupName, pin: this.#pin, newPin }));
    }
  }

  /**
   * What must hold: exactly one PIN brings the seed to a new device, that of a change that said that it succeeded, where one
   * did; the devices can go on.
   */
  async #settled(phone: string, tablet: string, at: string): Promise<Outcome> {
    const [ofPhone, ofTablet] = this.#others();
    const found: Record<string, string> = {};
    for (const pin of [this.#pin, ofPhone, ofTablet]) found[pin] = await this.#recovered(pin);
    const working = Object.keys(found).filter((pin) => found[pin] === 'recovers');
    const said = `${at}: phone ${phone}, tablet ${tablet}, ${JSON.stringify(found)}`;
    assert.equal(working.length, 1, said);
    const counts = working[0] === ofPhone ? 'phone' : working[0] === ofTablet ? 'tablet' : 'old';
    const changed = [phone === 'resolved' ? 'phone' : '', tablet === 'resolved' ? 'tablet' : ''];
    if (phone === 'resolved' || (tablet === 'resolved' && ofTablet === working[0]))
      assert.ok(changed.includes(counts), said);
    this.#pin = working[0]!;
    const others = this.#others();
    await this.#phone().resetPin({ backupName, newPin: others[0] });
    this.#pin = others[0];
    await this.#tablet().recover({ backupName, pin: others[0] });
    assert.equal(await this.#phone().verifyPin({ backupName, pin: others[0] }), true, said);
    return { phone, tablet, counts };
  }

  async #recovered(pin: string): Promise<string> {
    const device = this.#devices.device(openWay);
    const outcome = await outcomeOf(device.recover({ backupName, pin }));
    if (outcome !== 'resolved') return outcome;
    assert.equal(await device.exportPhrase({ backupName }), this.#phrase);
    return 'recovers';
  }

  #others(): [string, string] {
    return pins.filter((pin) => pin !== this.#pin).slice(0, 2) as [string, string];
  }

  #phone(way: Way = openWay): SeedlessWallets {
    return this.#devices.device(way, { deviceStore: this.#phoneStore });
  }

  #tablet(way: Way = openWay): SeedlessWallets {
    return this.#devices.device(way, { deviceStore: this.#tabletStore });
  }
}

function signal(): { readonly given: Promise<void>; give(): void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** `resolved`, or the code that a call rejected with. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'resolved';
  } catch (error) {
    const { code } = error as SeedlessError | RecoveryError;
    if (code === undefined && !(error instanceof TypeError)) throw error;
    return code ?? String(error);
  }
}
