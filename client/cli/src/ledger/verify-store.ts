import type { DatabaseSync } from 'node:sqlite';
import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import type { Static } from '@keystead/crypto/pack';
import { sealedRowHash, wrappingOf } from '@keystead/protocol/sealed-row';
import { StoredNodes } from '@keystead/protocol/frames';
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
  const secrets = badSecrets(database);
  const bad: Finding[] = [];
  const verified: ChainReport[] = [];
  const seen = new Set<string>();
  for (const organization of organizationsOf(database)) {
    const organizationId = formatUuid(organization);
    seen.add(organizationId);
    const head = options.heads?.get(organizationId);
    const chain = verifyChain(organization, chainOf(database, organization), {
      deploymentId: options.deploymentId,
      through: options.heads === undefined ? undefined : (head?.position ?? 0),
    });
    verified.push({ ...chain, bad: chain.bad ?? disagreement(chain, head) });
  }
  const nodes = readNodes(database, verified);
  const chains = verified.map((chain) => ({ ...chain, bad: chain.bad ?? missingNode(chain, nodes.missing) }));
  for (const { organizationId, bad: found } of chains)
    if (found !== null) bad.push({ organizationId, ...found });
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

/** Ids of all organizations of a store. */
export function* organizationsOf(database: DatabaseSync): Iterable<Uint8Array> {
  const rows = database.prepare('SELECT DISTINCT organization FROM entries ORDER BY organization').all();
  for (const row of rows) yield row.organization as Uint8Array;
}

/** The rows of one organization's entries. */
export function chainOf(database: DatabaseSync, organization: Uint8Array) {
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
function missingNode(chain: ChainReport, missing: ReadonlySet<string>): ChainReport['bad'] {
  const hash = chain.nodes.map(hexEncode).find((name) => missing.has(name));
  return hash === undefined
    ? null
    : { position: chain.position, what: `node ${hash} of its state is missing from the store` };
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

/** Reads every map node once: those whose content has another hash, and those that a chain needs and are not there. */
function readNodes(
  database: DatabaseSync,
  chains: readonly ChainReport[],
): { count: number; bad: string[]; missing: ReadonlySet<string> } {
  const missing = new Set(chains.flatMap(({ nodes }) => nodes.map(hexEncode)));
  const bad = new Set<string>();
  let count = 0;
  for (const row of database.prepare('SELECT pack, bytes FROM node_packs ORDER BY pack').iterate())
    for (const { hash, bytes } of packed(row.bytes as Uint8Array)) {
      count++;
      const name = hexEncode(hash);
      missing.delete(name);
      // Of two nodes with one hash the later one stands.
      if (equalBytes(mapNodeHash(bytes), hash)) bad.delete(name);
      else bad.add(name);
    }
  return { count, bad: [...bad].map((name) => `nodes ${name}: its content has another hash`), missing };
}

/** A pack that is none has no nodes: whoever needs one of them misses it. */
function packed(bytes: Uint8Array): Static<typeof StoredNodes> {
  try {
    return StoredNodes.decode(bytes);
  } catch {
    return [];
  }
}

function badSecrets(database: DatabaseSync): { count: number; bad: string[] } {
  const bad: string[] = [];
  let count = 0;
  for (const row of database.prepare('SELECT hash, bytes FROM secrets').iterate()) {
    count++;
    const bytes = row.bytes as Uint8Array;
    const name = hexEncode(row.hash as Uint8Array);
    if (!equalBytes(sealedRowHash(bytes), row.hash as Uint8Array))
      bad.push(`secrets ${name}: its content has another hash`);
    else if (wrappingOf(bytes) === undefined) bad.push(`secrets ${name}: its wrapping is not whole`);
  }
  return { count, bad };
}
