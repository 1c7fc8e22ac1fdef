/** Who gets a role's seed from the two that hold it, and with which certificate (spec/unlock.md §6, spec/certificate.md). */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { publicKey } from '@keystead/crypto/ed25519';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { publicKey as agreeKey } from '@keystead/crypto/x25519';
import { createBoot } from '@keystead/enclave-runtime/boot';
import { FromEnclave, ToEnclave } from '@keystead/enclave-runtime/control';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import { joinHalves } from '@keystead/enclave-runtime/seed-halves';
import {
  type CertificateBody,
  CertificateError,
  CertificateBody as CertificateBodyCodec,
  issueCertificate,
  verifyCertificate,
} from '@keystead/protocol/certificate';
import { type DeploymentKeys, deploymentIdOf, type Role, type RoleKeys } from '@keystead/protocol/deployment';

const bytes = (length: number) => new Uint8Array(randomBytes(length));
const NOW = 1_900_000_000_000;
const launcherSeed = new SecretBytes(bytes(32));
const launcher = publicKey(launcherSeed.expose());
const approved = {
  policy: new Uint8Array(48).fill(1),
  signer: new Uint8Array(48).fill(2),
  certifier: new Uint8Array(48).fill(3),
};

class Enclave {
  readonly role: Role;
  readonly answers: FromEnclave[] = [];
  context: EnclaveContext | undefined;
  readonly boot;

  constructor(role: Role) {
    this.role = role;
    this.boot = createBoot({
      role,
      clock: () => NOW,
      log: () => {},
      answer: (message) => this.answers.push(FromEnclave.decode(FromEnclave.encode(message))),
      unlocked: (context) => {
        this.context = context;
        return {};
      },
    });
  }

  /** The answer, or the code under which it is withheld. */
  ask<T extends FromEnclave['type']>(
    message: ToEnclave,
    _type: T,
  ): Extract<FromEnclave, { type: T }> & { withheld?: string } {
    this.boot.receive(ToEnclave.encode(message));
    const answer = this.answers.at(-1)!;
    return (answer.type === 'withheld' ? { withheld: answer.code } : answer) as never;
  }
}

const around = {
  settings: '{}',
  profile: 'development',
  approved,
  launcher,
  changes: [] as Uint8Array[],
} as const;
const unlockKey = () => new Uint8Array(32).fill(7);

/** Three open enclaves that hold one another's halves. */
function deployment(): Record<Role, Enclave> & { keys: DeploymentKeys; record(role: Role): Uint8Array } {
  const made = {
    policy: new Enclave('policy'),
    signer: new Enclave('signer'),
    certifier: new Enclave('certifier'),
  };
  const keys = {} as Record<Role, RoleKeys>;
  for (const role of roles)
    keys[role] = made[role].ask({ type: 'generate', role, unlockKey: unlockKey() }, 'generated').keys;
  const records = {} as Record<Role, Uint8Array>;
  for (const role of roles) {
    records[role] = made[role].ask({ type: 'pin', deployment: keys }, 'sealed').record;
    made[role].ask(
      {
        type: 'unlock',
        role,
        unlockKey: unlockKey(),
        record: records[role],
        measurement: approved[role],
        ...around,
      },
      'ready',
    );
  }
  for (const role of roles) distribute(made, role);
  return { ...made, keys, record: (role) => records[role] };
}

function distribute(enclaves: Record<Role, Enclave>, role: Role): void {
  for (const { holder, sealed } of enclaves[role].ask({ type: 'split' }, 'halves').halves)
    assert.equal(enclaves[holder].ask({ type: 'keep', role, sealed }, 'kept').type, 'kept');
}

type Changed = Partial<Omit<CertificateBody, 'version'>> & { readonly issuer?: SecretBytes };

/** Asks one holder for its halves of a role; `changed` is what differs from a good certificate. */
function asked(
  holder: Enclave,
  keys: DeploymentKeys,
  role: Role,
  subject: Uint8Array,
  changed: Changed = {},
) {
  const { issuer = launcherSeed, ...body } = changed;
  const { challenge } = holder.ask({ type: 'challenge' }, 'challenged');
  const certificate = issueCertificate(issuer, {
    use: 'handover',
    deployment: deploymentIdOf(keys),
    role,
    measurement: approved[role],
    subject,
    challenge,
    notBefore: NOW,
    notAfter: NOW + 60_000,
    ...body,
  });
  const answer = holder.ask({ type: 'release', role, certificate }, 'released');
  return { certificate, sealed: answer.sealed, withheld: answer.withheld };
}

/** A new process of a role that asks the other two; what it becomes, or what withheld it. */
function restart(from: ReturnType<typeof deployment>, role: Role, changed: Changed = {}) {
  const fresh = new Enclave(role);
  const { publicKey: subject } = fresh.ask({ type: 'setup', role }, 'setupKey');
  const released = roles
    .filter((other) => other !== role)
    .map((other) => asked(from[other], from.keys, role, subject, changed));
  const withheld = released.flatMap((one) => one.withheld ?? []);
  if (withheld.length > 0) return { withheld };
  fresh.ask({ type: 'resume', role, released, measurement: approved[role], ...around }, 'ready');
  return { fresh };
}

describe('a process in the place of one that ended', () => {
  test('gets its seed from the other two, whichever role it has, and holds for them again', () => {
    const running = deployment();
    for (const role of roles) {
      const seed = running[role].context!.seed.expose().slice();
      const { fresh } = restart(running, role);
      assert.deepEqual(fresh?.context?.seed.expose(), seed);
      assert.deepEqual(fresh?.context?.deployment, running.keys);
      running[role] = fresh!;
      for (const other of roles) distribute(running, other);
    }
  });

  test('P19 a modified bundle, flag or filter has another measurement, and gets nothing from either holder', () => {
    const running = deployment();
    for (const role of roles) {
      const measurement = approved[role].with(47, 9);
      assert.deepEqual(restart(running, role, { measurement }), {
        withheld: ['certificate-measurement', 'certificate-measurement'],
      });
      assert.ok(restart(running, role).fresh !== undefined, 'the control: the approved one');
    }
  });

  test('P19 a modified bundle gets no certificate of the certifier', () => {
    const { certifier, keys } = deployment();
    for (const role of roles) {
      const certify = (measurement: Uint8Array) =>
        certifier.ask({ type: 'certify', role, measurement }, 'certified');
      assert.equal(certify(approved[role].with(0, 9)).withheld, 'measurement');
      const { certificate } = certify(approved[role]);
      const expected = {
        issuer: keys.certifier.sign,
        use: 'running',
        deployment: deploymentIdOf(keys),
        role,
        measurement: approved[role],
        challenge: new Uint8Array(32),
        now: NOW,
      } as const;
      assert.equal(verifyCertificate(certificate, expected).role, role);
    }
    assert.equal(
      new Set(
        roles.map(
          (role) =>
            deployment().policy.ask({ type: 'certify', role, measurement: approved[role] }, 'certified')
              .withheld,
        ),
      ).size,
      1,
      'nobody but the certifier certifies',
    );
  });

  test('G4 an older build that ran once is not the one that is approved now, and gets nothing', () => {
    const older = deployment();
    const running = deployment();
    // The whole of another deployment's good certificate, with the older measurement, from the same launcher.
    const measurement = approved.policy;
    assert.deepEqual(restart(running, 'signer', { measurement }).withheld, [
      'certificate-measurement',
      'certificate-measurement',
    ]);
    assert.deepEqual(restart(running, 'signer', { deployment: deploymentIdOf(older.keys) }).withheld, [
      'certificate-deployment',
      'certificate-deployment',
    ]);
    assert.ok(restart(running, 'signer').fresh !== undefined);
  });

  test('G1 an impersonated enclave, whose certificate somebody else signed, gets nothing', () => {
    const running = deployment();
    const own = new SecretBytes(bytes(32));
    assert.deepEqual(restart(running, 'signer', { issuer: own }).withheld, [
      'certificate-signature',
      'certificate-signature',
    ]);
    // The certifier's own key is not the launcher's.
    assert.deepEqual(restart(running, 'signer', { issuer: running.certifier.context!.signSeed }).withheld, [
      'certificate-signature',
      'certificate-signature',
    ]);
    assert.ok(restart(running, 'signer').fresh !== undefined);
  });

  test('G7 a certificate that was shown before is not taken again: every challenge counts once', () => {
    const running = deployment();
    const subject = agreeKey(bytes(32));
    const first = asked(running.policy, running.keys, 'signer', subject);
    assert.equal(first.withheld, undefined);
    const again = () =>
      running.policy.ask({ type: 'release', role: 'signer', certificate: first.certificate }, 'released');
    assert.equal(again().withheld, 'challenge-none');
    running.policy.ask({ type: 'challenge' }, 'challenged');
    assert.equal(again().withheld, 'certificate-challenge');
    // A refusal uses the challenge up as well.
    assert.equal(again().withheld, 'challenge-none');
    assert.equal(asked(running.policy, running.keys, 'signer', subject).withheld, undefined);
  });

  test('one holder alone tells nothing about a seed, and two halves of different splittings neither', () => {
    const running = deployment();
    const key = new SecretBytes(bytes(32));
    const subject = agreeKey(key.expose());
    const ask = (holder: Enclave) => asked(holder, running.keys, 'signer', subject);
    const [policy, certifier] = [ask(running.policy), ask(running.certifier)];
    assert.throws(() => joinHalves('signer', key, [policy]), TypeError);
    assert.throws(() => joinHalves('signer', key, [policy, policy]), TypeError);
    assert.throws(() => joinHalves('policy', key, [policy, certifier]), TypeError);
    assert.throws(() => joinHalves('signer', new SecretBytes(bytes(32)), [policy, certifier]));
    assert.deepEqual(
      joinHalves('signer', key, [policy, certifier]).seed.expose(),
      running.signer.context!.seed.expose(),
    );
    // A crash between the two deliveries of a splitting: the one before is still whole.
    const { halves } = running.signer.ask({ type: 'split' }, 'halves');
    const toPolicy = halves.find(({ holder }) => holder === 'policy')!;
    running.policy.ask({ type: 'keep', role: 'signer', sealed: toPolicy.sealed }, 'kept');
    assert.deepEqual(
      joinHalves('signer', key, [ask(running.policy), ask(running.certifier)]).seed.expose(),
      running.signer.context!.seed.expose(),
    );
  });

  test('a half that another role sealed, or of another deployment, is not kept', () => {
    const running = deployment();
    const other = deployment();
    const halfOf = (from: Enclave, holder: Role) =>
      from.ask({ type: 'split' }, 'halves').halves.find((half) => half.holder === holder)!.sealed;
    const keep = (role: Role, sealed: Uint8Array) =>
      running.policy.ask({ type: 'keep', role, sealed }, 'kept').withheld;
    assert.equal(keep('certifier', halfOf(running.signer, 'policy')), 'half-forged');
    assert.equal(keep('signer', halfOf(running.signer, 'certifier')), 'half-forged');
    assert.equal(keep('signer', halfOf(other.signer, 'policy')), 'half-forged');
    assert.equal(keep('policy', halfOf(running.signer, 'policy')), 'half-own');
    assert.equal(keep('signer', halfOf(running.signer, 'policy')), undefined);
  });

  test('the secret that opens one role opens and derives no other role’s seed', () => {
    const running = deployment();
    const [policy, signer] = [running.policy.context!, running.signer.context!];
    assert.notDeepEqual(policy.seed.expose(), signer.seed.expose());
    const stranger = new Enclave('policy');
    assert.throws(
      () =>
        stranger.ask(
          {
            type: 'unlock',
            role: 'policy',
            unlockKey: unlockKey(),
            record: running.record('signer'),
            measurement: approved.policy,
            ...around,
          },
          'ready',
        ),
      { code: 'record-refused' },
    );
  });
});

describe('certificates', () => {
  const body = {
    use: 'handover',
    deployment: new Uint8Array(32).fill(4),
    role: 'signer',
    measurement: approved.signer,
    subject: new Uint8Array(32).fill(5),
    challenge: new Uint8Array(32).fill(6),
    notBefore: NOW,
    notAfter: NOW + 60_000,
  } as const;
  const expected = {
    issuer: launcher,
    use: 'handover',
    deployment: body.deployment,
    role: 'signer',
    measurement: body.measurement,
    challenge: body.challenge,
    now: NOW + 1,
  } as const;

  test('G3 each of 31 certificates with one thing wrong is refused, and the good one is not', () => {
    const good = issueCertificate(launcherSeed, body);
    assert.deepEqual(verifyCertificate(good, expected).subject, body.subject);
    const signed = (changed: Partial<Omit<CertificateBody, 'version'>>) =>
      issueCertificate(launcherSeed, { ...body, ...changed });
    const encoded = CertificateBodyCodec.encode({ version: 1, ...body });
    const signature = good.subarray(encoded.length);
    const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
    const cases: readonly (readonly [string, Uint8Array])[] = [
      ['use', signed({ use: 'running' })],
      ['deployment', signed({ deployment: new Uint8Array(32) })],
      ['role', signed({ role: 'policy' })],
      ['role', signed({ role: 'certifier' })],
      ['measurement', signed({ measurement: new Uint8Array(48) })],
      ['measurement', signed({ measurement: approved.policy })],
      ['challenge', signed({ challenge: new Uint8Array(32) })],
      ['validity', signed({ notBefore: NOW + 2 })],
      ['validity', signed({ notAfter: NOW + 1 })],
      ['validity', signed({ notAfter: NOW + 60_001 })],
      ['validity', signed({ notBefore: NOW + 60_000, notAfter: NOW })],
      ['validity', signed({ notBefore: 0 })],
      ['signature', issueCertificate(new SecretBytes(bytes(32)), body)],
      ['signature', concat(encoded, new Uint8Array(64))],
      ['signature', concat(encoded, signature.slice().reverse())],
      ['malformed', new Uint8Array(0)],
      ['malformed', good.subarray(1)],
      ['malformed', concat(good, new Uint8Array(1))],
      ['malformed', concat(encoded, signature.subarray(1))],
      ['malformed', concat(encoded, new Uint8Array(1), signature)],
      ['malformed', good.with(0, 2)],
      ['malformed', good.with(0, 0)],
      ['malformed', good.with(1, 3)],
      ['malformed', good.with(34, 9)],
      // Every field under a signature that was made over another one.
      ...[2, 40, 90, 130, 150, 160, good.length - 1].map(
        (at) => ['signature', good.with(at, good[at]! ^ 1)] as const,
      ),
    ];
    assert.equal(cases.length, 31);
    for (const [index, [code, certificate]] of cases.entries())
      assert.throws(
        () => verifyCertificate(certificate, expected),
        (error) => error instanceof CertificateError && error.code === code,
        `case ${index}: ${code}`,
      );
  });
});
