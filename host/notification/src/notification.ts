/** spec/notification.md: what somebody is told. Nothing of it is a secret. */

export interface Notification {
  /** `backup.released`, `realm.guess_used`. */
  readonly type: string;
  /** Of the event, milliseconds since 1970. */
  readonly time: number;
  /** Whose it is: an organization id, or the name of a tenant. E-mail goes to the recipients of that. */
  readonly subject: string;
  readonly data: Readonly<Record<string, string | number>>;
}

/** The body of a webhook, the same at every attempt. */
export function bodyOf(id: string, { type, time, subject, data }: Notification): string {
  return JSON.stringify({ id, type, timestamp: new Date(time).toISOString(), subject, data });
}
