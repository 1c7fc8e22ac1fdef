import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import bs58 from 'bs58';
import type { RawClient } from './raw-client.ts';

const running = withStack();

/** More requests than lie between two checkpoints. */
const REQUESTS = 70;
const SOLANA = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };
/** DER before the 32 bytes of an Ed25519 public key (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

interface Wallet {
  readonly walletId: string;
  readonly accounts: readonly { readonly address: string }[];
}

async function assertSigns(
  client: RawClient,
  organizationId: string,
  { walletId, accounts }: Wallet,
  message: string,
): Promise<void> {
  const params = { organizationId, walletId, message, algorithm: 'Ed25519', derivationInfo: SOLANA };
  const { signature } = await client.call<{ signature: string }>('signUtf8Message', params);
  const key = Buffer.concat([SPKI, bs58.decode(accounts[0]!.address)]);
  const publicKey = createPublicKey({ key, format: 'der', type: 'spki' });
  assert.ok(verify(null, Buffer.from(message), publicKey, Buffer.from(signature, 'base64url')));
}

/** The database: its file and whatever lies beside it of the same name. */
function databaseFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('store.sqlite'));
}

function copyDatabase(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of databaseFiles(to)) rmSync(join(to, name));
  for (const name of databaseFiles(from)) cpSync(join(from, name), join(to, name));
}

test('a wallet that was made after the copy of the database signs when the copy is brought back', async () => {
  const { home } = running;
  const copy = join(home, '..', 'copy');
  const { organizationId, client } = await running.organization();
  const create = (by: RawClient, walletName: string) =>
    by.call<Wallet>('createWallet', { organizationId, walletName });
  const older = await create(client, 'older');
  await running.restart(() => copyDatabase(home, copy));
  assert.ok(existsSync(join(copy, 'store.sqlite')));
  const entries = running.entries(organizationId);

  const again = running.client(client.key);
  const newer = await create(again, 'newer');
  for (let from = 0; from < REQUESTS; from += 10) {
    const messages = Array.from({ length: 10 }, (_, index) => `before ${from + index}`);
    await Promise.all(messages.map((message) => assertSigns(again, organizationId, older, message)));
  }
  const all = running.entries(organizationId);
  assert.equal(all, entries + REQUESTS + 1);

  await running.restart(() => copyDatabase(copy, home));
  assert.match(running.logged(), /"event":"rolled-forward"/);
  assert.equal(running.entries(organizationId), all);
  const restored = running.client(client.key);
  await assertSigns(restored, organizationId, newer, 'after');
  await assertSigns(restored, organizationId, older, 'after');
});
