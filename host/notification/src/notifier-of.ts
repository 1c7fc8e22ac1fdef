import type { DatabaseSync } from 'node:sqlite';
import type { Report } from '@keystead/host-program/report';
import { Notifier } from './notifier.ts';
import { readNotificationSettings } from './notification-settings.ts';
import { Outbox } from './outbox.ts';
import { smtpEmail } from './smtp-email.ts';

/** The notifier of a host, whose queue is in the database of its events. Throws TypeError for settings that cannot be used. */
export function notifierOf(database: DatabaseSync, settingsPath: string, report: Report): Notifier {
  const settings = readNotificationSettings(settingsPath);
  const email = settings.email === undefined ? undefined : smtpEmail(settings.email);
  return new Notifier({ outbox: new Outbox(database), settings, report, email });
}
