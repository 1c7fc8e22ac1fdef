import { equalBytes } from '@keystead/crypto/bytes';
import { DeploymentKeys, type Role } from '@keystead/protocol/deployment';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import type { LauncherConfig } from './config.ts';
import { deploymentIdText, keepDeploymentFile } from './deployment-file.ts';
import type { EnclaveProcess } from './enclave-process.ts';
import { found } from './genesis.ts';
import {
  type GenesisRecords,
  readGenesis,
  readGenesisRecord,
  readRoleKeyChanges,
  replaceGenesis,
  writeGenesis,
} from './genesis-files.ts';
import { LaunchError } from './launch-error.ts';
import type { Report } from './report.ts';
import { resealed } from './reseal.ts';
import { replaceRoleKeys } from './role-keys.ts';
import { Sandbox } from './sandbox.ts';
import { SeedHolders } from './seed-holders.ts';
import { type Ready, Supervisor } from './supervisor.ts';
import { openUnlock } from './unlock/unlock.ts';
import { untilAborted } from './until-aborted.ts';
import { walletKeysOf } from './wallet-keys.ts';

/** Certificates of what runs hold for a day. */
const certificateRenewal = 6 * 60 * 60 * 1000;

/**
 * Starts the three enclaves, founds the deployment when it is new, and keeps them running until `signal` aborts.
 * Throws LaunchError for what starting again cannot mend; all enclaves have ended then, too.
 */
export async function launch(config: LauncherConfig, report: Report, signal: AbortSignal): Promise<void> {
  const existing = readGenesis(config.home);
  const sandbox = Sandbox.prepare(config);
  const unlock = await openUnlock<GenesisRecords>({
    ...config,
    founded: existing !== undefined,
    report,
    replace: (unlockRecord, records) => replaceGenesis(config.home, records, { unlockRecord }),
  });
  // What runs now is approved for as long as the deployment stays open.
  const fixed = {
    settings: JSON.stringify(config.settings),
    profile: config.profile,
    approved: {
      policy: sandbox.measure('policy').measurement,
      signer: sandbox.measure('signer').measurement,
      certifier: sandbox.measure('certifier').measurement,
    },
  };
  const surroundings = () => ({ ...fixed, changes: readRoleKeyChanges(config.home) });
  // The development file is there for every start, and an enclave that keeps nothing ends with its streams.
  const resumes = unlock.kind !== 'development-file';
  const holders = new SeedHolders({ home: config.home, keepsHalves: resumes, log });
  const renewing = setInterval(() => void holders.certify(), certificateRenewal);
  renewing.unref();
  const supervisorOf = (role: Role) =>
    new Supervisor({ role, config, sandbox, unlock, holders, resumes, surroundings, report, signal });
  const supervisors: Record<Role, Supervisor> = {
    policy: supervisorOf('policy'),
    signer: supervisorOf('signer'),
    certifier: supervisorOf('certifier'),
  };
  const stopAll = () => Promise.all(roles.map((role) => supervisors[role].stop()));
  signal.addEventListener('abort', () => void stopAll());
  try {
    // Operators first: what waits for them needs no enclave.
    const founding = existing === undefined ? await untilAborted(unlock.found(), signal) : undefined;
    const secret = await untilAborted(unlock.secret(), signal);
    const enclaves = await startAll(supervisors);
    if (founding !== undefined) writeGenesis(config.home, await found(enclaves, secret), founding.record);
    await unlock.serve({
      reseal: (secrets) => resealed(config.home, holders, secrets),
      keys: {
        walletKeys: walletKeysOf(config.home, holders),
        replaceRoleKeys: (unlockSecret) => replaceRoleKeys({ home: config.home, holders, unlockSecret }),
        async restart() {
          // Clients find the keys of now before anything is signed with them.
          keepDeploymentFile(config.home, holders.deployment, readRoleKeyChanges(config.home));
          await Promise.all(roles.map((role) => holders.process(role)?.stop(0)));
          await holders.allOpen();
        },
        roleGeneration: () => readRoleKeyChanges(config.home).length + 1,
      },
    });
    const deployed = agreement(config, report, existing === undefined);
    await Promise.all(
      roles.map((role) =>
        supervisors[role].keep(
          () => readGenesisRecord(config.home, role),
          enclaves[role],
          (ready) => deployed(role, ready),
        ),
      ),
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(renewing);
    unlock.close();
    await stopAll();
  }
}

/** One line for operators on standard error; never a secret. */
function log(event: string, fields: Readonly<Record<string, string>>): void {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), program: 'launcher', event, ...fields })}\n`,
  );
}

async function startAll(supervisors: Record<Role, Supervisor>): Promise<Record<Role, EnclaveProcess>> {
  const [policy, signer, certifier] = await Promise.all([
    supervisors.policy.start(),
    supervisors.signer.start(),
    supervisors.certifier.start(),
  ]);
  return { policy, signer, certifier };
}

/** Sees to it that all three name one deployment, and states it once they do. */
function agreement(
  config: LauncherConfig,
  report: Report,
  founded: boolean,
): (role: Role, ready: Ready) => void {
  const named = new Map<Role, Uint8Array>();
  let stated = false;
  return (role, { deployment }) => {
    const keys = DeploymentKeys.encode(deployment);
    named.set(role, keys);
    for (const [other, otherKeys] of named)
      if (!equalBytes(keys, otherKeys))
        throw new LaunchError(
          `${role} and ${other} belong to different deployments`,
          'put the three genesis records of one deployment back',
        );
    if (stated || named.size < roles.length) return;
    stated = true;
    keepDeploymentFile(config.home, deployment, readRoleKeyChanges(config.home));
    report({ event: 'deployment', deploymentId: deploymentIdText(deployment), founded });
  };
}
