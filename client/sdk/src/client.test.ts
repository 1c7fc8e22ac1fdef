import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { equalBytes } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { AnswerSignature } from '@keystead/protocol/answer';
import { errorBody, KmsError } from '@keystead/protocol/errors';
import { parseUuid } from '@keystead/protocol/ids';
import { type Carried, identityIn, membersOf, ScriptedDeployment } from '../testing/scripted-deployment.ts';
import { type ClientOptions, createClient } from './client.ts';
import { AnsweredError, type ErrorCode } from './errors.ts';
import { processMemory } from './memory.ts';
import { keyStamper } from './stampers/key.ts';

const stamper = keyStamper({ algorithm: 'Ed25519', privateKey: new SecretBytes(new Uint8Array(32).fill(9)) });
const organizationId = '0f0e0d0c-0b0a-8908-8706-050403020100';
const organization = parseUuid(organizationId)!;
const walletId = '11111111-1111-8111-8111-111111111111';
const solanaPath = "m/44'/501'/0'/0'";

function setUp(options: Partial<ClientOptions> = {}) {
  const deployment = new ScriptedDeployment();
  const { fetch, root } = deployment;
  const pauses: number[] = [];
  const wait = async (milliseconds: number) => {
    pauses.push(milliseconds);
  };
  const client = createClient({ baseUrl: 'http://kms.test/', stamper, root, fetch, wait, ...options });
  return { deployment, client, pauses };
}

const refusedWith =
  (code: ErrorCode, detail: RegExp = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof KmsError, String(error));
    assert.equal(error.code, code, error.detail);
    assert.match(error.detail, detail);
    return true;
  };

const create = { organizationId, walletName: 'treasury' };
const sign = {
  organizationId,
  walletId,
  derivationInfo: solanaPath,
  algorithm: 'Ed25519',
  message: 'hello',
} as const;

describe('client', () => {
  it('returns the result that an enclave of the pinned deployment states', async () => {
    const { client, deployment } = setUp();
    const wallet = await client.call('createWallet', create);
    assert.equal(wallet.walletName, 'treasury');
    assert.equal(wallet.accounts?.length, 4);
    const answer = await client.callVerified('getOrganization', { organizationId });
    assert.deepEqual([answer.organizationId, answer.position], [organizationId, 1]);
    assert.equal(deployment.received.length, 2);
  });

  it('checks that a founded organization is the one its request commits to', async () => {
    const { client } = setUp();
    const answer = await client.callVerified('createOrganization', {
      organizationName: 'org',
      users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [] }],
    });
    assert.equal(answer.result.organizationId, answer.organizationId);
  });

  it('refuses parameters that the enclaves would refuse, before it sends anything', async () => {
    const { client, deployment } = setUp();
    await assert.rejects(
      client.call('createWallet', { ...create, mnemonicLength: 13 as 12 }),
      refusedWith('parameter-invalid'),
    );
    assert.equal(deployment.received.length, 0);
  });

  it('shows what it has seen in its next stamp', async () => {
    const { client, deployment } = setUp();
    await client.call('createWallet', create);
    await client.call('getOrganization', { organizationId });
    const seen = deployment.received.map(({ headers }) => headers.get('keystead-seen'));
    assert.equal(seen[0], 'none');
    assert.match(seen[1]!, new RegExp(`^${organizationId};1;`));
  });

  it('refuses a root that is not 32 bytes', () => {
    assert.throws(() => setUp({ root: 'AAAA' }), refusedWith('parameter-invalid'));
  });
});

describe('errors', () => {
  it('tells a refusal that an enclave states from one of the host', async () => {
    const { client, deployment } = setUp();
    deployment.refusal = new KmsError('policy-denied', { detail: 'no', extra: { rule: 'DENY_ALL' } });
    const stated = await client.call('signUtf8Message', sign).catch((error: unknown) => error);
    assert.ok(stated instanceof AnsweredError);
    assert.deepEqual(
      [stated.code, stated.stated, stated.detail, stated.extra?.rule, stated.requestId],
      ['policy-denied', true, 'no', 'DENY_ALL', 'r-1'],
    );
    deployment.host = (answer) => ({ ...answer, signature: undefined });
    const unstated = await client.call('signUtf8Message', sign).catch((error: unknown) => error);
    assert.ok(unstated instanceof AnsweredError);
    assert.deepEqual([unstated.code, unstated.stated], ['policy-denied', false]);
  });

  it('refuses an error whose body was changed behind its statement', async () => {
    const { client, deployment } = setUp();
    deployment.refusal = new KmsError('policy-denied', { detail: 'no' });
    deployment.host = (answer) => ({ ...answer, body: { ...membersOf(answer.body), detail: 'pay first' } });
    await assert.rejects(client.call('signUtf8Message', sign), refusedWith('answer-unverified', /body/));
  });

  it('gives an unknown code as internal, never as stated', async () => {
    const { client, deployment } = setUp();
    deployment.host = () => ({ status: 400, body: { code: 'brand-new' }, signature: undefined });
    const error = await client.call('signUtf8Message', sign).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof AnsweredError);
    assert.deepEqual([error.code, error.stated], ['internal', false]);
  });
});

describe('a lying proxy', () => {
  const other = new ScriptedDeployment({ seeds: { policy: 7, signer: 8 } });
  const lies: readonly {
    readonly what: string;
    readonly call: 'createWallet' | 'initWalletImport' | 'getOrganization' | 'signUtf8Message';
    readonly detail?: RegExp;
    readonly code?: ErrorCode;
    lie(answer: Carried, deployment: ScriptedDeployment): Carried;
  }[] = [
    {
      what: 'swaps an address',
      call: 'createWallet',
      detail: /body/,
      lie: (answer) => {
        const wallet = structuredClone(membersOf(answer.body));
        membersOf((wallet.accounts as never[])[0]!).address = 'So11111111111111111111111111111111111111112';
        return { ...answer, body: wallet };
      },
    },
    {
      what: 'swaps an import key',
      call: 'initWalletImport',
      detail: /body/,
      lie: (answer) => ({ ...answer, body: { ...membersOf(answer.body), publicKey: 'A'.repeat(43) } }),
    },
    {
      what: 'swaps a position',
      call: 'getOrganization',
      detail: /signature is not/,
      lie: (answer) => {
        const decoded = AnswerSignature.decode(answer.signature!);
        const statement = { ...decoded.statement, position: decoded.statement.position + 5 };
        return { ...answer, signature: AnswerSignature.encode({ ...decoded, statement }) };
      },
    },
    {
      what: 'turns a refusal into a success',
      call: 'getOrganization',
      detail: /status/,
      lie: (answer, deployment) => {
        const body = { organizationId };
        const { status } = new KmsError('policy-denied');
        const signature = deployment.state('policy', {
          identity: identityIn(answer.signature!),
          status,
          body: errorBody(new KmsError('policy-denied'), '') as never,
          organization,
          position: 1,
        });
        return { status: 200, body, signature };
      },
    },
    {
      what: 'turns a success into a refusal',
      call: 'createWallet',
      detail: /status/,
      lie: (answer) => ({
        ...answer,
        status: 403,
        body: JSON.parse(JSON.stringify(errorBody(new KmsError('policy-denied'), ''))),
      }),
    },
    {
      what: 'leaves the statement out',
      call: 'getOrganization',
      detail: /no statement/,
      lie: (answer) => ({ ...answer, signature: undefined }),
    },
    {
      what: 'gives the answer of another request',
      call: 'getOrganization',
      detail: /another request/,
      lie: (answer, deployment) => ({
        ...answer,
        signature: deployment.state('policy', {
          identity: new Uint8Array(32).fill(4),
          status: 200,
          body: answer.body,
          organization,
          position: 1,
        }),
      }),
    },
    {
      what: 'gives an answer that another deployment states',
      call: 'getOrganization',
      detail: /another deployment/,
      lie: (answer) => ({
        ...answer,
        signature: other.state('policy', {
          identity: identityIn(answer.signature!),
          status: 200,
          body: answer.body,
          organization,
          position: 1,
        }),
      }),
    },
    {
      what: 'gives an answer about another organization',
      call: 'getOrganization',
      detail: /another organization/,
      lie: (answer, deployment) => ({
        ...answer,
        signature: deployment.state('policy', {
          identity: identityIn(answer.signature!),
          status: 200,
          body: answer.body,
          organization: new Uint8Array(16).fill(1),
          position: 1,
        }),
      }),
    },
    {
      what: 'together with the policy engine states an address',
      call: 'createWallet',
      detail: /role/,
      lie: (answer, deployment) => ({
        ...answer,
        signature: deployment.state('policy', {
          identity: identityIn(answer.signature!),
          status: 200,
          body: answer.body,
          organization,
          position: 1,
        }),
      }),
    },
    {
      what: 'gives an answer of yesterday',
      call: 'getOrganization',
      detail: /5 minutes/,
      lie: (answer, deployment) => ({
        ...answer,
        signature: deployment.state('policy', {
          identity: identityIn(answer.signature!),
          status: 200,
          body: answer.body,
          organization,
          position: 1,
          time: Date.now() - 86_400_000,
        }),
      }),
    },
    {
      what: 'gives a statement with a changed byte of its signature',
      call: 'signUtf8Message',
      detail: /signature is not/,
      lie: (answer) => {
        const decoded = AnswerSignature.decode(answer.signature!);
        const signature = decoded.signature.slice();
        signature[5]! ^= 1;
        return { ...answer, signature: AnswerSignature.encode({ ...decoded, signature }) };
      },
    },
  ];
  const paramsOf = {
    createWallet: create,
    initWalletImport: { organizationId },
    getOrganization: { organizationId },
    signUtf8Message: sign,
  };

  for (const { what, call, detail, code, lie } of lies)
    it(`that ${what} is refused`, async () => {
      const { client, deployment } = setUp();
      // The same call through an honest host succeeds.
      await client.call(call, paramsOf[call] as never);
      deployment.host = (answer) => lie(answer, deployment);
      await assert.rejects(
        client.call(call, paramsOf[call] as never),
        refusedWith(code ?? 'answer-unverified', detail),
      );
    });

  it('that shows the keys of another deployment is refused', async () => {
    const { client, deployment } = setUp();
    deployment.shown = other.document();
    await assert.rejects(
      client.call('getOrganization', { organizationId }),
      refusedWith('deployment-mismatch'),
    );
    assert.equal(deployment.received.length, 0);
    deployment.shown = { ...(other.document() as object), deploymentId: deployment.root };
    await assert.rejects(
      client.call('getOrganization', { organizationId }),
      refusedWith('deployment-mismatch'),
    );
    deployment.shown = deployment.document();
    await client.call('getOrganization', { organizationId });
  });

  it('that serves a stale read is refused', async () => {
    const { client, deployment } = setUp();
    await client.call('createWallet', create);
    const stale = deployment.positions.get(organizationId)!;
    await client.call('createWallet', create);
    deployment.host = (answer) => ({
      ...answer,
      signature: deployment.state('policy', {
        identity: identityIn(answer.signature!),
        status: 200,
        body: answer.body,
        organization,
        position: stale,
      }),
    });
    await assert.rejects(
      client.call('getOrganization', { organizationId }),
      refusedWith('answer-rolled-back', /position 1; this client has seen position 2/),
    );
  });

  it('that serves another history at the same position, or an earlier time, is refused', async () => {
    const { client, deployment } = setUp();
    await client.call('getOrganization', { organizationId });
    const state = (options: { head?: Uint8Array; time?: number }) => {
      deployment.host = (answer) => ({
        ...answer,
        signature: deployment.state('policy', {
          identity: identityIn(answer.signature!),
          status: 200,
          body: answer.body,
          organization,
          position: 0,
          ...options,
        }),
      });
    };
    state({ head: new Uint8Array(32).fill(1) });
    await assert.rejects(
      client.call('getOrganization', { organizationId }),
      refusedWith('answer-rolled-back', /history/),
    );
    state({ time: Date.now() - 10_000 });
    await assert.rejects(
      client.call('getOrganization', { organizationId }),
      refusedWith('answer-rolled-back', /older/),
    );
    state({});
    await client.call('getOrganization', { organizationId });
  });

  it('that rolls back is refused by a client that kept only its memory', async () => {
    const memory = processMemory();
    const { client } = setUp({ memory });
    await client.call('createWallet', create);
    await client.call('createWallet', create);
    const later = setUp({ memory });
    await assert.rejects(later.client.call('createWallet', create), refusedWith('answer-rolled-back'));
    await setUp().client.call('createWallet', create);
  });
});

describe('a signer that errs', () => {
  const restate = (deployment: ScriptedDeployment, change: (body: never) => unknown) => {
    deployment.host = (answer) => {
      const body = change(structuredClone(answer.body) as never) as Carried['body'];
      const { position } = AnswerSignature.decode(answer.signature!).statement;
      const identity = identityIn(answer.signature!);
      return {
        ...answer,
        body,
        signature: deployment.state('signer', { identity, status: 200, body, organization, position }),
      };
    };
  };

  it('is refused when the wallet is not the one of the request', async () => {
    const { client, deployment } = setUp();
    restate(deployment, (body: Record<string, unknown>) => ({ ...body, walletId }));
    await assert.rejects(client.call('createWallet', create), refusedWith('answer-unverified', /wallet/));
  });

  it('is refused when an address does not belong to its key', async () => {
    const { client, deployment } = setUp();
    restate(deployment, (body: { accounts: { address: string }[] }) => {
      body.accounts[1]!.address = '0x0000000000000000000000000000000000000001';
      return body;
    });
    await assert.rejects(client.call('createWallet', create), refusedWith('answer-unverified', /address/));
  });

  it('is refused when other accounts are answered than asked', async () => {
    const { client, deployment } = setUp();
    restate(deployment, (body: unknown[]) => body.toReversed());
    const accounts = [solanaPath, "m/44'/501'/1'/0'"];
    await assert.rejects(
      client.call('getAccounts', { organizationId, walletId, accounts }),
      refusedWith('answer-unverified', /asked/),
    );
  });

  it('is refused when the signature is over another message', async () => {
    const { client, deployment } = setUp();
    const { signature } = await client.call('signUtf8Message', { ...sign, message: 'goodbye' });
    restate(deployment, (body: Record<string, unknown>) => ({ ...body, signature }));
    await assert.rejects(client.call('signUtf8Message', sign), refusedWith('answer-unverified', /not over/));
  });
});

describe('sending again', () => {
  it('sends identical bytes after a lost answer, and gets the answer of the first decision', async () => {
    const { client, deployment, pauses } = setUp();
    let lost = 2;
    deployment.host = (answer) => (lost-- > 0 ? undefined : answer);
    await client.call('createWallet', create);
    assert.equal(deployment.received.length, 3);
    const [first, ...others] = deployment.received;
    for (const { body, headers } of others) {
      assert.ok(equalBytes(first!.body, body));
      assert.deepEqual([...headers], [...first!.headers]);
    }
    assert.equal(deployment.positions.get(organizationId), 1);
    assert.equal(pauses.length, 2);
  });

  it('waits as long as Retry-After says, at most four tries', async () => {
    const { client, deployment, pauses } = setUp();
    deployment.host = () => ({
      status: 503,
      body: JSON.parse(JSON.stringify(errorBody(new KmsError('overloaded'), ''))),
      signature: undefined,
      headers: { 'retry-after': '7' },
    });
    const error = await client.call('createWallet', create).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof AnsweredError);
    assert.deepEqual([error.code, error.stated], ['overloaded', false]);
    assert.equal(deployment.received.length, 4);
    assert.deepEqual(pauses, [7000, 7000, 7000]);
  });

  it('does not send again beyond the time of the stamp, nor after a refusal', async () => {
    const { client, deployment } = setUp();
    const refuse = (code: ErrorCode, retryAfter: string) => {
      const error = new KmsError(code);
      const body = JSON.parse(JSON.stringify(errorBody(error, '')));
      deployment.host = () => ({
        status: error.status,
        body,
        signature: undefined,
        headers: { 'retry-after': retryAfter },
      });
    };
    refuse('overloaded', '90');
    await assert.rejects(client.call('createWallet', create), refusedWith('overloaded'));
    refuse('policy-denied', '1');
    await assert.rejects(client.call('createWallet', create), refusedWith('policy-denied'));
    refuse('state-rolled-back', '1');
    await assert.rejects(client.call('createWallet', create), refusedWith('state-rolled-back'));
    assert.equal(deployment.received.length, 3);
  });

  it('says so when no answer comes', async () => {
    const { client, deployment } = setUp();
    deployment.host = () => undefined;
    const error = await client.call('createWallet', create).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof AnsweredError);
    assert.deepEqual([error.code, error.stated], ['unavailable', false]);
  });

  it('takes concurrent answers in any order', async () => {
    const { client, deployment } = setUp();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => client.callVerified('createWallet', create)),
    );
    assert.deepEqual(answers.map(({ position }) => position).sort(), [1, 2, 3, 4, 5]);
    await client.call('getOrganization', { organizationId });
    assert.match(deployment.received.at(-1)!.headers.get('keystead-seen')!, /;5;/);
  });
});
