import { hexEncode } from '@keystead/crypto/hex';
import {
  type Configuration,
  type ConfigurationDocument,
  ConfigurationError,
  parseConfiguration,
  type RealmDocument,
} from './configuration.ts';

/** What moves registrations from one configuration of realms to another (docs/realm-migration.md). */

export type FindingRule =
  | ConfigurationError['rule']
  | 'operators'
  | 'operator-unknown'
  | 'pin-hashing-weaker'
  | 'too-many-realms'
  | 'share-indices'
  | 'nothing-to-do';

export interface Finding {
  /** An error stops the migration; a warning is read by somebody. */
  readonly severity: 'error' | 'warning';
  readonly rule: FindingRule;
  readonly detail: string;
}

/** Who has to act. */
export type Actor = 'realm operator' | 'keeper operator' | 'application' | 'users';

export type StepKind =
  | 'start-realm'
  | 'admit-keeper'
  | 'extend-keeper'
  | 'publish-configuration'
  | 'move-users'
  | 'decommission-realm'
  | 'reduce-keeper'
  | 'retire-configuration';

export interface Step {
  readonly kind: StepKind;
  readonly by: Actor;
  /** Hexadecimal; for what happens at one realm. */
  readonly realmId?: string;
  /** What has to be there before. */
  readonly needs: string;
  /** What it leaves. Until the step is done everything of before goes on working. */
  readonly leaves: string;
}

export interface MigrationPlan {
  readonly findings: readonly Finding[];
  /** Ids in hexadecimal, ascending. */
  readonly added: readonly string[];
  readonly kept: readonly string[];
  readonly removed: readonly string[];
  /** Kept realms that hold another share under the new configuration than under the old one. */
  readonly shifted: readonly { readonly realmId: string; readonly from: number; readonly to: number }[];
  /** False when registrations stay as they are: only addresses, keys or the register threshold change. */
  readonly movesRegistrations: boolean;
  /** In this order; none when a finding is an error. */
  readonly steps: readonly Step[];
}

export interface MigrationQuestion {
  readonly from: ConfigurationDocument;
  readonly to: ConfigurationDocument;
  /** In development realms of one operator, or of nobody who is named, are a warning only. */
  readonly isDevelopment?: boolean;
}

/** Realms that one keeper of backups makes tokens for; during a migration these are the old and the new ones. */
const mostRealms = 16;

/** Pure: the same question has the same answer. Nothing is asked of a realm. */
export function planMigration({ from, to, isDevelopment = false }: MigrationQuestion): MigrationPlan {
  const severity = isDevelopment ? 'warning' : 'error';
  const findings: Finding[] = [];
  const old = parsed(from, 'the old configuration', findings);
  const next = parsed(to, 'the new configuration', findings);
  if (old === undefined || next === undefined)
    return {
      findings,
      ...{ added: [], kept: [], removed: [], shifted: [] },
      movesRegistrations: false,
      steps: [],
    };

  const before = new Map(old.realms.map(({ id, index }) => [hexEncode(id), index]));
  const after = new Map(next.realms.map(({ id, index }) => [hexEncode(id), index]));
  const added = [...after.keys()].filter((id) => !before.has(id));
  const kept = [...after.keys()].filter((id) => before.has(id));
  const removed = [...before.keys()].filter((id) => !after.has(id));
  const shifted = kept
    .map((realmId) => ({ realmId, from: before.get(realmId)!, to: after.get(realmId)! }))
    .filter((one) => one.from !== one.to);
  const movesRegistrations =
    added.length > 0 ||
    removed.length > 0 ||
    old.recoverThreshold !== next.recoverThreshold ||
    old.pinHashingMode !== next.pinHashingMode;

  findings.push(...operatorFindings(to, next, severity));
  if (old.pinHashingMode === 'Standard2019' && next.pinHashingMode === 'FastInsecure')
    findings.push({
      severity,
      rule: 'pin-hashing-weaker',
      detail: 'a threshold of realms with the keeper would search a PIN in a moment',
    });
  if (added.length + kept.length + removed.length > mostRealms)
    findings.push({
      severity: 'error',
      rule: 'too-many-realms',
      detail: `old and new realms are more than the ${mostRealms} of a keeper of backups; migrate in two steps`,
    });
  const isSame = !movesRegistrations && JSON.stringify(from) === JSON.stringify(to);
  if (isSame)
    findings.push({ severity: 'error', rule: 'nothing-to-do', detail: 'both configurations are the same' });
  if (shifted.length > 0)
    findings.push({
      severity: 'warning',
      rule: 'share-indices',
      detail:
        `${shifted.map(({ realmId, from: was, to: is }) => `realm ${realmId} holds share ${was}, then ${is}`).join('; ')}: ` +
        'under one and the same user published clients would spend guesses on it; a backup moves to a user of its own',
    });
  const isRefused = findings.some((finding) => finding.severity === 'error');
  const steps = isRefused ? [] : stepsOf({ added, removed, movesRegistrations });
  return { findings, added, kept, removed, shifted, movesRegistrations, steps };
}

function parsed(
  document: ConfigurationDocument,
  name: string,
  findings: Finding[],
): Configuration | undefined {
  try {
    return parseConfiguration(document);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.push({ severity: 'error', rule: error.rule, detail: `${name}: ${error.message}` });
    return undefined;
  }
}

/** A threshold of one operator's realms can search a PIN, with a keeper's content or where there is no keeper: it is no threshold. */
function operatorFindings(
  { realms }: ConfigurationDocument,
  { recoverThreshold }: Configuration,
  severity: Finding['severity'],
): readonly Finding[] {
  const named = new Map<string, RealmDocument[]>();
  const findings: Finding[] = [];
  for (const realm of realms) {
    const operator = typeof realm.operator === 'string' ? realm.operator.trim().toLowerCase() : '';
    if (operator === '')
      findings.push({ severity, rule: 'operator-unknown', detail: `realm ${realm.id} names no operator` });
    else named.set(operator, [...(named.get(operator) ?? []), realm]);
  }
  for (const [operator, own] of named)
    if (own.length >= recoverThreshold)
      findings.push({
        severity,
        rule: 'operators',
        detail: `${operator} would run ${own.length} realms, and ${recoverThreshold} can search a PIN`,
      });
  return findings;
}

function stepsOf(change: {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly movesRegistrations: boolean;
}): readonly Step[] {
  const { added, removed, movesRegistrations } = change;
  const publish: Step = {
    kind: 'publish-configuration',
    by: 'application',
    needs: 'the realms of the new configuration serve and take the tokens of the keeper',
    leaves: 'clients that use the new configuration, with the old one in previousConfigurations',
  };
  if (!movesRegistrations) return [publish];
  return [
    ...added.map(
      (realmId): Step => ({
        ...{ kind: 'start-realm', by: 'realm operator', realmId },
        needs: 'an operator with a machine and a heads log of its own',
        leaves: 'a realm that serves at its address and holds nothing',
      }),
    ),
    ...added.map(
      (realmId): Step => ({
        ...{ kind: 'admit-keeper', by: 'realm operator', realmId },
        needs: 'the token key of the keeper, which its GET / says',
        leaves: 'a realm that takes the tokens of the keeper',
      }),
    ),
    {
      kind: 'extend-keeper',
      by: 'keeper operator',
      needs: 'the home of the keeper',
      leaves: 'a keeper that makes tokens for old and new realms',
    },
    publish,
    {
      kind: 'move-users',
      by: 'users',
      needs: 'the PIN, on a device that has the seed; a device without it recovers first, at the old realms',
      leaves:
        'each backup as a new generation at the new realms, tried before it counts; the old one is deleted',
    },
    ...removed.map(
      (realmId): Step => ({
        ...{ kind: 'decommission-realm', by: 'realm operator', realmId },
        needs: 'no registration of any tenant at the realm',
        leaves: 'a realm that does not start again',
      }),
    ),
    ...(removed.length === 0
      ? []
      : [
          {
            kind: 'reduce-keeper',
            by: 'keeper operator',
            needs: 'no backup with a generation at a removed realm',
            leaves: 'a keeper that makes tokens for the new realms only',
          } satisfies Step,
        ]),
    {
      kind: 'retire-configuration',
      by: 'application',
      needs: 'no backup under the old configuration',
      leaves: 'clients that know the new configuration only',
    },
  ];
}
