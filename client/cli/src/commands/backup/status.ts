import type { InspectedBackup } from '@keystead/sdk/seedless/backup-inspection';
import { backupSetupOptions, openInspection, type RecordedCheck } from '../../backup-setup.ts';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';

export const backupStatus: Command = {
  words: ['backup', 'status'],
  summary:
    'says where the parts of each backup are, which realms answer, and how many guesses remain, without one',
  details: [
    'Asks keeper and realms as the account of the credentials. No guess is spent; the tokens that realms are asked with are noted as',
    'a guess that was permitted, for whoever is notified. The last check is that of keystead backup verify on this machine.',
  ].join('\n'),
  options: { ...organizationOptions, ...backupSetupOptions },
  async run(given, surroundings) {
    const { inspection, checks } = await openInspection(given, surroundings);
    const backups = (await inspection.list()).map((backup) => ({
      ...backup,
      lastCheck: checks.of(backup.backupName) ?? null,
    }));
    const bad = backups.filter(
      ({ generation, guesses }) => generation !== undefined && guesses === undefined,
    );
    const outcome = {
      json: { backups },
      text: backups.length === 0 ? 'no backups' : backups.map(textOf).join('\n\n'),
    };
    if (bad.length === 0) return outcome;
    return {
      ...outcome,
      failure: {
        detail: `${bad.map(({ backupName }) => backupName).join(', ')}: fewer realms than are needed`,
        hint: 'once enough realms answer, ask again; if a registration is gone, back up anew from a device that has the seed',
      },
    };
  },
};

function textOf(backup: InspectedBackup & { readonly lastCheck: RecordedCheck | null }): string {
  const { backupName, generation, realms, recoverThreshold, guesses, lastCheck } = backup;
  if (generation === undefined) return `${backupName}: nothing in use; an interrupted change is left over`;
  const time = (milliseconds: number) => new Date(milliseconds).toISOString();
  const checked =
    lastCheck === null
      ? 'never verified from here: keystead backup verify'
      : `verified ${lastCheck.at}: ${lastCheck.passed.at(-1)}${lastCheck.generation === generation ? '' : ', of another generation than the one in use'}`;
  return [
    `${backupName}: generation ${generation}`,
    `  one share and the ciphertext: the keeper`,
    `  the other: any ${recoverThreshold} of ${realms.length} realms${backup.isKnown ? '' : ' that are not in this configuration'}`,
    ...realms.map(
      ({ realmId, address, state, guesses: left, waitSeconds, reason }) =>
        `    ${realmId} ${address} ${state}${left === undefined ? '' : `, ${left} guesses`}${waitSeconds ? `, next in ${waitSeconds} s` : ''}${reason === undefined ? '' : ` (${reason})`}`,
    ),
    `  guesses that remain: ${guesses ?? 'too few realms say'}`,
    `  ${checked}`,
    ...(backup.staged ? ['  a change was interrupted: it is cleaned up by the next'] : []),
    ...(backup.retired > 0 ? [`  ${backup.retired} older generations wait to be deleted`] : []),
    ...(backup.revertibleUntil === undefined
      ? []
      : [`  what was overwritten can be put back until ${time(backup.revertibleUntil)}`]),
    ...(backup.deletableAt === undefined
      ? []
      : [`  asked to be deleted: from ${time(backup.deletableAt)} on`]),
  ].join('\n');
}
