/** Moves of one backup between two configurations of realms, some of them cut off at one of their requests. */
import assert from 'node:assert/strict';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import type { SeedlessError, SeedlessOptions, SeedlessWallets } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { type Cut, cutAt } from './cut-off.ts';
import type { Person, SeedlessWorld } from './with-seedless.ts';

export const backupName = 'main';
export const pin = '180361';

export class Migrations {
  readonly person: Person;
  readonly #world: SeedlessWorld;
  readonly #store = memoryDeviceStore();
  #phrase = '';

  private constructor(world: SeedlessWorld, person: Person) {
    this.#world = world;
    this.person = person;
  }

  /** A person with a backup under this configuration. */
  static async start(world: SeedlessWorld, configuration: ConfigurationDocument): Promise<Migrations> {
    const migrations = new Migrations(world, await world.person());
    const phone = migrations.phone(configuration, []);
    await phone.create({ backupName, pin });
    migrations.#phrase = await phone.exportPhrase({ backupName });
    return migrations;
  }

  /** The device that has the seed, with an application that knows these configurations. */
  phone(
    configuration: ConfigurationDocument,
    previousConfigurations: readonly ConfigurationDocument[],
    options: Partial<SeedlessOptions> = {},
  ): SeedlessWallets {
    const own = { deviceStore: this.#store, configuration, previousConfigurations };
    return this.#world.device(this.person, { ...own, ...options });
  }

  /** How many requests a move has when nothing is cut off. */
  async requests(from: ConfigurationDocument, to: ConfigurationDocument): Promise<number> {
    let count = 0;
    const send: typeof fetch = (input, init) => {
      count += 1;
      return fetch(input, init);
    };
    assert.deepEqual(await this.phone(to, [from], { fetch: send }).migrate({ backupName, pin }), {
      migrated: true,
    });
    return count;
  }

  /**
   * Cuts a move off and asserts what must hold: the PIN brings the seed to a new device, at no guess; it does so at the old
   * realms or at the new ones and not at both; repeating the move completes it. Gives where the backup was after the cut.
   */
  async cut(from: ConfigurationDocument, to: ConfigurationDocument, cut: Cut): Promise<'old' | 'new'> {
    const at = `${cut.when} request ${cut.request}`;
    const isDone = await this.phone(to, [from], { fetch: cutAt(cut) })
      .migrate({ backupName, pin })
      .then(
        () => true,
        () => false,
      );
    const fresh = this.#world.device(this.person, { configuration: to, previousConfigurations: [from] });
    assert.deepEqual(await fresh.guessesRemaining({ backupName }), { guesses: 7, waitSeconds: 0 }, at);
    await fresh.recover({ backupName, pin });
    assert.equal(await fresh.exportPhrase({ backupName }), this.#phrase, at);
    const [isOld, isNew] = [await this.isAt(from), await this.isAt(to)];
    assert.ok(isOld !== isNew, `${at}: old ${isOld}, new ${isNew}`);
    if (isDone) assert.ok(isNew, `${at}: the move said that it succeeded`);

    await this.phone(to, [from]).migrate({ backupName, pin });
    assert.ok(await this.isAt(to), `${at}: the next move`);
    assert.equal((await this.phone(to, [from]).list())[0]!.isMigrationDue, false);
    return isNew ? 'new' : 'old';
  }

  /** Whether an application that knows this configuration alone recovers; any other it refuses before a guess. */
  async isAt(configuration: ConfigurationDocument): Promise<boolean> {
    const device = this.#world.device(this.person, { configuration });
    try {
      await device.recover({ backupName, pin });
    } catch (error) {
      assert.equal((error as SeedlessError).code, 'configuration-unknown', String(error));
      return false;
    }
    assert.equal(await device.exportPhrase({ backupName }), this.#phrase);
    return true;
  }
}
