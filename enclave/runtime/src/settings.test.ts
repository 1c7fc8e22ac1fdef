import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from './settings.ts';

test('lets nobody but operators create organizations in production unless the operator opens it', () => {
  assert.equal(parseSettings('{}', 'production').organizationCreation, 'operators');
  assert.equal(parseSettings('{}', 'development').organizationCreation, 'open');
  const opened = parseSettings('{"organizationCreation":"open"}', 'production');
  assert.equal(opened.organizationCreation, 'open');
  assert.equal(opened.organizationQuota, 10);
});

test('bounds the jump of the clock across a restart to a day in production, and accepts none beyond', () => {
  const { largestClockJump, acceptedMark } = parseSettings('{}', 'production');
  assert.deepEqual([largestClockJump, acceptedMark], [24 * 3_600_000, 0]);
  assert.equal(parseSettings('{}', 'development').largestClockJump, 0);
});

test('bounds how many requests one key, user and organization make in a minute in production', () => {
  const rates = (json: string, profile: 'development' | 'production') => {
    const { authenticatorRate, userRate, organizationRate } = parseSettings(json, profile);
    return [authenticatorRate, userRate, organizationRate];
  };
  assert.deepEqual(rates('{}', 'production'), [1200, 2400, 12_000]);
  assert.deepEqual(rates('{}', 'development'), [0, 0, 0]);
  assert.deepEqual(rates('{"userRate":5}', 'production'), [1200, 5, 12_000]);
  assert.throws(() => parseSettings('{"userRate":-1}', 'production'), /userRate/);
});

test('keeps import through the compatibility surface off unless it is turned on', () => {
  assert.equal(parseSettings('{}', 'development').compatibilityImport, false);
  assert.equal(parseSettings('{"compatibilityImport":true}', 'development').compatibilityImport, true);
});

test('takes operator keys of either algorithm and refuses text that is no key', () => {
  const ed25519 = 'A'.repeat(43);
  const p256 = 'B'.repeat(87);
  assert.deepEqual(
    parseSettings(JSON.stringify({ operatorKeys: [ed25519, p256] }), 'production').operatorKeys,
    [ed25519, p256],
  );
  for (const key of ['', 'A'.repeat(44), 'A'.repeat(42), `${'A'.repeat(42)}=`])
    assert.throws(() => parseSettings(JSON.stringify({ operatorKeys: [key] }), 'production'), /operatorKeys/);
});

test('refuses an unknown member and a member of the wrong type by name', () => {
  assert.throws(() => parseSettings('{"quota":1}', 'development'), /quota/);
  assert.throws(() => parseSettings('{"organizationQuota":-1}', 'development'), /organizationQuota/);
  assert.throws(() => parseSettings('{"largestClockJump":1.5}', 'development'), /largestClockJump/);
  assert.throws(() => parseSettings('{"acceptedMark":"0"}', 'development'), /acceptedMark/);
  assert.throws(() => parseSettings('{"compatibilityImport":"yes"}', 'development'), /compatibilityImport/);
});
