/** Replacing what unlocks replaces the unlock secret: the records of from now on are nobody's who had the old one (spec/unlock.md §4.1). */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { genesisDirectoryOf } from '@keystead/enclave-launcher/genesis-directory';
import { readGenesis, writeGenesis } from '@keystead/enclave-launcher/genesis-files';
import { BootError } from '@keystead/enclave-runtime/boot';
import { WalletKeyWorld } from './wallet-key-world.ts';

const directories: string[] = [];
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

const records = (fill: number) => ({
  policy: new Uint8Array(8).fill(fill),
  signer: new Uint8Array(8).fill(fill + 1),
  certifier: new Uint8Array(8).fill(fill + 2),
});

describe('the unlock secret', () => {
  test('is another one after a rotation: the old one opens no record of now, and nothing that is sealed is lost', async () => {
    const world = await WalletKeyWorld.founded();
    directories.push(world.home);
    const copy = world.copyRecords();
    const old = await world.replaceSecret();
    await assert.rejects(
      world.startWith(old),
      (error) => error instanceof BootError && error.code === 'record-refused',
    );
    await world.start();
    assert.equal(world.readable, 3);
    // With the wallet key replaced as well, an old copy of the home and what unlocked it open nothing of now.
    await world.renew(false);
    world.pass(2);
    await world.renew(true);
    const now = world.copyRecords();
    copy();
    await assert.rejects(world.startWith(old), /older than the heads log/);
    now();
    await world.start();
    assert.equal(world.readable, 3);
  });

  test('is not replaced while an enclave is away, and everything is as before', async () => {
    const world = await WalletKeyWorld.founded();
    directories.push(world.home);
    await world.renew(false, { at: 1, moment: 'before', victims: ['policy'] }).catch(() => {});
    await assert.rejects(world.replaceSecret(), { code: 'not-resealed' });
    await world.recover();
    await world.start();
    assert.equal(world.readable, 3);
  });

  test('F17 changes with all records or with none, wherever the launcher is killed between the two renames', () => {
    const home = mkdtempSync(join(tmpdir(), 'keystead-genesis-'));
    directories.push(home);
    const directory = genesisDirectoryOf(home);
    const is = (fill: number) => {
      assert.deepEqual(readGenesis(home), records(fill));
      assert.ok(!existsSync(`${directory}.old`));
    };
    const prepare = (fill: number) => {
      const other = mkdtempSync(join(tmpdir(), 'keystead-genesis-'));
      writeGenesis(other, records(fill), '{}');
      rmSync(`${directory}.new`, { recursive: true, force: true });
      renameSync(genesisDirectoryOf(other), `${directory}.new`);
      rmSync(other, { recursive: true });
    };
    writeGenesis(home, records(1), '{}');
    // Prepared, and perhaps not to its end: the old ones hold.
    prepare(11);
    rmSync(join(`${directory}.new`, 'signer.record'));
    is(1);
    // Moved away: what was prepared takes the place.
    prepare(21);
    renameSync(directory, `${directory}.old`);
    is(21);
    // In place, and the old ones not removed yet.
    cpSync(directory, `${directory}.old`, { recursive: true });
    is(21);
    assert.deepEqual(readdirSync(directory).sort(), [
      'certifier.record',
      'policy.record',
      'signer.record',
      'unlock.json',
    ]);
  });
});
