import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import type { SeedlessOptions } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { ShellSession } from '../cli/shell-session.ts';
import { withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless({ realmCount: 4 });
const shell = new ShellSession();
after(() => shell.end());

const backupName = 'main';
const pin = '180361';
const path = (name: string) => join(shell.folder, name);
const write = (name: string, value: unknown) => writeFileSync(path(name), JSON.stringify(value));
const read = <T>(name: string): T => JSON.parse(readFileSync(path(name), 'utf8')) as T;

async function command(words: string, code = 0) {
  const printed = await shell.run(`keystead realm ${words}`);
  assert.equal(printed.code, code, `${words}: ${printed.stdout}${printed.stderr}`);
  return printed;
}
const json = async <T>(words: string, code = 0): Promise<T> =>
  JSON.parse((await command(`${words} --json`, code)).stdout) as T;

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'in time');
    await new Promise((wake) => setTimeout(wake, 200));
  }
}

const withOperators = (configuration: ConfigurationDocument, names: readonly string[]) => ({
  ...configuration,
  realms: configuration.realms.map((realm, index) => ({ ...realm, operator: names[index]! })),
});

describe('keystead realm plan, migrate and campaign', () => {
  test('take users from two realms to three, of which one replaces an old one, and let the old one go when nobody depends on it', async () => {
    const keeper = world.keeperHome;
    const old = withOperators(world.someOf([2, 3], 2), ['ada', 'bob']);
    const next = withOperators(world.someOf([0, 1, 3], 2), ['cy', 'dan', 'bob']);
    write('old.json', old);
    write('next.json', next);
    // The keeper as it was before: it makes tokens for the old realms, and one new realm does not know it.
    const settings = join(keeper, 'settings.json');
    const keeperSettings = () => JSON.parse(readFileSync(settings, 'utf8')) as { realms: string[] };
    const ids = ({ realms }: ConfigurationDocument) => realms.map(({ id }) => id).sort();
    await world.realms.configure(keeper, JSON.stringify({ ...keeperSettings(), realms: ids(old) }));
    const stranger = world.realms.realms.find(({ id }) => id === next.realms[0]!.id)!;
    const knowing = readFileSync(join(stranger.home, 'tenants.json'), 'utf8');
    await world.realms.configure(stranger.home, '{"tenants":{}}\n');

    const people = [await world.person(), await world.person()];
    const devices = people.map((person) => {
      const deviceStore = memoryDeviceStore();
      return (options: Partial<SeedlessOptions>) => world.device(person, { deviceStore, ...options });
    });
    const [ada, bob] = devices as [(typeof devices)[0], (typeof devices)[0]];
    for (const device of devices) await device({ configuration: old }).create({ backupName, pin });
    writeFileSync(path('users'), `${people[0]!.organizationId}\n`);

    write('alone.json', withOperators(next, ['cy', ' CY', 'bob']));
    const refused = await command('plan --from old.json --to alone.json --out refused.json', 1);
    assert.match(refused.stderr, /operators: cy would run 2 realms/);
    await command('plan --from old.json --to alone.json --development');
    await command('plan --from old.json --to next.json --out plan.json');

    const migrate = `migrate --plan plan.json --home ${keeper} --clients clients.json`;
    const blocked = await command(migrate, 1);
    assert.match(
      blocked.stderr,
      /does not know the key backup:1; hint: nothing was changed|nothing was changed/,
    );
    assert.deepEqual(keeperSettings().realms, ids(old));
    await world.realms.configure(stranger.home, knowing);
    const dry = await json<{ steps: { kind: string; state: string }[] }>(`${migrate} --dry-run`);
    assert.deepEqual(
      dry.steps.map(({ kind, state }) => `${state} ${kind}`),
      [
        'done start-realm',
        'done start-realm',
        'done admit-keeper',
        'done admit-keeper',
        'would be done extend-keeper',
        'would be done publish-configuration',
        'open move-users',
        'open decommission-realm',
        'open reduce-keeper',
        'open retire-configuration',
      ],
    );
    assert.deepEqual(keeperSettings().realms, ids(old));
    await command(migrate);
    await command(migrate);
    assert.deepEqual(keeperSettings().realms, ids({ ...next, realms: [...next.realms, old.realms[0]!] }));
    const clients = read<Partial<SeedlessOptions>>('clients.json');
    assert.deepEqual(clients, { configuration: next, previousConfigurations: [old] });

    const campaign = `--campaign campaign.json`;
    await command(`campaign start --plan plan.json --users users ${campaign}`);
    await command(`campaign start --plan plan.json --users users ${campaign}`, 1);
    interface Status {
      readonly moved: number;
      readonly waiting: number;
      readonly waitingUnlisted: number;
      readonly isComplete: boolean;
    }
    const follow = `${campaign} --home ${keeper}`;
    const before = await json<Status>(`campaign status ${follow}`);
    assert.deepEqual([before.moved, before.waiting, before.waitingUnlisted], [0, 2, 1]);
    await command(`campaign remind ${follow} --out due`);
    assert.equal(readFileSync(path('due'), 'utf8'), `${people[0]!.organizationId}\n`);
    assert.deepEqual((await json<{ due: string[] }>(`campaign remind ${follow} --dry-run`)).due, []);

    assert.deepEqual(await ada(clients).migrate({ backupName, pin }), { migrated: true });
    const half = await json<Status>(`campaign status ${follow}`);
    assert.deepEqual([half.moved, half.waiting, half.isComplete], [1, 1, false]);
    const finish = `campaign finish ${follow} --clients clients.json`;
    assert.match((await command(finish, 1)).stderr, /1 backups wait/);
    assert.equal(keeperSettings().realms.length, 4);
    const leaving = world.realms.realms.find(({ id }) => id === old.realms[0]!.id)!;
    const decommission = `decommission --home ${leaving.home} --address ${leaving.address}`;
    assert.match((await command(decommission, 1)).stderr, /1 registrations depend on this realm/);

    await bob(clients).migrate({ backupName, pin });
    await command(finish);
    await command(finish);
    assert.deepEqual(keeperSettings().realms, ids(next));
    assert.deepEqual(read('clients.json'), { configuration: next, previousConfigurations: [] });
    // The figure is the enclave's, once a second.
    await until(async () => (await shell.run(`keystead realm ${decommission}`)).code === 0);
    for (const device of devices) {
      const own = device({ configuration: next });
      assert.equal(await own.verifyPin({ backupName, pin }), true);
      assert.deepEqual(await own.guessesRemaining({ backupName }), { guesses: 7, waitSeconds: 0 });
      await own.changePin({ backupName, pin, newPin: '472936' });
    }
  });

  test('end a realm by force with the names of exactly those who lose their backup, and of nobody who is not on the list', async () => {
    const keeper = world.keeperHome;
    // Of two realms one goes: 2 of 2 is lost. Of three it goes as well: 2 of 3 is left with two.
    const pair = withOperators(world.someOf([2, 3], 2), ['ada', 'bob']);
    const three = withOperators(world.someOf([1, 2, 3], 2), ['cy', 'ada', 'bob']);
    const next = withOperators(world.someOf([0, 1, 3], 2), ['dan', 'cy', 'bob']);
    for (const [name, value] of Object.entries({ pair, three, next })) write(`${name}.json`, value);
    const settings = join(keeper, 'settings.json');
    const keeperSettings = () => JSON.parse(readFileSync(settings, 'utf8')) as { realms: string[] };
    const all = world.realms.realms.map(({ id }) => id);
    // The test before has closed one.
    for (const { home } of world.realms.realms) {
      const known = readFileSync(join(home, 'tenants.json'), 'utf8');
      await world.realms.configure(home, known.replaceAll('"closed": true', '"closed": false'));
    }
    await world.realms.configure(keeper, JSON.stringify({ ...keeperSettings(), realms: all }));
    const made = async (configuration: ConfigurationDocument) => {
      const person = await world.person();
      await world.device(person, { configuration }).create({ backupName, pin });
      return person;
    };
    const [loses, keeps] = [await made(pair), await made(three)];
    const recovers = async (person: typeof loses, clients: Partial<SeedlessOptions>) => {
      const device = world.device(person, clients);
      await device.recover({ backupName, pin });
      return device;
    };

    await command('plan --from three.json --to next.json --out forced-plan.json');
    writeFileSync(path('few'), `${keeps.organizationId}\n`);
    writeFileSync(path('both'), `${loses.organizationId}\n${keeps.organizationId}\n`);
    const started = (name: string) =>
      command(`campaign start --plan forced-plan.json --users ${name} --campaign ${name}.json`);
    await started('few');
    await started('both');
    const finish = (name: string, more = '') =>
      `campaign finish --campaign ${name}.json --home ${keeper} --clients forced.json ${more}`;
    const forced = '--force --release release.json';
    assert.match((await command(finish('both'), 1)).stderr, /2 backups wait/);
    assert.match((await command(finish('few', forced), 1)).stderr, /1 backups .* not on the campaign/);
    assert.match(
      (await command(finish('both', forced), 1)).stderr,
      /1 organizations would lose .* not named/,
    );
    const tooMany = await command(finish('both', `${forced} --lose both`), 1);
    assert.match(tooMany.stderr, /1 organizations are named and lose nothing/);
    assert.deepEqual(keeperSettings().realms.toSorted(), all.toSorted(), 'nothing was changed');
    await recovers(loses, { configuration: pair });

    writeFileSync(path('lose'), `${loses.organizationId}\n`);
    await command(finish('both', `${forced} --lose lose`));
    const clients = read<Partial<SeedlessOptions>>('forced.json');
    assert.deepEqual(clients, { configuration: next, previousConfigurations: [three] });
    const audit = read<{ forced: { lost: string[]; weakened: number } }>('both.json').forced;
    assert.deepEqual([audit.lost, audit.weakened], [[loses.organizationId], 1]);
    assert.deepEqual(keeperSettings().realms.toSorted(), next.realms.map(({ id }) => id).toSorted());
    await assert.rejects(recovers(loses, { configuration: pair }));
    const device = await recovers(keeps, clients);

    const leaving = world.realms.realms.find(({ id }) => id === three.realms[1]!.id)!;
    const decommission = `decommission --home ${leaving.home} --address ${leaving.address}`;
    const tenants = readFileSync(join(leaving.home, 'tenants.json'), 'utf8');
    // The figure is the enclave's, once a second.
    await until(async () =>
      /2 registrations depend on this realm/.test((await shell.run(`keystead realm ${decommission}`)).stderr),
    );
    const document = read<{ generations: Record<string, number> }>('release.json');
    assert.deepEqual(document.generations, { [leaving.id]: 2 });
    write('less.json', { ...document, generations: { [leaving.id]: 1 } });
    write('other.json', { ...document, generations: {} });
    const less = await command(`${decommission} --force --release less.json`, 1);
    assert.match(less.stderr, /2 registrations .* accounts for 1/);
    assert.match(
      (await command(`${decommission} --force --release other.json`, 1)).stderr,
      /no release of realm/,
    );
    await command(`${decommission} --force --release release.json`);
    const mark = JSON.parse(readFileSync(join(leaving.home, 'decommissioned.json'), 'utf8')) as {
      registered: number;
      forced: unknown;
    };
    assert.deepEqual([mark.registered, mark.forced], [2, document]);
    // Who kept a threshold moves on without the realm that went; what was given up is there again with it.
    assert.deepEqual(await device.migrate({ backupName, pin }), { migrated: true });
    await recovers(keeps, { configuration: next });
    await world.realms.configure(leaving.home, tenants);
    await world.realms.configure(keeper, JSON.stringify({ ...keeperSettings(), realms: all }));
    await recovers(loses, { configuration: pair });
  });
});
