import type { LookupFunction } from 'node:net';
import { nameOf, type Report } from '@keystead/host-program/report';
import { type EmailPort, messageOf } from './email.ts';
import type { Notification } from './notification.ts';
import type { NotificationSettings } from './notification-settings.ts';
import type { Outbox, Queued } from './outbox.ts';
import { sendWebhook } from './webhook.ts';

const atOnce = 4;
const firstPause = 1000;
const longestPause = 60 * 60 * 1000;
/** How long a notification is tried. */
const lifetime = 3 * 24 * 60 * 60 * 1000;
/** How often the queue is looked at without cause: clocks are set. */
const longestSleep = 60_000;

export interface NotifierOptions {
  readonly outbox: Outbox;
  readonly settings: NotificationSettings;
  readonly report: Report;
  /** Undefined where no e-mail is set up. */
  readonly email: EmailPort | undefined;
  readonly clock?: () => number;
  readonly lookup?: LookupFunction;
}

/** Pause after so many failures: doubling from a second to an hour. */
export const pauseAfter = (attempts: number): number =>
  Math.min(longestPause, firstPause * 2 ** Math.min(attempts - 1, 20));

/**
 * Tells webhooks and people what happened (spec/notification.md). What is queued is tried until somebody takes it, over restarts, for
 * three days.
 */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #clock: () => number;
  readonly #sending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** Figures for `/metrics`. */
  readonly counts = { delivered: 0, failed: 0, dropped: 0 };

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /** Begins with what an earlier process left. */
  start(): void {
    this.#sleep(0);
  }

  /** Queues for everybody who is to hear of it, in the transaction of the event. `wake` after it. */
  add(notification: Notification): void {
    const { outbox, report } = this.#options;
    const now = this.#clock();
    for (const target of this.#targetsOf(notification))
      if (!outbox.add(target, notification, now)) {
        this.counts.dropped += 1;
        report('error', 'notification-dropped', { reason: 'queue-full' });
      }
  }

  wake(): void {
    this.#sleep(0);
  }

  /** What is being sent stays in the queue until it is known to have arrived. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#options.email?.close();
  }

  #targetsOf({ type, subject }: Notification): string[] {
    const { webhooks, email } = this.#options.settings;
    const takes = (events: ReadonlySet<string> | undefined) => events === undefined || events.has(type);
    const hooks = webhooks.filter(({ events }) => takes(events)).map(({ name }) => name);
    if (email === undefined || !takes(email.events)) return hooks;
    const addresses = [...(email.recipients.get(subject) ?? []), ...(email.recipients.get('*') ?? [])];
    return [...hooks, ...new Set(addresses.map((address) => `mailto:${address}`))];
  }

  #sleep(milliseconds: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#work(), Math.min(longestSleep, milliseconds));
    this.#timer.unref();
  }

  #work(): void {
    const { outbox } = this.#options;
    const now = this.#clock();
    const due = outbox.due(now, atOnce + this.#sending.size).filter(({ id }) => !this.#sending.has(id));
    for (const queued of due.slice(0, Math.max(0, atOnce - this.#sending.size))) void this.#attempt(queued);
    const next = outbox.nextDue;
    // What is being sent wakes it when it is done.
    if (next !== undefined && this.#sending.size === 0) this.#sleep(Math.max(0, next - now));
  }

  async #attempt(queued: Queued): Promise<void> {
    const { outbox, report } = this.#options;
    const { id, attempts, queuedAt } = queued;
    this.#sending.add(id);
    try {
      const isKnown = await this.#send(queued);
      if (this.#isStopped) return;
      outbox.remove(id);
      if (isKnown) this.counts.delivered += 1;
      else report('warn', 'notification-dropped', { reason: 'target-removed' });
    } catch (error) {
      if (this.#isStopped) return;
      this.counts.failed += 1;
      const now = this.#clock();
      const kind = queued.target.startsWith('mailto:') ? 'email' : 'webhook';
      report('warn', 'notification-failed', { id, kind, attempts: attempts + 1, reason: nameOf(error) });
      if (now - queuedAt < lifetime) outbox.postpone(id, attempts + 1, now + pauseAfter(attempts + 1));
      else {
        this.counts.dropped += 1;
        report('error', 'notification-given-up', { id, kind, attempts: attempts + 1 });
        outbox.remove(id);
      }
    } finally {
      this.#sending.delete(id);
      this.#sleep(0);
    }
  }

  /** False when the operator has taken the target out since. */
  async #send(queued: Queued): Promise<boolean> {
    const { settings, email, lookup } = this.#options;
    const { id, target, notification } = queued;
    if (target.startsWith('mailto:')) {
      if (email === undefined) return false;
      await email.send({ ...messageOf(id, notification), to: [target.slice('mailto:'.length)] });
      return true;
    }
    const webhook = settings.webhooks.find(({ name }) => name === target);
    if (webhook === undefined) return false;
    await sendWebhook(webhook, queued, { now: this.#clock(), lookup });
    return true;
  }
}

/** Lines of Prometheus text. */
export const notificationMetrics = (program: string, counts: Notifier['counts']): string[] => [
  `# HELP keystead_${program}_notifications_total Notifications by what became of them.`,
  `# TYPE keystead_${program}_notifications_total counter`,
  ...Object.entries(counts).map(
    ([name, count]) => `keystead_${program}_notifications_total{outcome="${name}"} ${count}`,
  ),
];
