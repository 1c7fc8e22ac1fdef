import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { ShellSession } from './shell-session.ts';

const shell = new ShellSession();
after(() => shell.end());

const running = withStack({}, async (stack) => {
  const { organizationId, client } = await stack.organization();
  const derivationPath = "m/44'/501'/0'/0'";
  const { walletId } = await client.call<{ walletId: string }>('createWallet', {
    organizationId,
    walletName: 'treasury',
    accounts: [derivationPath],
  });
  // Past the checkpoint at position 64.
  await Promise.all(
    Array.from({ length: 69 }, (_, index) =>
      client.call('signUtf8Message', {
        organizationId,
        walletId,
        message: `message ${index}`,
        algorithm: 'Ed25519',
        derivationInfo: derivationPath,
      }),
    ),
  );
  Object.assign(shell.variables, {
    ORGANIZATION: organizationId,
    KEYSTEAD_HOME: stack.home,
    HEADS: join(stack.home, '../heads'),
  });
});

/** A copy of the store, changed by hand. */
function editedStore(name: string, edit: (database: DatabaseSync) => void): string {
  const path = join(shell.folder, name);
  copyFileSync(join(running.home, 'store.sqlite'), path);
  const log = join(running.home, 'store.sqlite-wal');
  if (existsSync(log)) copyFileSync(log, `${path}-wal`);
  const database = new DatabaseSync(path);
  edit(database);
  database.close();
  return path;
}

/** Changes one byte in the middle of an entry's method name. */
function editEntry(position: number): (database: DatabaseSync) => void {
  return (database) => {
    const row = database.prepare('SELECT bytes FROM entries WHERE position = ?').get(position);
    const bytes = row!.bytes as Uint8Array;
    const at = Buffer.from(bytes).indexOf('signUtf8Message');
    assert.ok(at > 0);
    bytes[at] = 'S'.charCodeAt(0);
    database.prepare('UPDATE entries SET bytes = ? WHERE position = ?').run(bytes, position);
  };
}

describe('keystead ledger verify', () => {
  test('passes an unedited store, while the deployment runs', () =>
    shell.play(`
      $ keystead ledger verify
      <uuid>  71 entries, 0 denied  ok
      in all: organizations 1, entries 71, nodes <number>, secrets 1
      the last entry of each chain is confirmed by nothing here; compare with --heads

      $ keystead ledger verify --heads $HEADS
      <uuid>  71 entries, 0 denied  ok
      in all: organizations 1, entries 71, nodes <number>, secrets 1
      every chain was compared with the heads log
    `));

  test('passes an unedited copy', () => {
    shell.variables.COPY = editedStore('copy.sqlite', () => {});
    return shell.play(`
      $ keystead ledger verify --store $COPY --deployment $KEYSTEAD_HOME/deployment.json
      <uuid>  71 entries, 0 denied  ok
      in all: organizations 1, entries 71, nodes <number>, secrets 1
      the last entry of each chain is confirmed by nothing here; compare with --heads
    `);
  });

  test('names an edited entry', () => {
    shell.variables.EDITED = editedStore('edited.sqlite', editEntry(40));
    return shell.play(`
      $ keystead ledger verify --store $EDITED
      <uuid>  40 entries, 0 denied  BAD at position 40
      in all: organizations 1, entries 40, nodes <number>, secrets 1
      the last entry of each chain is confirmed by nothing here; compare with --heads
      ! error: organization <uuid>, position 40: its hash is not the one that position 41 names: it was changed
      ! hint: …
      [1]
    `);
  });

  test('names an edited last entry when the heads are at hand', async () => {
    shell.variables.LAST = editedStore('last.sqlite', editEntry(71));
    assert.equal((await shell.run('keystead ledger verify --store $LAST')).code, 0);
    const { stdout, stderr, code } = await shell.run(
      'keystead ledger verify --store $LAST --heads $HEADS --json',
    );
    assert.equal(code, 1);
    const { ok, bad } = JSON.parse(stdout);
    assert.equal(ok, false);
    assert.deepEqual(bad, [
      {
        organizationId: shell.variables.ORGANIZATION,
        position: 71,
        what: 'its hash is not that of the certified head',
      },
    ]);
    assert.match(stderr, /^error: organization .* position 71/);
  });

  test('names what was removed from the end, when the heads are at hand', () => {
    shell.variables.SHORT = editedStore('short.sqlite', (database) =>
      database.exec('DELETE FROM entries WHERE position > 69'),
    );
    return shell.play(`
      $ keystead ledger verify --store $SHORT --heads $HEADS
      <uuid>  69 entries, 0 denied  BAD at position 70
      in all: organizations 1, entries 69, nodes <number>, secrets 1
      every chain was compared with the heads log
      ! error: organization <uuid>, position 70: it is missing: history goes on to a later position
      ! hint: …
      [1]
    `);
  });

  test('names a missing entry, a changed node and a changed secret', async () => {
    shell.variables.GAP = editedStore('gap.sqlite', (database) =>
      database.exec('DELETE FROM entries WHERE position = 12'),
    );
    assert.match(
      (await shell.run('keystead ledger verify --store $GAP')).stderr,
      /position 12: it is missing from the store/,
    );
    const flipLast = (database: DatabaseSync, table: string) => {
      const row = database.prepare(`SELECT bytes FROM ${table} LIMIT 1`).get()!.bytes as Uint8Array;
      const changed = row.with(-1, row.at(-1)! ^ 1);
      database.prepare(`UPDATE ${table} SET bytes = ? WHERE bytes = ?`).run(changed, row);
    };
    for (const [table, rows] of [
      ['nodes', 'node_packs'],
      ['secrets', 'secrets'],
    ] as const) {
      shell.variables.ROWS = editedStore(`${table}.sqlite`, (database) => flipLast(database, rows));
      const { stderr, code } = await shell.run('keystead ledger verify --store $ROWS');
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`error: ${table} [0-9a-f]{64}: its content has another hash`));
    }
  });

  test('refuses the chain of another deployment', async () => {
    const { stderr, code } = await shell.run(`keystead ledger verify --deployment ${'A'.repeat(43)}`);
    assert.equal(code, 1);
    assert.match(stderr, /position 1: the id of the organization does not follow from this genesis/);
  });
});
