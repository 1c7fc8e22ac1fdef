/**
 * A wallet that comes back on a second device: made on one, recovered on the other with the account's key and the PIN.
 *
 *   node examples/src/seedless-wallet.ts .keystead/development/credentials.json ready.json
 *
 * The second file holds the ready line of `npm start`.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createClient } from '@keystead/sdk/client';
import { readCredentials, stamperOf } from '@keystead/sdk/node/credentials';
import { RecoveryError } from '@keystead/sdk/recovery';
import { createSeedlessWallets, type SeedlessOptions } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';

const [path, readyPath] = process.argv.slice(2);
if (path === undefined || readyPath === undefined)
  throw new Error('name the credentials file that npm start has made, and a file with its ready line');
const credentials = readCredentials(path);
const { api, deploymentId, organizationId } = credentials;
if (organizationId === undefined) throw new Error(`${path} names no organization`);
const ready = JSON.parse(readFileSync(readyPath, 'utf8')) as {
  readonly backup: SeedlessOptions['keeper'];
  readonly juicebox: { readonly configuration: SeedlessOptions['configuration'] };
};

const client = createClient({ baseUrl: api, stamper: stamperOf(credentials), root: deploymentId });
const device = () =>
  createSeedlessWallets({
    client,
    organizationId,
    keeper: ready.backup,
    configuration: ready.juicebox.configuration,
    deviceStore: memoryDeviceStore(),
  });

const backupName = `example ${randomUUID()}`;
const phone = device();
await phone.create({ backupName, pin: '180361' });
await phone.changePin({ backupName, pin: '180361', newPin: '472936' });

const laptop = device();
const refused = await laptop.recover({ backupName, pin: '180361' }).then(
  () => 'accepted',
  (error: unknown) => (error instanceof RecoveryError ? error.code : String(error)),
);
if (refused !== 'invalid-pin') throw new Error(`the old PIN: ${refused}`);
await laptop.recover({ backupName, pin: '472936' });
if ((await laptop.exportPhrase({ backupName })) !== (await phone.exportPhrase({ backupName })))
  throw new Error('the second device has another seed');
await phone.delete({ backupName });
process.stdout.write(`${JSON.stringify({ backupName, recovered: true, oldPin: refused })}\n`);
