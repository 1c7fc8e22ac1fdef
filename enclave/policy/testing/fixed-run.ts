import { hexEncode } from '@keystead/crypto/hex';
import { utf8Encode } from '@keystead/crypto/bytes';
import { AuthorityLeaf } from '@keystead/protocol/authority';
import { Entry, entryHash } from '@keystead/protocol/entry';
import { parseUuid } from '@keystead/protocol/ids';
import { organizationKeys } from '../src/organization.ts';
import { PolicyBench, solanaPath } from './policy-bench.ts';

/** Bytes of the vectors: `0x` and lower-case hexadecimal. Options that are absent are null. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

export function plain(value: unknown): Plain {
  if (value === undefined || value === null) return null;
  if (value instanceof Uint8Array) return `0x${hexEncode(value)}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
  return value as Plain;
}

/** Every kind of entry, of two organizations, under keys and times that are always the same. */
export function fixedRun() {
  let counter = 0;
  const bench = new PolicyBench({ random: (length) => new Uint8Array(length).fill((counter += 1)) });
  const organizationId = bench.found();
  const walletId = bench.makeWallet(organizationId);
  bench.addUser(organizationId, 'alice');
  bench.ticketFor(bench.signing(organizationId, walletId));
  bench.ask(bench.call('deleteUserFromOrganization', { organizationId, username: 'root' }, 'alice'));
  bench.deliver({
    type: 'outcome',
    organization: parseUuid(organizationId)!,
    position: 4,
    network: 'solana:devnet',
    outcome: utf8Encode('{"status":"sent"}'),
  });
  bench.run();
  const guest = bench.found('root', 'Guest');
  const named = { ownerOrganizationId: organizationId, targetOrganizationId: guest, walletId };
  bench.ask(
    bench.call('grantOrganizationAccess', {
      ...named,
      policyName: 'shop',
      policy: { version: 'v0', scopes: ['signaturePayload'], derivationAllowlist: [solanaPath] },
    }),
  );
  bench.ticketFor(bench.signing(guest, walletId, 'by grant'));
  bench.ask(bench.call('transferOrganizationWallet', named));
  bench.ask(bench.call('deleteUserFromOrganization', { organizationId, username: 'alice' }));

  const organizations = [organizationId, guest].map((id) => {
    const organization = parseUuid(id)!;
    const keys = organizationKeys(bench.roles.policy.seed, organization);
    const rows = [...bench.entries.get(hexEncode(organization))!.values()].map(({ bytes }) => bytes);
    return { organization, keys, rows };
  });
  const entries = organizations.flatMap(({ rows }) =>
    rows.map((row) => {
      const bytes = row.slice(0, row.length - 32);
      return { entry: Entry.decode(bytes), bytes, hash: entryHash(bytes) };
    }),
  );
  const leaves = entries.flatMap(({ entry }) =>
    entry.authority.flatMap(({ key, value }) =>
      value === undefined ? [] : [{ key, leaf: AuthorityLeaf.decode(value), bytes: value }],
    ),
  );
  return { seed: bench.roles.policy.seed.expose(), organizations, entries, leaves };
}
