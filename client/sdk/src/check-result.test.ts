import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { approvalSubject } from '@keystead/protocol/approval';
import { parseUuid } from '@keystead/protocol/ids';
import { parseRequest } from '@keystead/protocol/request';
import { checkResult } from './check-result.ts';

const organizationId = '1e7d9a3c-0b1d-8c2e-8f3a-5a6b7c8d9e0f';
const organization = parseUuid(organizationId)!;
const bodyOf = (value: unknown) => utf8Encode(JSON.stringify(value));

test('a subject that does not belong to the request shown for it is refused, even when an enclave states it', () => {
  const asked = parseRequest('native', 'rpc', bodyOf({ method: 'getApprovals', params: { organizationId } }));
  const shown = { method: 'unfreeze', params: { organizationId } };
  const requester = { username: 'ann', authenticatorId: organizationId };
  const subject = base64urlEncode(approvalSubject(organization, requester, bodyOf(shown)));
  const by = { requestedBy: 'ann', requestedByAuthenticator: organizationId };
  const check = (approval: object) =>
    checkResult(asked, { approvals: [approval] } as never, { organization, identity: new Uint8Array(32) });
  check({ ...shown, ...by, subject });
  assert.throws(() => check({ ...shown, ...by, requestedBy: 'ben', subject }), { code: 'answer-unverified' });
  assert.throws(() => check({ ...shown, ...by, requestedByAuthenticator: 'other', subject }), {
    code: 'answer-unverified',
  });
  assert.throws(() => check({ ...shown, subject }), { code: 'answer-unverified' });
  assert.throws(() => check({ ...shown, ...by, method: 'freeze', subject }), { code: 'answer-unverified' });
  assert.throws(() => check({ ...shown, ...by, params: { organizationId, walletId: 'w' }, subject }), {
    code: 'answer-unverified',
  });
  assert.throws(() => check({ ...shown, ...by, subject: undefined }), { code: 'answer-unverified' });
});
