import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { equalBytes } from '@keystead/crypto/bytes';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { deploymentIdFrom } from '../../deployment-file.ts';
import { readHeadsLog } from '../../ledger/heads-directory.ts';
import { copyStore } from '../../ledger/store-file.ts';
import { type LedgerReport, verifyStore } from '../../ledger/verify-store.ts';

export const ledgerVerify: Command = {
  words: ['ledger', 'verify'],
  summary: 'walks the chain of every organization in a store and names the first bad entry',
  details: [
    'Checks per organization: entries decode; positions go from 1 without a gap; each names the hash of the one',
    'before; time does not go back; authority roots and the state roots of checkpoints are computed again from the',
    'entries; the id commits to the genesis (with --deployment). With --heads: the chain reaches the certified head.',
    'Without heads nothing confirms the last entry of a chain. The MACs of rows need a key of the policy engine.',
    'A running deployment goes on meanwhile: the store is copied, and the copy is read.',
  ].join('\n'),
  options: {
    store: {
      type: 'string',
      value: 'file',
      help: 'SQLite file of the store (default: store.sqlite in KEYSTEAD_HOME)',
    },
    deployment: {
      type: 'string',
      value: 'id or file',
      help: 'deployment id or deployment.json (default: the one beside the store)',
    },
    heads: { type: 'string', value: 'directory', help: 'heads log to compare with' },
  },
  async run(given, surroundings) {
    const store = given.text('store') ?? join(surroundings.home, 'store.sqlite');
    const beside = join(dirname(store), 'deployment.json');
    const named = given.text('deployment') ?? (existsSync(beside) ? beside : undefined);
    const deploymentId = named === undefined ? undefined : deploymentIdFrom(named);
    const directory = given.text('heads');
    // Before the store: an entry is stored first and certified then, so what these heads certify is in the copy.
    const log = directory === undefined ? undefined : readHeadsLog(directory);
    if (
      log?.deploymentId !== undefined &&
      deploymentId !== undefined &&
      !equalBytes(log.deploymentId, deploymentId)
    )
      throw new CommandError(
        'the heads log is of another deployment than the store',
        'name the two of one deployment',
      );
    const copy = await copyStore(store);
    try {
      const report = verifyStore(copy.database, { deploymentId, heads: log?.heads });
      return {
        json: {
          ok: report.bad.length + report.rows.bad.length === 0,
          ...report,
          confirmedByHeads: log !== undefined,
        },
        text: textOf(report, log !== undefined),
        ...failureOf(report),
      };
    } finally {
      copy.close();
    }
  },
};

function textOf(report: LedgerReport, confirmed: boolean): string {
  const lines = report.organizations.map(
    ({ organizationId, entries, denied, bad }) =>
      `${organizationId}  ${entries} ${entries === 1 ? 'entry' : 'entries'}, ${denied} denied  ${bad === null ? 'ok' : `BAD at position ${bad.position}`}`,
  );
  const { nodes, secrets, bad } = report.rows;
  return [
    ...lines,
    `in all: organizations ${report.organizations.length}, entries ${report.entries}, nodes ${nodes}, secrets ${secrets}`,
    ...bad,
    confirmed
      ? 'every chain was compared with the heads log'
      : 'the last entry of each chain is confirmed by nothing here; compare with --heads',
  ].join('\n');
}

function failureOf(report: LedgerReport) {
  const [first] = report.bad;
  const hint =
    'this history was changed after it was certified, or a row of it was lost; docs/storage.md says what to do';
  if (first !== undefined) {
    const others = report.bad.length > 1 ? ` (and ${report.bad.length - 1} more)` : '';
    return {
      failure: {
        detail: `organization ${first.organizationId}, position ${first.position}: ${first.what}${others}`,
        hint,
      },
    };
  }
  if (report.rows.bad.length > 0) return { failure: { detail: report.rows.bad[0]!, hint } };
  return {};
}
