/** Somebody who is told: a webhook and a mailbox on loopback. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface Told {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, string | number>>;
}

export class Listener {
  /** Of the webhook, in order of arrival. */
  readonly told: Told[] = [];
  /** As they came, but for breaks within a line (RFC 2045 §6.7, RFC 5322 §2.2.3). */
  readonly mails: string[] = [];
  /** While it is false the webhook answers 503. */
  isUp = true;
  readonly #http = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      if (this.isUp) this.told.push(JSON.parse(body) as Told);
      response.writeHead(this.isUp ? 204 : 503).end();
    });
  });
  readonly #smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, _session, done) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      stream.on('end', () => {
        this.mails.push(text.replace(/=\r\n/g, '').replace(/\r\n[ \t]/g, ' '));
        done();
      });
    },
  });

  constructor() {
    // A host that is killed leaves in the middle of a message.
    this.#smtp.on('error', () => {});
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => this.#smtp.listen(0, '127.0.0.1', resolve));
  }

  /** `notifications.json`. */
  settings(): string {
    const [http, smtp] = [this.#http.address(), this.#smtp.server.address()] as [AddressInfo, AddressInfo];
    return JSON.stringify({
      webhooks: [
        {
          url: `http://127.0.0.1:${http.port}/`,
          secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
          private: true,
        },
      ],
      email: {
        smtp: `smtp://127.0.0.1:${smtp.port}`,
        private: true,
        from: 'keystead@example.org',
        recipients: { '*': ['ada@example.org'] },
        events: ['backup.released', 'backup.replaced', 'realm.locked_out'],
      },
    });
  }

  close(): void {
    this.#http.closeAllConnections();
    this.#http.close();
    this.#smtp.close();
  }
}
