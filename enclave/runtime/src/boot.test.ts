import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concatBytes } from '@keystead/crypto/bytes';
import type { DeploymentKeys, Role, RoleKeys } from '@keystead/protocol/deployment';
import { BootError, createBoot } from './boot.ts';
import type { FromEnclave } from './control.ts';
import { ToEnclave } from './control.ts';
import { roles } from './genesis-record.ts';
import type { EnclaveContext } from './program.ts';

const unlockKey = (fill: number) => new Uint8Array(32).fill(fill);

/** One enclave before unlock, with what it answered and made. */
function enclave(role: Role) {
  const answers: FromEnclave[] = [];
  const contexts: EnclaveContext[] = [];
  const boot = createBoot({
    role,
    log: () => {},
    answer: (message) => answers.push(message),
    unlocked: (context) => {
      contexts.push(context);
      return {};
    },
  });
  return {
    answers,
    contexts,
    send: (message: ToEnclave) => boot.receive(ToEnclave.encode(message)),
    answered: <T extends FromEnclave['type']>(type: T) =>
      answers.find((message) => message.type === type) as Extract<FromEnclave, { type: T }>,
  };
}

function found() {
  const made = { policy: enclave('policy'), signer: enclave('signer'), certifier: enclave('certifier') };
  const keys = {} as Record<Role, RoleKeys>;
  for (const [index, role] of roles.entries()) {
    made[role].send({ type: 'generate', role, unlockKey: unlockKey(index) });
    keys[role] = made[role].answered('generated').keys;
  }
  const deployment: DeploymentKeys = keys;
  for (const role of roles) made[role].send({ type: 'pin', deployment });
  const recordOf = (role: Role) => made[role].answered('sealed').record;
  return { made, deployment, recordOf };
}

const measurement = new Uint8Array(48).fill(7);
const approved = { policy: measurement, signer: measurement, certifier: measurement };
const launcher = new Uint8Array(32);
const unlock = (role: Role, record: Uint8Array, key: Uint8Array, settings = '{}') =>
  ({
    type: 'unlock',
    role,
    unlockKey: key,
    record,
    settings,
    profile: 'development',
    measurement,
    approved,
    launcher,
    changes: [] as Uint8Array[],
  }) as const;

const refusal = (code: BootError['code']) => (error: unknown) =>
  error instanceof BootError && error.code === code;

describe('the boot of an enclave', () => {
  it('gives three roles one deployment, whose edges they share', async () => {
    const { recordOf, deployment } = found();
    const contexts = {} as Record<Role, EnclaveContext>;
    for (const [index, role] of roles.entries()) {
      const restarted = enclave(role);
      restarted.send(unlock(role, recordOf(role), unlockKey(index)));
      contexts[role] = restarted.contexts[0];
      assert.deepEqual(restarted.answered('ready').deployment, deployment);
      assert.deepEqual(contexts[role].measurement, measurement);
    }
    const bytes = new Uint8Array([1, 2, 3]);
    const sealed = contexts.policy.seal('policy-to-signer', 'make', bytes);
    assert.deepEqual(contexts.signer.open('policy-to-signer', 'make', sealed), bytes);
    const forged = { bytes: new Uint8Array([1, 2, 4]), mac: sealed.mac };
    const isForged = { code: 'frame-forged' };
    assert.throws(() => contexts.signer.open('policy-to-signer', 'make', forged), isForged);
    assert.throws(() => contexts.signer.open('policy-to-signer', 'made', sealed), isForged);
    assert.throws(() => contexts.signer.open('certifier-to-signer', 'make', sealed), isForged);
    assert.throws(() => contexts.certifier.open('policy-to-signer', 'make', sealed), TypeError);
    assert.throws(() => contexts.signer.seal('policy-to-signer', 'make', bytes), TypeError);
  });

  it('refuses a record under another key, of another role, or changed', () => {
    const { recordOf } = found();
    const refused = (record: Uint8Array, key: Uint8Array) => {
      const signer = enclave('signer');
      assert.throws(() => signer.send(unlock('signer', record, key)), refusal('record-refused'));
      assert.equal(signer.contexts.length, 0);
    };
    refused(recordOf('signer'), unlockKey(9));
    refused(recordOf('policy'), unlockKey(0));
    for (const at of [0, 12, 40, recordOf('signer').length - 1]) {
      const changed = recordOf('signer').slice();
      changed[at] ^= 1;
      refused(changed, unlockKey(1));
    }
    refused(concatBytes(recordOf('signer'), new Uint8Array(1)), unlockKey(1));
    refused(new Uint8Array(0), unlockKey(1));
  });

  it('refuses to pin a deployment in which its own key is another, or another has its own', () => {
    const { deployment } = found();
    const { deployment: other } = found();
    const signer = enclave('signer');
    signer.send({ type: 'generate', role: 'signer', unlockKey: unlockKey(1) });
    const own = signer.answered('generated').keys;
    assert.throws(() => signer.send({ type: 'pin', deployment }), refusal('pin-refused'));
    const second = enclave('signer');
    second.send({ type: 'generate', role: 'signer', unlockKey: unlockKey(1) });
    const keys = second.answered('generated').keys;
    assert.throws(
      () => second.send({ type: 'pin', deployment: { ...other, policy: keys, signer: keys } }),
      refusal('pin-refused'),
    );
    assert.notDeepEqual(own, keys);
  });

  it('refuses steps out of order and for another role', () => {
    const { recordOf, deployment } = found();
    const pinning = enclave('signer');
    assert.throws(() => pinning.send({ type: 'pin', deployment }), refusal('boot-order'));
    const other = enclave('signer');
    assert.throws(
      () => other.send({ type: 'generate', role: 'policy', unlockKey: unlockKey(0) }),
      refusal('boot-role'),
    );
    const twice = enclave('signer');
    twice.send(unlock('signer', recordOf('signer'), unlockKey(1)));
    assert.throws(
      () => twice.send(unlock('signer', recordOf('signer'), unlockKey(1))),
      refusal('boot-order'),
    );
    assert.throws(
      () => twice.send({ type: 'generate', role: 'signer', unlockKey: unlockKey(1) }),
      refusal('boot-order'),
    );
  });

  it('refuses settings that it does not know, and defaults those left out', () => {
    const { recordOf } = found();
    for (const settings of ['{"quota":1}', '[]', '{"organizationQuota":-1}', '{"operatorKeys":["x"]}', 'x']) {
      const signer = enclave('signer');
      const message = unlock('signer', recordOf('signer'), unlockKey(1), settings);
      assert.throws(() => signer.send(message), refusal('settings-refused'), settings);
    }
    const signer = enclave('signer');
    signer.send(unlock('signer', recordOf('signer'), unlockKey(1), '{"organizationQuota":3}'));
    assert.deepEqual(signer.contexts[0].settings, {
      organizationCreation: 'open',
      operatorKeys: [],
      organizationQuota: 3,
      authenticatorRate: 0,
      userRate: 0,
      organizationRate: 0,
      compatibilityImport: false,
      largestClockJump: 0,
      acceptedMark: 0,
      reanchorEpoch: 0,
    });
  });

  it('leaves no unlock key in the frame that carried it', () => {
    const frame = ToEnclave.encode({ type: 'generate', role: 'signer', unlockKey: unlockKey(7) });
    const boot = createBoot({
      role: 'signer',
      log: () => {},
      answer: () => {},
      unlocked: () => ({}),
    });
    boot.receive(frame);
    assert.deepEqual(frame, new Uint8Array(frame.length));
  });
});
