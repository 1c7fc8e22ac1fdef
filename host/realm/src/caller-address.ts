import type { IncomingMessage } from 'node:http';

/** The first half of an IPv6 address: one subscriber has as many others as it likes. */
const networkGroups = 4;

/**
 * The address for limits: that of the connection, or with `proxies` trusted ones before the realm the one that the outermost of
 * them saw. Each proxy appends what it saw to `x-forwarded-for`, so that only the last `proxies` entries are not the caller's own
 * words. Of an IPv6 address the /64 network; a port that a proxy appended is none of it.
 */
export function callerAddress(request: IncomingMessage, proxies: number): string {
  const { remoteAddress = '' } = request.socket;
  if (proxies === 0) return networkOf(remoteAddress);
  const given = request.headers['x-forwarded-for'];
  const forwarded = (Array.isArray(given) ? given.join(',') : (given ?? ''))
    .split(',')
    .map((one) => one.trim());
  const seen = forwarded.at(-proxies) ?? '';
  return networkOf(seen === '' ? remoteAddress : seen);
}

function networkOf(text: string): string {
  const address =
    /^([0-9.]+):[0-9]+$/.exec(text)?.[1] ?? /^\[([^\]]*)\](?::[0-9]+)?$/.exec(text)?.[1] ?? text;
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const groups = head.split(':').filter((group) => group !== '');
  if (tail !== undefined) {
    const missing = 8 - groups.length - tail.split(':').filter((group) => group !== '').length;
    groups.push(...Array.from({ length: Math.max(missing, 0) }, () => '0'), ...tail.split(':'));
  }
  return groups
    .slice(0, networkGroups)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
