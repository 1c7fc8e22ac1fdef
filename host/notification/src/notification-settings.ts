import { existsSync, readFileSync } from 'node:fs';
import type { Destination } from '@keystead/host-program/post';

/** spec/notification.md §2: `notifications.json`, what an operator says of who is told. */

export interface Webhook extends Destination {
  /** Names it in the queue: its URL. */
  readonly name: string;
  readonly secret: Uint8Array;
  /** Types that it takes; all when undefined. */
  readonly events: ReadonlySet<string> | undefined;
}

export interface EmailSettings {
  /** `smtps://` or `smtp://`, with user and password where the server asks for them. */
  readonly smtp: URL;
  /** The operator's own server: no TLS is asked for. */
  readonly private: boolean;
  readonly from: string;
  /** Addresses by subject; `*` for every one. */
  readonly recipients: ReadonlyMap<string, readonly string[]>;
  readonly events: ReadonlySet<string> | undefined;
}

export interface NotificationSettings {
  readonly webhooks: readonly Webhook[];
  readonly email: EmailSettings | undefined;
}

export const noNotifications: NotificationSettings = { webhooks: [], email: undefined };

const mostWebhooks = 16;
const leastSecretBytes = 24;
/** One mailbox without a display name; what a header could be broken with is not in it. */
const mailbox = /^[^\s@<>,;:"()[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}$/;

/** What the operator wrote; nothing where there is no file. Throws TypeError that names the member and never its content. */
export function readNotificationSettings(path: string): NotificationSettings {
  if (!existsSync(path)) return noNotifications;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new TypeError('notifications: not JSON');
  }
  const { webhooks = [], email, ...unknown } = members(value, 'notifications');
  refuseUnknown(unknown, 'notifications');
  if (!Array.isArray(webhooks) || webhooks.length > mostWebhooks)
    throw new TypeError(`webhooks is no list of at most ${mostWebhooks}`);
  const read = webhooks.map((webhook, index) => webhookOf(webhook, `webhooks[${index}]`));
  if (new Set(read.map(({ name }) => name)).size !== read.length)
    throw new TypeError('webhooks: two have one url');
  return { webhooks: read, email: email === undefined ? undefined : emailOf(email) };
}

function webhookOf(value: unknown, at: string): Webhook {
  const { url: text, secret, private: own = false, events, ...unknown } = members(value, at);
  refuseUnknown(unknown, at);
  const url = urlOf(text, `${at}.url`);
  if (typeof own !== 'boolean') throw new TypeError(`${at}.private is no boolean`);
  if (url.protocol !== 'https:' && !(own && url.protocol === 'http:'))
    throw new TypeError(`${at}.url is no https URL`);
  if (url.username !== '' || url.password !== '') throw new TypeError(`${at}.url holds a password`);
  if (typeof secret !== 'string' || !/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret))
    throw new TypeError(`${at}.secret is not whsec_ and base64 of ${leastSecretBytes} bytes or more`);
  const bytes = new Uint8Array(Buffer.from(secret.slice('whsec_'.length), 'base64'));
  return { name: url.href, url, private: own, secret: bytes, events: eventsOf(events, at) };
}

function emailOf(value: unknown): EmailSettings {
  const at = 'email';
  const { smtp, from, recipients, private: own = false, events, ...unknown } = members(value, at);
  refuseUnknown(unknown, at);
  const url = urlOf(smtp, `${at}.smtp`);
  if (typeof own !== 'boolean') throw new TypeError(`${at}.private is no boolean`);
  if (url.protocol !== 'smtps:' && url.protocol !== 'smtp:')
    throw new TypeError(`${at}.smtp is neither smtps nor smtp`);
  if (typeof from !== 'string' || !mailbox.test(from)) throw new TypeError(`${at}.from is no address`);
  const listed = Object.entries(members(recipients, `${at}.recipients`)).map(([subject, addresses]) => {
    const all = Array.isArray(addresses) ? addresses : [];
    if (
      all.length === 0 ||
      all.length > 16 ||
      !all.every((one) => typeof one === 'string' && mailbox.test(one))
    )
      throw new TypeError(`${at}.recipients: not from 1 to 16 addresses`);
    return [subject, all as string[]] as const;
  });
  return { smtp: url, private: own, from, recipients: new Map(listed), events: eventsOf(events, at) };
}

function eventsOf(events: unknown, at: string): ReadonlySet<string> | undefined {
  if (events === undefined) return undefined;
  if (!Array.isArray(events) || !events.every((event) => typeof event === 'string'))
    throw new TypeError(`${at}.events is no list of types`);
  return new Set(events as string[]);
}

function urlOf(value: unknown, at: string): URL {
  if (typeof value !== 'string' || !URL.canParse(value)) throw new TypeError(`${at} is no URL`);
  return new URL(value);
}

function members(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${at} is no object`);
  return value as Record<string, unknown>;
}

function refuseUnknown(rest: Record<string, unknown>, at: string): void {
  for (const name of Object.keys(rest)) throw new TypeError(`${at}: unknown member ${name}`);
}
