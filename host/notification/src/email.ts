import type { Notification } from './notification.ts';

export interface Message {
  readonly id: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

/** Sends one message; rejects when the server has not taken it. The seam for other ways than SMTP. */
export interface EmailPort {
  send(message: Message): Promise<void>;
  close(): void;
}

const titles: Readonly<Record<string, string>> = {
  'backup.created': 'A backup of your wallet was made',
  'backup.replaced': 'The PIN or the place of your wallet backup was changed',
  'backup.released': 'Your wallet is being recovered on a device',
  'backup.guess_permitted': 'Somebody signed in as you is entering the PIN of your wallet backup',
  'backup.deletion_requested': 'The deletion of your wallet backup was requested',
  'backup.deletion_withdrawn': 'The deletion of your wallet backup was withdrawn',
  'backup.deleted': 'Your wallet backup was deleted',
  'realm.registered': 'A registration was made',
  'realm.guess_used': 'A PIN was entered',
  'realm.share_recovered': 'A share was recovered with the right PIN',
  'realm.deleted': 'A registration was deleted',
  'realm.locked_out': 'The last guess at a PIN was used: unless that one was right, a registration is lost',
};

/** What a person reads: what happened, when, and what to do if it was not they. */
export function messageOf(id: string, { type, time, subject, data }: Notification): Omit<Message, 'to'> {
  const title = titles[type] ?? type;
  const facts = Object.entries(data).map(([name, value]) => `${name}: ${value}`);
  return {
    id,
    subject: title,
    text: [
      `${title}.`,
      '',
      `time: ${new Date(time).toISOString()}`,
      `account: ${subject}`,
      ...facts,
      '',
      'If this was you, there is nothing to do. If not, revoke the keys that you do not know, and change your PIN.',
      '',
    ].join('\n'),
  };
}
