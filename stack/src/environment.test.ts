import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { readEnvironment } from './environment.ts';
import { StackError } from './stack-error.ts';

const refuses = (name: string) => (error: unknown) =>
  error instanceof StackError && error.exitCode === 78 && error.message.includes(name);

describe('the environment of the stack', () => {
  it('needs nothing, and keeps the heads beside the home', () => {
    const options = readEnvironment({});
    assert.equal(options.home, resolve('.keystead'));
    assert.equal(options.heads, resolve('.keystead-heads'));
    assert.deepEqual([options.port, options.profile, options.unlock], [7400, 'development', undefined]);
    assert.equal(readEnvironment({ KEYSTEAD_HOME: '/data/kms/' }).heads, '/data/kms-heads');
    assert.equal(
      readEnvironment({ KEYSTEAD_HOME: '/data/kms', KEYSTEAD_HEADS: '/data/kms2' }).heads,
      '/data/kms2',
    );
  });

  it('takes every setting of the enclaves', () => {
    const { settings } = readEnvironment({
      KEYSTEAD_ORGANIZATION_CREATION: 'operators',
      KEYSTEAD_OPERATOR_KEYS: 'a, b',
      KEYSTEAD_ORGANIZATION_QUOTA: '3',
      KEYSTEAD_RATE_LIMITS: '10,20,30',
      KEYSTEAD_COMPATIBILITY_IMPORT: 'true',
      KEYSTEAD_LARGEST_CLOCK_JUMP: '48',
      KEYSTEAD_ACCEPT_CLOCK: '2026-11-28T09:00:00.000Z',
      KEYSTEAD_REANCHOR: '2',
    });
    assert.deepEqual(settings, {
      organizationCreation: 'operators',
      operatorKeys: ['a', 'b'],
      organizationQuota: 3,
      authenticatorRate: 10,
      userRate: 20,
      organizationRate: 30,
      compatibilityImport: true,
      largestClockJump: 48 * 3_600_000,
      acceptedMark: Date.UTC(2026, 10, 28, 9),
      reanchorEpoch: 2,
    });
  });

  it('isolates by all parts in production and by none in development, unless it is told', () => {
    const all = ['uid', 'namespaces', 'readonly', 'seccomp', 'permission'];
    const isolation = (variables: Record<string, string>) => readEnvironment(variables).isolation;
    assert.deepEqual(isolation({}), []);
    assert.deepEqual(isolation({ KEYSTEAD_PROFILE: 'production' }), all);
    assert.deepEqual(isolation({ KEYSTEAD_PROFILE: 'production', KEYSTEAD_ISOLATION: 'none' }), []);
    assert.deepEqual(isolation({ KEYSTEAD_ISOLATION: 'seccomp,uid' }), ['uid', 'seccomp']);
    assert.equal(readEnvironment({}).userIdBase, 63000);
  });

  it('refuses what it does not understand rather than starting without it', () => {
    for (const [name, value] of Object.entries({
      KEYSTEAD_PORT: '65536',
      KEYSTEAD_PROFILE: 'prod',
      KEYSTEAD_UNLOCK: 'file',
      KEYSTEAD_ORGANIZATION_CREATION: 'closed',
      KEYSTEAD_ORGANIZATION_QUOTA: '-1',
      KEYSTEAD_RATE_LIMITS: '10,20',
      KEYSTEAD_COMPATIBILITY_IMPORT: 'yes',
      KEYSTEAD_LARGEST_CLOCK_JUMP: 'a day',
      KEYSTEAD_ACCEPT_CLOCK: '2026-11-28',
      KEYSTEAD_REANCHOR: 'yes',
      KEYSTEAD_ISOLATION: 'uid,everything',
      KEYSTEAD_UID_BASE: '999',
      KEYSTEAD_DATABASE_URL: 'postgres://localhost/kms',
    }))
      assert.throws(() => readEnvironment({ [name]: value }), refuses(name), name);
  });

  it('refuses a heads directory inside the home, and a home inside the heads directory', () => {
    const both = refuses('KEYSTEAD_HEADS and KEYSTEAD_HOME');
    assert.throws(() => readEnvironment({ KEYSTEAD_HOME: '/data', KEYSTEAD_HEADS: '/data/heads' }), both);
    assert.throws(() => readEnvironment({ KEYSTEAD_HOME: '/data/home', KEYSTEAD_HEADS: '/data' }), both);
    assert.throws(() => readEnvironment({ KEYSTEAD_HOME: '/data', KEYSTEAD_HEADS: '/data' }), both);
  });
});
