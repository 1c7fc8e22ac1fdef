/** Replacements under the same nonces in whatever order, by the owner of a wallet and by a guest, in one process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Transaction } from 'ethers';
import { randomFrom } from '../faults.ts';
import { HostileWorld, member } from '../attacks/hostile-world.ts';

const guest = new Uint8Array(32).fill(99);
const ethereum = { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' };
const GAS = 21_000n;
const MOST = 70n * GAS;
/** A group takes no more members (spec/policy.md §6.5): what comes then counts beside it. */
const mostMembers = 16;

const limit = (id: string, key: string) => ({
  id,
  meter: 'amount',
  per: [key, 'asset'],
  window: { kind: 'lifetime' },
  max: String(MOST),
});
const policy = {
  version: 1,
  rules: [{ id: 'all', effect: 'allow', on: ['sign-transaction'], when: { constant: true } }],
  limits: [limit('wallet', 'wallet'), limit('destination', 'destination')],
};

const largest = (amounts: readonly bigint[]): bigint =>
  amounts.reduce((most, amount) => (amount > most ? amount : most), 0n);

for (const seed of [1, 2])
  test(`L12: of what is signed no more can land than limits say, and no less is signed: over batches, checkpoints, starts and organizations (${seed})`, async () => {
    const random = randomFrom(seed);
    const world = new HostileWorld();
    const { organizationId, wallet } = await world.tenant();
    const { walletId } = wallet;
    await world.addMember(organizationId);
    const { organizationId: target } = await world.done<{ organizationId: string }>(
      world.founding(guest, 'Guest'),
    );
    const grant = {
      ownerOrganizationId: organizationId,
      targetOrganizationId: target,
      walletId,
      policy: { version: 'v0', scopes: ['owner'] },
    };
    await world.done(world.nativeCall('grantOrganizationAccess', grant));
    await world.done(world.call('updatePolicy', { organizationId, policyName: 'p', policy }));

    /** What was signed, by nonce. */
    const signed = new Map<number, bigint[]>();
    const canLand = () => [...signed.values()].reduce((sum, amounts) => sum + largest(amounts), 0n);
    const signs = async (nonce: number, value: bigint) => {
      const transaction = Transaction.from({
        type: 2,
        chainId: 1n,
        nonce,
        to: `0x${'22'.repeat(20)}`,
        value,
        gasLimit: GAS,
        maxFeePerGas: 1n,
        maxPriorityFeePerGas: 1n,
      });
      const [of, key] = random(2) === 0 ? ([target, guest] as const) : ([organizationId, member] as const);
      const params = {
        organizationId: of,
        walletId,
        transaction: Buffer.from(transaction.unsignedSerialized.slice(2), 'hex').toString('base64url'),
        derivationInfo: ethereum,
      };
      const { status, body } = await world.submit(world.call('signTransaction', params, key));
      if (status !== 200)
        assert.equal((body as { code: string }).code, 'spending-limit-exceeded', JSON.stringify(body));
      return status === 200;
    };

    const replaced = { signed: 0, refused: 0 };
    for (let round = 0; round < 100; round += 1) {
      const together = random(2) === 0 ? 1 : 2 + random(3);
      const asked = Array.from({ length: together }, (_, index) => ({
        // On both sides of the edge of a page.
        nonce: 50 + random(28),
        value: BigInt(1 + random(9)) * GAS + BigInt(round * together + index),
      }));
      const before = canLand();
      const answers = await Promise.all(asked.map(({ nonce, value }) => signs(nonce, value)));
      for (const [index, { nonce, value }] of asked.entries()) {
        const amount = value + GAS;
        const known = signed.get(nonce) ?? [];
        const adds = amount - largest(known);
        if (!answers[index]) replaced.refused += known.length > 0 ? 1 : 0;
        // What is decided together is decided in an order that nobody is told.
        const isFull = [...signed.values()].some(({ length }) => length >= mostMembers);
        if (together === 1 && !isFull) assert.equal(answers[index], adds <= 0n || before + adds <= MOST);
        if (!answers[index]) continue;
        replaced.signed += known.length > 0 ? 1 : 0;
        signed.set(nonce, [...known, amount]);
      }
      assert.ok(canLand() <= MOST, `${canLand()} can land`);
      if (random(8) === 0) world.restart();
    }
    assert.ok(replaced.signed > 10 && replaced.refused > 10, JSON.stringify(replaced));
    assert.ok(canLand() > MOST - 10n * GAS, 'the limits were reached');
  });
