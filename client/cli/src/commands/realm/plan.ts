import {
  type Finding,
  type MigrationPlan,
  planMigration,
  type Step,
} from '@keystead/juicebox/migration-plan';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import type { Command } from '../../command.ts';
import { type MigrationDocument, readJsonFile } from '../../realm-migration.ts';
import { writePrivateFile } from '../../terminal/private-file.ts';
import type { RealmOptions } from './home-option.ts';

export const realmPlan: Command = {
  words: ['realm', 'plan'],
  summary:
    'plans a migration to other realms or thresholds: what it needs, who does what; nothing is asked or changed',
  details: [
    'Both files are configurations as applications have them; `operator` in a realm says who runs it. A strict majority has',
    'to recover, as many have to register, and no operator may have the recover threshold; --development makes the last a',
    'warning. --out writes the plan for keystead realm migrate and campaign.',
  ].join('\n'),
  options: {
    from: { type: 'string', value: 'file', help: 'configuration that is in use, JSON' },
    to: { type: 'string', value: 'file', help: 'configuration that shall be, JSON' },
    development: { type: 'boolean', help: 'realms of one operator are a warning' },
    out: { type: 'string', value: 'file', help: 'new file for the plan' },
  } satisfies RealmOptions,
  async run(given) {
    const isDevelopment = given.flag('development');
    const read = (option: string) =>
      readJsonFile<ConfigurationDocument>(given.required(option), 'a configuration of realms');
    const question = { from: read('from'), to: read('to'), isDevelopment };
    const plan = planMigration(question);
    const error = plan.findings.find(({ severity }) => severity === 'error');
    const out = given.text('out');
    if (error === undefined && out !== undefined) {
      const document: MigrationDocument = { kind: 'keystead-realm-migration', version: 1, ...question };
      writePrivateFile(out, `${JSON.stringify(document, undefined, 2)}\n`);
    }
    const outcome = { json: plan, text: textOf(plan) };
    if (error === undefined) return outcome;
    return {
      ...outcome,
      failure: { detail: `${error.rule}: ${error.detail}`, hint: 'correct the new configuration' },
    };
  },
};

function textOf({ findings, steps, added, kept, removed }: MigrationPlan): string {
  const realms = `realms: ${added.length} new, ${kept.length} stay, ${removed.length} go`;
  return [realms, ...findings.map(findingText), ...steps.map(stepText)].join('\n');
}

const findingText = ({ severity, rule, detail }: Finding) => `${severity}: ${rule}: ${detail}`;

export function stepText({ kind, by, realmId, needs, leaves }: Step, index: number): string {
  const where = realmId === undefined ? '' : ` ${realmId}`;
  return `${index + 1}. ${kind}${where} (${by})\n   needs: ${needs}\n   leaves: ${leaves}`;
}
