import type { DatabaseSync } from 'node:sqlite';
import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import { domainHash } from '@keystead/protocol/domain';
import { formatUuid } from '@keystead/protocol/ids';
import { type ChainReport, type Counterpart, verifyChain } from './verify-chain.ts';

/** One organization whose chain, or whose certified end, is not what it should be. */
export interface Finding {
  readonly organizationId: string;
  readonly position: number;
  readonly what: string;
}

export interface LedgerReport {
  readonly organizations: readonly Omit<ChainReport, 'counterparts' | 'nodes'>[];
  readonly entries: number;
  /** Rows named by their hash whose content has another hash. */
  readonly rows: { readonly nodes: number; readonly secrets: number; readonly bad: readonly string[] };
  /** The first bad entry of every organization that has one, in order of organization. */
  readonly bad: readonly Finding[];
}

/** The certified end of a chain, known from elsewhere than the store. */
export interface KnownHead {
  readonly position: number;
  readonly hash: Uint8Array;
}

export interface LedgerOptions {
  readonly deploymentId?: Uint8Array;
  /**
   * All certified heads, by organization id, read before the store was. A chain must reach its head and have its hash
   * there; what follows is not judged, because it need not be history.
   */
  readonly heads?: ReadonlyMap<string, KnownHead>;
}

/** Verifies every chain of a store and the rows that are named by their hash. */
export function verifyStore(database: DatabaseSync, options: LedgerOptions): LedgerReport {
  const nodes = badRows(database, 'nodes', mapNodeHash);
  const secrets = badRows(database, 'secrets', (bytes) => domainHash('keystead/sealed-row-hash/v1', bytes));
  const bad: Finding[] = [];
  const chains: ChainReport[] = [];
  const seen = new Set<string>();
  for (const organization of organizationsOf(database)) {
    const organizationId = formatUuid(organization);
    seen.add(organizationId);
    const head = options.heads?.get(organizationId);
    const chain = verifyChain(organization, chainOf(database, organization), {
      deploymentId: options.deploymentId,
      through: options.heads === undefined ? undefined : (head?.position ?? 0),
    });
    const report = { ...chain, bad: chain.bad ?? disagreement(chain, head) ?? missingNode(database, chain) };
    chains.push(report);
    if (report.bad !== null) bad.push({ organizationId, ...report.bad });
  }
  for (const [organizationId, head] of options.heads ?? [])
    if (!seen.has(organizationId) && head.position > 0)
      bad.push({ organizationId, position: 1, what: 'the organization is missing from the store' });
  bad.push(...unanswered(chains));
  return {
    organizations: chains.map(({ counterparts: _, nodes: __, ...report }) => report),
    entries: chains.reduce((sum, chain) => sum + chain.entries, 0),
    rows: { nodes: nodes.count, secrets: secrets.count, bad: [...nodes.bad, ...secrets.bad] },
    bad,
  };
}

function* organizationsOf(database: DatabaseSync): Iterable<Uint8Array> {
  const rows = database.prepare('SELECT DISTINCT organization FROM entries ORDER BY organization').all();
  for (const row of rows) yield row.organization as Uint8Array;
}

function chainOf(database: DatabaseSync, organization: Uint8Array) {
  const all = database.prepare(
    'SELECT position, checkpoint, bytes FROM entries WHERE organization = ? ORDER BY position',
  );
  const one = database.prepare('SELECT bytes FROM entries WHERE organization = ? AND position = ?');
  return {
    *rows() {
      for (const row of all.iterate(organization))
        yield {
          position: row.position as number,
          checkpoint: row.checkpoint === 1,
          bytes: row.bytes as Uint8Array,
        };
    },
    row: (position: number) => one.get(organization, position)?.bytes as Uint8Array | undefined,
  };
}

/** What the certified head says against a chain that is good in itself. */
function disagreement(chain: ChainReport, head: KnownHead | undefined): ChainReport['bad'] {
  if (head === undefined || head.position === 0 || chain.hash === hexEncode(head.hash)) return null;
  return { position: head.position, what: 'its hash is not that of the certified head' };
}

/** Without these nodes the policy engine cannot load the organization. */
function missingNode(database: DatabaseSync, chain: ChainReport): ChainReport['bad'] {
  const node = database.prepare('SELECT 1 FROM nodes WHERE hash = ?');
  const missing = chain.nodes.find((hash) => node.get(hash) === undefined);
  return missing === undefined
    ? null
    : { position: chain.position, what: `node ${hexEncode(missing)} of its state is missing from the store` };
}

/** A grant or transfer moves two chains together: each half must have the other. */
function unanswered(chains: readonly ChainReport[]): Finding[] {
  const name = (organization: string, identity: string) => `${organization} ${identity}`;
  const present = new Set(
    chains.flatMap((chain) => chain.counterparts.map(({ identity }) => name(chain.organizationId, identity))),
  );
  const ofChain = ({ organizationId, counterparts, bad }: ChainReport): Finding[] => {
    const isAlone = (half: Counterpart) => !present.has(name(half.organization, half.identity));
    const alone = bad === null ? counterparts.find(isAlone) : undefined;
    if (alone === undefined) return [];
    // A chain that broke off was not read to its end.
    if (chains.some((chain) => chain.organizationId === alone.organization && chain.bad !== null)) return [];
    return [
      {
        organizationId,
        position: alone.position,
        what: `the entry of organization ${alone.organization} that belongs to it is missing`,
      },
    ];
  };
  return chains.flatMap(ofChain);
}

function badRows(
  database: DatabaseSync,
  table: 'nodes' | 'secrets',
  hashOf: (bytes: Uint8Array) => Uint8Array,
): { count: number; bad: string[] } {
  const bad: string[] = [];
  let count = 0;
  for (const row of database.prepare(`SELECT hash, bytes FROM ${table}`).iterate()) {
    count++;
    if (!equalBytes(hashOf(row.bytes as Uint8Array), row.hash as Uint8Array))
      bad.push(`${table} ${hexEncode(row.hash as Uint8Array)}: its content has another hash`);
  }
  return { count, bad };
}
