import { createTransport } from 'nodemailer';
import type { EmailPort } from './email.ts';
import type { EmailSettings } from './notification-settings.ts';

const patience = 15_000;

/** E-mail by SMTP. Without `private`, a server at `smtp://` has to take STARTTLS. */
export function smtpEmail({ smtp, from, private: own }: EmailSettings): EmailPort {
  const secure = smtp.protocol === 'smtps:';
  const transport = createTransport({
    host: smtp.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: smtp.port === '' ? (secure ? 465 : 587) : Number(smtp.port),
    secure,
    requireTLS: !secure && !own,
    ...(own && !secure ? { ignoreTLS: true } : {}),
    ...(smtp.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(smtp.username), pass: decodeURIComponent(smtp.password) } }),
    connectionTimeout: patience,
    greetingTimeout: patience,
    socketTimeout: patience,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send({ id, to, subject, text }) {
      await transport.sendMail({ from, to: [...to], subject, text, messageId: `<${id}@keystead.invalid>` });
    },
    close: () => transport.close(),
  };
}
