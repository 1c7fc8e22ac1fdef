import { type Notifier, notificationMetrics } from '@keystead/host-notification/notifier';
import type { RealmLink } from './realm-link.ts';

const figureName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** What `/metrics` says: Prometheus text. Figures of the enclave are its own statement. */
export function metricsText(
  link: RealmLink,
  { counts }: Pick<Notifier, 'counts'>,
  statuses: ReadonlyMap<number, number>,
): string {
  const lines = [
    '# HELP keystead_realm_serving Whether the realm serves.',
    '# TYPE keystead_realm_serving gauge',
    `keystead_realm_serving ${link.serving ? 1 : 0}`,
    '# HELP keystead_realm_waiting Requests that wait for the enclave.',
    '# TYPE keystead_realm_waiting gauge',
    `keystead_realm_waiting ${link.waiting}`,
    '# HELP keystead_realm_requests_total Answers by status.',
    '# TYPE keystead_realm_requests_total counter',
    ...[...statuses].map(([status, count]) => `keystead_realm_requests_total{status="${status}"} ${count}`),
    '# HELP keystead_realm_enclave Figures of the enclave.',
    '# TYPE keystead_realm_enclave gauge',
    ...figuresOf(link.metrics).map(([name, value]) => `keystead_realm_enclave{name="${name}"} ${value}`),
  ];
  return `${[...lines, ...notificationMetrics('realm', counts)].join('\n')}\n`;
}

function figuresOf(metrics: Uint8Array): [string, number][] {
  if (metrics.length === 0) return [];
  let stated: unknown;
  try {
    stated = JSON.parse(Buffer.from(metrics).toString('utf8'));
  } catch {
    return [];
  }
  if (typeof stated !== 'object' || stated === null) return [];
  return Object.entries(stated).filter(
    (entry): entry is [string, number] => figureName.test(entry[0]) && Number.isFinite(entry[1]),
  );
}
