import { lookup } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';

/** Addresses that are not on the public internet (IANA special-purpose registries, RFC 6890), as CIDR blocks. */
const reserved: readonly [string, number, 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.31.196.0', 24, 'ipv4'],
  ['192.52.193.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['192.175.48.0', 24, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  // What global unicast (2000::/3) leaves out, and the parts of it that lead elsewhere: tunnels, tests, documentation.
  ['::', 3, 'ipv6'],
  ['4000::', 2, 'ipv6'],
  ['8000::', 1, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['2620:4f:8000::', 48, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
];

// One list each: a list also compares IPv4 addresses with its IPv6 blocks, in their mapped form.
const blocked = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [network, prefix, family] of reserved) blocked[family].addSubnet(network, prefix, family);

/** True for an IP address text that lies on the public internet; false for every other text. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  return !blocked[family].check(address, family);
}

/** Code of the error with which a connection to an address that is not public fails. */
export const notPublic = 'ENOTPUBLIC';

export type Resolve = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: { address: string; family: number }[]) => void,
) => void;

const resolveAll: Resolve = (hostname, done) => lookup(hostname, { all: true, verbatim: true }, done);

/**
 * A lookup for sockets that resolves once and connects to what it has checked: a name with any address that is not
 * public fails with `ENOTPUBLIC`, so that a second resolution cannot lead elsewhere.
 */
export function publicLookup(resolve: Resolve = resolveAll): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) {
        return done(error ?? Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '', 0);
      }
      if (!addresses.every(({ address }) => isPublicAddress(address))) {
        return done(Object.assign(new Error('the address is not public'), { code: notPublic }), '', 0);
      }
      const family = isIPv4(first.address) ? 4 : 6;
      if (options.all) done(null, [{ address: first.address, family }]);
      else done(null, first.address, family);
    });
  };
}
