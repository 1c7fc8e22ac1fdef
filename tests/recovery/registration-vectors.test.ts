import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { scalarToBytes } from '@keystead/crypto/ristretto255';
import { decryptSecret } from '@keystead/juicebox/encrypted-secret';
import { decodeRequest } from '@keystead/juicebox/messages';
import { blind, combineResults, evaluateBlinded, finalize, oprfPrivateKey } from '@keystead/juicebox/oprf';
import { combineScalars } from '@keystead/juicebox/secret-sharing';
import { isSignedFor } from '@keystead/juicebox/signed-public-key';
import { secretEncryptionKey, unlockKeyOf, unlockKeyTag } from '@keystead/juicebox/tags';
import { type RegistrationCase, registrationCase, registrationInputs } from './registration-case.ts';

const { cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/keystead/juicebox-registration.json'), 'utf8'),
) as { cases: RegistrationCase[] };

test('registrations with fixed randomness give the recorded requests, byte for byte', () => {
  assert.deepEqual(registrationInputs.map(registrationCase), cases);
});

test('each recorded registration is recovered from a threshold of its realms, and from no fewer', () => {
  assert.equal(cases.length, 3);
  for (const { requests, realms, recoverThreshold, secret, accessKey, encryptionKeySeed } of cases) {
    const registrations = requests.map((request, position) => {
      const decoded = decodeRequest(hexDecode(request));
      assert.ok(decoded.type === 'Register2');
      return { ...decoded.registration, index: position + 1, id: hexDecode(realms[position]!) };
    });
    // The last ones: any threshold will do.
    const chosen = registrations.slice(-recoverThreshold);
    const input = hexDecode(accessKey);
    const blinded = blind(input, 7n);
    const unlockOf = (some: typeof chosen) => {
      const results = some.map(({ index, oprfPrivateKey: key }) => ({
        index,
        result: evaluateBlinded(oprfPrivateKey(key), blinded.input),
      }));
      return unlockKeyOf(finalize(input, blinded.factor, combineResults(results)));
    };
    const unlock = unlockOf(chosen);
    for (const { id, oprfSignedPublicKey, unlockKeyCommitment, unlockKeyTag: tag } of registrations) {
      assert.ok(isSignedFor(id, oprfSignedPublicKey));
      assert.deepEqual(unlock.commitment, unlockKeyCommitment);
      assert.deepEqual(unlockKeyTag(unlock.key, id), tag);
    }
    const scalar = combineScalars(
      chosen.map(({ index, encryptionKeyScalarShare: share }) => ({ index, share })),
    );
    const key = secretEncryptionKey(hexDecode(encryptionKeySeed), scalarToBytes(scalar));
    assert.equal(hexEncode(decryptSecret(key, chosen[0]!.encryptedSecret)), secret);
    if (recoverThreshold > 1)
      assert.notDeepEqual(unlockOf(chosen.slice(1)).commitment, chosen[0]!.unlockKeyCommitment);
  }
});
