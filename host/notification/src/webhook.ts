import { createHmac } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import { post } from '@keystead/host-program/post';
import { bodyOf, type Notification } from './notification.ts';
import type { Webhook } from './notification-settings.ts';

/** The receiver did not take it. The message has no URL and no answer. */
export class NotTaken extends Error {}

/**
 * One attempt, signed as Standard Webhooks 1.0 says: HMAC-SHA-256 over id, time of the attempt and body. Rejects with PostError or
 * NotTaken.
 */
export async function sendWebhook(
  webhook: Webhook,
  { id, notification }: { readonly id: string; readonly notification: Notification },
  { now, lookup }: { readonly now: number; readonly lookup?: LookupFunction | undefined },
): Promise<void> {
  const body = bodyOf(id, notification);
  const seconds = Math.floor(now / 1000);
  const signature = createHmac('sha256', webhook.secret).update(`${id}.${seconds}.${body}`).digest('base64');
  const { status } = await post(webhook, body, {
    contentType: 'application/json',
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': `v1,${signature}`,
    },
    ...(lookup === undefined ? {} : { lookup }),
  });
  if (status < 200 || status > 299) throw new NotTaken(`status ${status}`);
}
