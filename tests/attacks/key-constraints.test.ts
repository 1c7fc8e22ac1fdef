/** G6: the signer's own backstop, with every key of the policy engine in the attacker's hand (spec/signer.md §5.1). */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { KeyConstraints, signatureBreaks, unconstrained } from '@keystead/protocol/key-constraints';
import type { RawRequest } from '@keystead/protocol/frames';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { Vault } from '@keystead/enclave-signer/vault';
import { sealedRowHash, wrappingBytes } from '@keystead/protocol/sealed-row';
import { Transaction } from 'ethers';
import * as transport from '../methods/hpke-secrets.ts';
import { errorOf, HostileWorld, idBytes, signingParams, type Tenant, type Wallet } from './hostile-world.ts';
import { sealedRows, useWithPolicyKeys } from './stolen-keys.ts';

const ETHER = 'eip155:1/slip44:60';
const ethereum = { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' };

/** A tenant whose wallet was made with constraints, through the native surface. */
async function bounded(world: HostileWorld, constraints?: object): Promise<Tenant> {
  const tenant = await world.tenant();
  const { organizationId } = tenant;
  const params = { organizationId, walletName: 'W', ...(constraints === undefined ? {} : { constraints }) };
  return { organizationId, wallet: await world.done<Wallet>(world.nativeCall('createWallet', params)) };
}

let messages = 0;

const call = (world: HostileWorld, { organizationId, wallet }: Tenant, method: string, params: object) =>
  world.nativeCall(method, { organizationId, walletId: wallet.walletId, ...params });

const solanaMessage = (world: HostileWorld, tenant: Tenant) =>
  world.nativeCall(
    'signUtf8Message',
    signingParams(tenant.organizationId, tenant.wallet.walletId, `message ${messages++}`),
  );

const ethereumMessage = (world: HostileWorld, tenant: Tenant) =>
  call(world, tenant, 'ethereumSignMessage', {
    message: Buffer.from(`message ${messages++}`).toString('base64url'),
    derivationInfo: ethereum,
  });

function transfer(world: HostileWorld, tenant: Tenant, value: bigint, chainId = 1): RawRequest {
  const unsigned = Transaction.from({
    type: 2,
    chainId,
    nonce: messages++,
    to: '0x000000000000000000000000000000000000bEEF',
    value,
    gasLimit: 21_000n,
    maxFeePerGas: 10n,
    maxPriorityFeePerGas: 1n,
  }).unsignedSerialized;
  return call(world, tenant, 'signTransaction', {
    chain: 'ethereum',
    transaction: Buffer.from(unsigned.slice(2), 'hex').toString('base64url'),
    derivationInfo: ethereum,
  });
}

async function exporting(world: HostileWorld, tenant: Tenant): Promise<RawRequest> {
  const { publicKey } = await transport.recipientKeys();
  return call(world, tenant, 'exportWallet', { publicKey: Buffer.from(publicKey).toString('base64url') });
}

/** The sealed row of a wallet, which names it after its version. */
function rowOf(world: HostileWorld, { wallet }: Tenant): { hash: Uint8Array; sealed: Uint8Array } {
  const id = Buffer.from(idBytes(wallet.walletId));
  return sealedRows(world).find(({ sealed }) =>
    id.equals(sealed.subarray(wrappingBytes + 1, wrappingBytes + 17)),
  )!;
}

const withStolenKeys = (world: HostileWorld, tenant: Tenant, raw: RawRequest) =>
  useWithPolicyKeys(world, tenant, raw, { secret: rowOf(world, tenant).hash });

/** The signer refuses for the constraint, when the policy engine decided honestly and when its keys are stolen. */
async function heldTo(world: HostileWorld, tenant: Tenant, attack: () => RawRequest | Promise<RawRequest>) {
  const honest = await world.submit(await attack());
  assert.deepEqual(
    [honest.status, errorOf(honest).code],
    [403, 'key-constraint'],
    JSON.stringify(honest.body),
  );
  const used = await withStolenKeys(world, tenant, await attack());
  assert.deepEqual([used.refused, used.status, used.check], [undefined, 403, 'constraint']);
}

describe('a fallen policy engine and the constraints that are sealed with a wallet', () => {
  it('G6 cannot have a key used on another network, for another kind of signature, above its cap, or exported', async () => {
    const world = new HostileWorld();
    type Use = (tenant: Tenant) => RawRequest | Promise<RawRequest>;
    const cases: readonly (readonly [object, allowed: Use, attack: Use])[] = [
      [
        { networks: ['solana', 'eip155:1'] },
        (tenant) => transfer(world, tenant, 1n, 1),
        (tenant) => transfer(world, tenant, 1n, 10),
      ],
      [
        { networks: ['solana'] },
        (tenant) => solanaMessage(world, tenant),
        (tenant) => ethereumMessage(world, tenant),
      ],
      [
        { signs: 'MESSAGES' },
        (tenant) => ethereumMessage(world, tenant),
        (tenant) => transfer(world, tenant, 0n),
      ],
      [
        { signs: 'TRANSACTIONS' },
        (tenant) => transfer(world, tenant, 1n),
        (tenant) => solanaMessage(world, tenant),
      ],
      // The fee counts: 21,000 gas at 10.
      [
        { caps: [{ asset: ETHER, amount: '1000000' }] },
        (tenant) => transfer(world, tenant, 790_000n),
        (tenant) => transfer(world, tenant, 790_001n),
      ],
      [{ export: false }, (tenant) => solanaMessage(world, tenant), (tenant) => exporting(world, tenant)],
    ];
    for (const [constraints, allowed, attack] of cases) {
      const tenant = await bounded(world, constraints);
      const { status, body } = await world.submit(await allowed(tenant));
      assert.equal(status, 200, JSON.stringify(body));
      await heldTo(world, tenant, () => attack(tenant));
    }
    // The control: with a key without constraints the same attacks succeed.
    for (const [, , attack] of cases) {
      const free = await bounded(world);
      assert.equal((await withStolenKeys(world, free, await attack(free))).status, 200);
    }
  });

  it('G6 cannot take the constraints off a row: it opens with those that it was sealed with and with no others', async () => {
    const world = new HostileWorld();
    const tenant = await bounded(world, { signs: 'TRANSACTIONS' });
    const { sealed } = rowOf(world, tenant);
    const from = KeyConstraints.encode({ ...unconstrained, signs: 'TRANSACTIONS' });
    const to = KeyConstraints.encode(unconstrained);
    // The wrapping, version, wallet id and kind stand before them.
    const at = wrappingBytes + 18;
    assert.deepEqual(sealed.slice(at, at + from.length), from);
    const lifted = Uint8Array.from([...sealed.slice(0, at), ...to, ...sealed.slice(at + from.length)]);
    // Even where a wallet leaf named the altered row: it opens for nobody.
    const vault = new Vault(world.contexts.signer.walletKeys, systemRandom);
    const walletId = idBytes(tenant.wallet.walletId);
    assert.equal(vault.open(walletId, lifted), undefined);
    assert.notEqual(vault.open(walletId, sealed), undefined);
    const raw = solanaMessage(world, tenant);
    const attack = await useWithPolicyKeys(world, tenant, raw, {
      secret: sealedRowHash(lifted),
      secrets: [{ hash: sealedRowHash(lifted), sealed: lifted }],
    });
    assert.equal(attack.check, 'row');
    // The control: the row as it was opens, and then its constraints hold.
    world.now += 31_000;
    const honest = await withStolenKeys(world, tenant, solanaMessage(world, tenant));
    assert.equal(honest.check, 'constraint');
  });
});

describe('constraints', () => {
  const request = { method: 'signTransaction' } as never;
  const account = { addressFormat: 'Ethereum' } as const;
  const effects = (changed: Partial<Effects> = {}): Effects => ({
    chain: 'ethereum',
    network: 'eip155:1',
    version: 'eip1559',
    signers: [],
    feePayer: null,
    maxFee: { asset: ETHER, amount: 10n },
    outflows: [{ asset: ETHER, amount: 80n, from: 'a', to: 'b', kind: 'transfer' }],
    grants: [],
    takeovers: [],
    validity: { uniqueness: 'nonce', key: '0', notBefore: null, notAfter: null },
    unresolved: [],
    calls: [],
    ...changed,
  });
  const capped = { ...unconstrained, caps: [{ asset: ETHER, amount: '100' }] };
  const breaks = (changed: Partial<Effects>, constraints: KeyConstraints = capped) =>
    signatureBreaks(constraints, request, account, effects(changed));

  it('caps add outflows, grants and the fee of an asset, and know no other asset', () => {
    const outflow = (amount: bigint | 'unbounded', asset = ETHER) =>
      ({ asset, amount, from: 'a', to: 'b', kind: 'transfer' }) as const;
    const grant = (amount: bigint | 'unbounded', asset = ETHER) =>
      ({ kind: 'allowance', spender: 's', asset, amount, expires: null }) as const;
    assert.equal(breaks({}), undefined);
    assert.equal(breaks({ outflows: [outflow(90n)] }), undefined);
    assert.match(breaks({ outflows: [outflow(91n)] })!, /101 of .* capped at 100/);
    assert.match(breaks({ outflows: [outflow(45n), outflow(46n)] })!, /101 of/);
    assert.match(breaks({ grants: [grant(11n)] })!, /101 of/);
    assert.equal(breaks({ grants: [grant(10n)] }), undefined);
    assert.match(breaks({ outflows: [outflow('unbounded')] })!, /without bound/);
    assert.match(breaks({ grants: [grant('unbounded')] })!, /without bound/);
    assert.match(breaks({ outflows: [outflow(1n, 'eip155:1/erc20:0x1')] })!, /no cap for/);
    assert.match(breaks({ grants: [grant(1n, 'eip155:1/erc20:0x1')] })!, /no cap for/);
    assert.equal(breaks({ grants: [grant(0n, 'eip155:1/erc20:0x1')] }), undefined);
    assert.match(breaks({ maxFee: null })!, /fee is not bounded/);
    assert.match(breaks({ unresolved: [{ kind: 'call', field: 'data', detail: '' }] })!, /not known/);
    assert.match(breaks({ takeovers: [{ kind: 'owner', account: 'a', by: null }] })!, /given away/);
  });

  it('a transaction that names no network is of none that is allowed', () => {
    const networks = { ...unconstrained, networks: ['eip155:1', 'eip155:10'] };
    assert.equal(breaks({}, networks), undefined);
    assert.match(breaks({ network: 'eip155:8453' }, networks)!, /not for eip155:8453/);
    assert.match(breaks({ network: null }, networks)!, /names no network/);
    assert.equal(breaks({ network: null }, { ...unconstrained, networks: ['eip155'] }), undefined);
    assert.match(breaks({}, { ...unconstrained, networks: ['sui'] })!, /not for eip155/);
  });

  it('a wallet is told with its constraints, and wrong ones are refused by their member', async () => {
    const world = new HostileWorld();
    const constraints = {
      networks: ['eip155:1'],
      signs: 'TRANSACTIONS',
      caps: [{ asset: ETHER, amount: '5' }],
      export: false,
    };
    const tenant = await bounded(world, constraints);
    assert.deepEqual((tenant.wallet as { constraints?: unknown }).constraints, constraints);
    assert.equal('constraints' in (await bounded(world)).wallet, false);
    const { organizationId } = tenant;
    for (const [field, wrong] of [
      ['networks', { networks: [] }],
      ['networks[0]', { networks: ['eip155:0'] }],
      ['networks', { networks: ['sui', 'sui'] }],
      ['caps[0].amount', { caps: [{ asset: ETHER, amount: '01' }] }],
      ['caps', { caps: [0, 0].map(() => ({ asset: ETHER, amount: '1' })) }],
      ['signs', { signs: 'NOTHING' }],
      ['more', { more: 1 }],
    ] as const) {
      const params = { organizationId, walletName: 'W', constraints: wrong };
      const refused = errorOf(await world.submit(world.nativeCall('createWallet', params)));
      assert.equal((refused as { field?: string }).field, `params.constraints.${field}`);
    }
    // Published clients do not know the member.
    const params = { organizationId, walletName: 'W', constraints };
    assert.equal((await world.submit(world.call('createWallet', params))).status, 400);
  });
});
