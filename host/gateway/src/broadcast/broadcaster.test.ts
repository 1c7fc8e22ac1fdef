import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { base58Encode } from '@keystead/crypto/base58';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { keccak256 } from '@keystead/crypto/keccak256';
import { AnswerSignature } from '@keystead/protocol/answer';
import { zeroHash } from '@keystead/protocol/entry';
import type { RawRequest } from '@keystead/protocol/frames';
import { fakeNode, refusal, result } from '../testing/fake-node.ts';
import { boot, identityOf, json, noRows, runGateway, sealed } from '../testing/running-gateway.ts';
import { Broadcaster, submissionOf } from './broadcaster.ts';
import type { Endpoint } from './endpoints.ts';
import { PostError, post } from '@keystead/host-program/post';

const solana = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1';
const ethereum = 'eip155:11155111';
const bitcoin = 'bip122:000000000019d6689c085ae165831e93';
const sui = 'sui:4c78adac';

const signature = new Uint8Array(64).fill(3);
const solanaBytes = Buffer.concat([Buffer.from([1]), signature, Buffer.from('message')]);
const solanaId = base58Encode(signature);
const ethereumBytes = Buffer.from('02c0', 'hex');
const ethereumId = `0x${Buffer.from(keccak256(ethereumBytes)).toString('hex')}`;
/** One input whose final witness is one item of one byte, one output to an unspendable script. */
const bitcoinTransaction = `02000000${'01'}${'11'.repeat(32)}00000000${'00'}ffffffff${'01'}${'e803000000000000'}${'016a'}00000000`;
const psbt = (finalised: boolean) =>
  Buffer.from(
    `70736274ff0100${(bitcoinTransaction.length / 2).toString(16).padStart(2, '0')}${bitcoinTransaction}00` +
      `${finalised ? '0108030101aa' : ''}00${'00'}`,
    'hex',
  );

const sendTo = (network: string, endpoint: Endpoint | undefined, report = () => {}) =>
  new Broadcaster({ endpoints: new Map(endpoint === undefined ? [] : [[network, endpoint]]), report });
const order = (network: string, transaction: Uint8Array) => ({ network, transaction, signature });
const outcomeOf = (outcome: Uint8Array | undefined) =>
  outcome === undefined ? undefined : JSON.parse(Buffer.from(outcome).toString());

describe('sending', () => {
  it('sends wire bytes to Solana and answers the first signature', async (context) => {
    const { endpoint, asked } = await fakeNode(context, () => result(solanaId));
    const sent = await sendTo(solana, endpoint).send('a', order(solana, solanaBytes));
    assert.deepEqual(sent.result, { result: solanaId });
    assert.equal(asked[0]!.method, 'sendTransaction');
    assert.equal(asked[0]!.params[0], solanaBytes.toString('base64'));
    assert.equal((asked[0]!.params[1] as { encoding: string }).encoding, 'base64');
    assert.deepEqual(outcomeOf(sent.outcome), { status: 'accepted', transactionId: solanaId });
  });

  it('sends an envelope to Ethereum and answers its hash, not the one that the node says', async (context) => {
    const { endpoint, asked } = await fakeNode(context, () => result(`0x${'11'.repeat(32)}`));
    const sent = await sendTo(ethereum, endpoint).send('a', order(ethereum, ethereumBytes));
    assert.deepEqual(sent.result, { result: ethereumId });
    assert.deepEqual([asked[0]!.method, asked[0]!.params], ['eth_sendRawTransaction', ['0x02c0']]);
  });

  for (const api of ['json-rpc', 'esplora'] as const)
    it(`sends the transaction of a PSBT to Bitcoin by ${api}`, async (context) => {
      const { endpoint, asked } = await fakeNode(
        context,
        () => (api === 'esplora' ? { body: 'id' } : result('id')),
        api,
      );
      const sent = await sendTo(bitcoin, endpoint).send('a', order(bitcoin, psbt(true)));
      assert.ok('result' in sent.result);
      assert.match(sent.result.result, /^[0-9a-f]{64}$/);
      const hex = api === 'esplora' ? asked[0]!.body : (asked[0]!.params[0] as string);
      assert.equal(asked[0]!.path, api === 'esplora' ? '/key/tx' : '/key');
      assert.ok(hex.startsWith('0200000000010111'), 'it has the marker of a witness');
      assert.ok(hex.includes('0101aa'));
    });

  it('does not send a PSBT that lacks a signature', async (context) => {
    const { endpoint, asked } = await fakeNode(context, () => result('id'));
    const { result: told } = await sendTo(bitcoin, endpoint).send('a', order(bitcoin, psbt(false)));
    assert.ok('error' in told);
    assert.equal(told.error.code, 'transaction-incomplete');
    assert.equal(asked.length, 0);
  });

  it('sends bytes and signature to Sui and answers the digest', async (context) => {
    const { endpoint, asked } = await fakeNode(context, () => result({ digest: 'x' }));
    const sent = await sendTo(sui, endpoint).send('a', order(sui, Buffer.from('bytes')));
    assert.ok('result' in sent.result);
    assert.equal(asked[0]!.method, 'sui_executeTransactionBlock');
    assert.deepEqual(asked[0]!.params.slice(0, 2), [
      Buffer.from('bytes').toString('base64'),
      [Buffer.from(signature).toString('base64')],
    ]);
  });

  it('says which network has no endpoint', async () => {
    const { result: told } = await sendTo(solana, undefined).send('a', order(solana, solanaBytes));
    assert.ok('error' in told);
    assert.equal(told.error.code, 'network-not-configured');
    assert.ok(told.error.message.includes(solana));
  });

  it('tells what the node refused, without control characters and in bounds', async (context) => {
    const { endpoint } = await fakeNode(context, () =>
      refusal(`insufficient\u0000 \u202efunds ${'x'.repeat(9999)}`),
    );
    const sent = await sendTo(ethereum, endpoint).send('a', order(ethereum, ethereumBytes));
    assert.ok('error' in sent.result);
    assert.match(sent.result.error.message, /^insufficient {2,3}funds x+$/);
    assert.equal(sent.result.error.message.length, 512);
    assert.equal(outcomeOf(sent.outcome).status, 'refused');
  });

  for (const [network, bytes, message] of [
    [ethereum, ethereumBytes, 'already known'],
    [ethereum, ethereumBytes, 'Transaction with the same hash was already imported.'],
    [solana, solanaBytes, 'Transaction simulation failed: This transaction has already been processed'],
    [bitcoin, psbt(true), 'txn-already-in-mempool'],
    [bitcoin, psbt(true), 'Transaction outputs already in utxo set'],
  ] as const)
    it(`takes ${JSON.stringify(message)} for success`, async (context) => {
      const { endpoint } = await fakeNode(context, () => refusal(message));
      const sent = await sendTo(network, endpoint).send('a', order(network, bytes));
      assert.ok('result' in sent.result);
    });

  it('takes a spent nonce for success only when the node has this very transaction', async (context) => {
    for (const hash of [ethereumId, `0x${'22'.repeat(32)}`]) {
      const { endpoint } = await fakeNode(context, ({ method }) =>
        method === 'eth_sendRawTransaction' ? refusal('nonce too low') : result({ hash }),
      );
      const sent = await sendTo(ethereum, endpoint).send('a', order(ethereum, ethereumBytes));
      assert.equal('result' in sent.result, hash === ethereumId);
    }
  });

  it('sends one identity once, remembers success, and sends again what was refused', async (context) => {
    let refuse = true;
    const { endpoint, asked } = await fakeNode(context, () => (refuse ? refusal('busy') : result('x')));
    const broadcaster = sendTo(ethereum, endpoint);
    const send = () => broadcaster.send('a', order(ethereum, ethereumBytes));
    const both = await Promise.all([send(), send()]);
    assert.equal(asked.length, 1);
    assert.deepEqual(
      both.map(({ outcome }) => outcome !== undefined),
      [true, false],
    );
    refuse = false;
    assert.ok('result' in (await send()).result);
    assert.ok('result' in (await send()).result);
    assert.equal(asked.length, 2);
    await broadcaster.send('b', order(ethereum, ethereumBytes));
    assert.equal(asked.length, 3);
  });

  it('forgets what it sent after ten minutes', async (context) => {
    const { endpoint, asked } = await fakeNode(context, () => result('x'));
    let now = 0;
    const endpoints = new Map([[ethereum, endpoint]]);
    const broadcaster = new Broadcaster({ endpoints, report: () => {}, now: () => now });
    await broadcaster.send('a', order(ethereum, ethereumBytes));
    now = 600_001;
    await broadcaster.send('a', order(ethereum, ethereumBytes));
    assert.equal(asked.length, 2);
  });
});

describe('asking a node', () => {
  const rejects = (endpoint: Endpoint, code: string) =>
    assert.rejects(
      post(endpoint, '{}', { contentType: 'application/json', timeout: 300 }),
      (error: Error) =>
        error instanceof PostError && error.code === code && !error.message.includes('127.0.0.1'),
    );

  it('follows no redirect', async (context) => {
    const target = await fakeNode(context, () => result('x'));
    const { endpoint } = await fakeNode(context, () => ({
      status: 307,
      headers: { location: target.endpoint.url.href },
      body: '',
    }));
    await rejects(endpoint, 'EREDIRECT');
    assert.equal(target.asked.length, 0);
  });

  it('reads no answer above 1 MiB', async (context) => {
    const sized = (size: number) => fakeNode(context, () => ({ body: 'x'.repeat(size) }));
    await rejects((await sized(1024 * 1024 + 1)).endpoint, 'ETOOLARGE');
    const { endpoint } = await sized(1024 * 1024);
    assert.equal((await post(endpoint, '{}', { contentType: 'a/b' })).body.length, 1024 * 1024);
  });

  it('waits no longer than its patience', async (context) => {
    await rejects((await fakeNode(context, () => undefined)).endpoint, 'ETIMEDOUT');
  });

  it('tells an answer that is no JSON as unknown, and shows nothing of the URL', async (context) => {
    const { endpoint } = await fakeNode(context, () => ({ status: 502, body: '<html>' }));
    const sent = await sendTo(ethereum, endpoint).send('a', order(ethereum, ethereumBytes));
    assert.ok('error' in sent.result);
    assert.ok(!JSON.stringify(sent.result).includes('127.0.0.1'));
    assert.equal(outcomeOf(sent.outcome).status, 'unknown');
  });
});

const corpus = JSON.parse(
  readFileSync(new URL('../../../../vectors/requests.json', import.meta.url), 'utf8'),
) as { accepted: { surface: string; name: string; request: unknown }[] };

function requestNamed(name: string): RawRequest {
  const { surface, request } = corpus.accepted.find((each) => each.name === name)!;
  return {
    surface: surface === 'native' ? 1 : 2,
    route: 1,
    path: '',
    signatureInput: undefined,
    signature: undefined,
    contentDigest: undefined,
    deployment: undefined,
    origin: undefined,
    seen: undefined,
    phantomStamp: undefined,
    body: json(request),
  };
}

describe('requests that ask for sending', () => {
  const signed = {
    kind: 'SOLANA',
    transaction: base64urlEncode(solanaBytes),
    signature: base64urlEncode(signature),
  };

  it('finds the network in both surfaces, and nothing where nothing is asked', () => {
    for (const name of ['captured sign and send on Solana', 'sign and send'])
      assert.deepEqual(submissionOf(requestNamed(name), json(signed)), {
        network: solana,
        transaction: new Uint8Array(solanaBytes),
        signature,
      });
    assert.equal(submissionOf(requestNamed('sign only'), json(signed)), undefined);
    assert.equal(submissionOf(requestNamed('sign and send'), json({ walletId: 'x' })), undefined);
  });

  for (const accepted of [true, false])
    it(`answers 200 with what the network said and tells the policy engine: ${accepted ? 'accepted' : 'refused'}`, async (context) => {
      const { endpoint } = await fakeNode(context, () =>
        accepted ? result(solanaId) : refusal('blockhash not found'),
      );
      const running = await runGateway(context, { endpoints: new Map([[solana, endpoint]]) });
      const { policy, signer, certifier } = running;
      const answer = running.post(
        '/v1/wallets/kms/rpc',
        requestNamed('captured sign and send on Solana').body,
      );
      const [item] = (await policy.next('requests')).items;
      const identity = identityOf('send');
      policy.send({
        type: 'batch',
        batch: 1,
        rows: noRows(),
        advance: undefined,
        query: sealed(boot, 'query'),
        tickets: sealed(boot, 'tickets'),
        waiting: [{ identity, refs: [item!.ref], secret: undefined }],
      });
      await certifier.next('query');
      const organization = Buffer.alloc(16, 4);
      const stated = AnswerSignature.encode({
        statement: {
          version: 1,
          role: 2,
          deployment: zeroHash,
          identity,
          status: 200,
          resultDigest: zeroHash,
          organization,
          position: 77,
          head: zeroHash,
          time: 1,
        },
        index: 0,
        size: 1,
        path: [],
        signature: new Uint8Array(64),
        inclusion: undefined,
      });
      signer.send({
        type: 'answers',
        answers: [{ identity, status: 200, body: json(signed), signature: stated }],
      });
      const response = await answer;
      assert.equal(response.status, 200);
      const envelope = (await response.json()) as Record<string, unknown>;
      assert.deepEqual(envelope.result, signed);
      assert.deepEqual(
        envelope.rpc_submission_result,
        accepted
          ? { result: solanaId }
          : { error: { message: 'blockhash not found', code: 'broadcast-failed' } },
      );
      const outcome = await policy.next('outcome');
      assert.deepEqual(
        [Buffer.from(outcome.organization), outcome.position, outcome.network],
        [organization, 77, solana],
      );
      assert.equal(outcomeOf(outcome.outcome).status, accepted ? 'accepted' : 'refused');
    });
});
