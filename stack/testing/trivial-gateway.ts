import { rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { FromCertifier, FromPolicy, FromSigner, ToPolicy } from '@keystead/protocol/frames';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { Hello } from '@keystead/protocol/hello';

/** A gateway that does nothing but know who is there: `/healthz` pings whoever is connected and waits for all three. */
const path = join(process.env.KEYSTEAD_SOCKETS!, 'gateway.sock');
const codecs = { policy: FromPolicy, signer: FromSigner, certifier: FromCertifier };
const connected = new Map<string, { ping(): Promise<unknown> }>();

rmSync(path, { force: true });
createServer((socket) => {
  const reader = new FrameReader();
  const waiting: ((metrics: unknown) => void)[] = [];
  let role = '';
  socket.on('error', () => {});
  socket.on('close', () => connected.delete(role));
  socket.on('data', (chunk: Buffer) => {
    for (const payload of reader.push(chunk)) {
      if (role === '') {
        role = Hello.decode(payload).role;
        const ping = () =>
          new Promise((resolve) => {
            waiting.push(resolve);
            socket.write(frame(ToPolicy.encode({ type: 'ping', id: 1 })));
          });
        connected.set(role, { ping });
      } else {
        const message = codecs[role as keyof typeof codecs].decode(payload);
        if (message.type === 'pong') waiting.shift()?.(Buffer.from(message.metrics).toString());
      }
    }
  });
}).listen(path);

createHttpServer(async (_request, response) => {
  const pongs = await Promise.all([...connected.values()].map((enclave) => enclave.ping()));
  response.writeHead(pongs.length === 3 ? 200 : 503, { 'content-type': 'application/json' });
  response.end(JSON.stringify(pongs));
}).listen(Number(process.env.KEYSTEAD_PORT), '127.0.0.1');

process.on('SIGTERM', () => process.exit(0));
