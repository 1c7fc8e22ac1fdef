import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import { ReceivedMessage } from './received-message.ts';
import { rawExchange, runGateway } from './testing/running-gateway.ts';

function message(...rawHeaders: readonly string[]): ReceivedMessage {
  const received = new ReceivedMessage(new Socket());
  received.rawHeaders = [...rawHeaders];
  return received;
}

describe('the head of a request', () => {
  it('is what acts on it, the number of hosts and the stamp, whatever the case of the names', () => {
    const { head, headers } = message(
      ...[
        'Host',
        'a',
        'HOST',
        'b',
        'Content-Length',
        '5',
        'Signature',
        's',
        'keystead-SEEN',
        'none',
        'X-More',
        '1',
      ],
    );
    assert.equal(head.hosts, 2);
    assert.equal(headers['content-length'], '5');
    assert.equal(headers['x-more'], undefined);
    assert.deepEqual(head.stamp, { signature: 's', seen: 'none' });
    assert.equal(head.fault, undefined);
  });

  it('joins what stands twice, so that no second coding is missed', () => {
    const { headers } = message('content-encoding', 'identity', 'Content-Encoding', 'gzip', 'expect', 'a');
    assert.equal(headers['content-encoding'], 'identity, gzip');
    assert.equal(headers.expect, 'a');
  });

  it('names the first thing that is wrong with the stamp: one that stands twice, or one that is too long', () => {
    const long = 'x'.repeat(257);
    const faults = [
      ['Signature', 'a', 'signature', 'b', 'keystead-seen', long],
      ['Keystead-Seen', long, 'signature', 'a', 'signature', 'b'],
      // 129 characters of two bytes.
      ['keystead-seen', 'é'.repeat(129)],
    ].map((raw) => message(...raw).head.fault);
    assert.ok(faults.every((fault) => fault instanceof KmsError));
    assert.deepEqual(
      faults.map((fault) => [fault!.code, fault!.status, fault!.field]),
      [
        ['stamp-malformed', 400, 'signature'],
        ['request-malformed', 400, 'Keystead-Seen'],
        ['request-malformed', 400, 'keystead-seen'],
      ],
    );
    assert.equal(message('keystead-seen', 'é'.repeat(128)).head.fault, undefined);
  });

  it('is all that node:http needs: whoever waits for 100 Continue is told to go on', async (context) => {
    const { gateway } = await runGateway(context);
    const begin =
      'POST /nowhere HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 5\r\n\r\n';
    const told = await rawExchange(gateway.port, begin, 20_000);
    assert.match(told, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 404 /);
    const other = begin.replace('100-continue', 'more');
    assert.match(await rawExchange(gateway.port, other, 20_000), /^HTTP\/1\.1 417 /);
  });
});
