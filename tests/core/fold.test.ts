import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address } from '@keystead/chains/ethereum/address';
import { Fold } from '@keystead/cli/ledger/fold';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { sha256 } from '@keystead/crypto/sha256';
import { outcomeAllow, type Entry } from '@keystead/protocol/entry';
import { Transaction } from 'ethers';
import { PolicyBench } from '@keystead/enclave-policy/testing/policy-bench';

const publicKey = secp256k1.publicKey(sha256(utf8Encode('ethereum')));
const account = {
  curve: 'Secp256k1',
  derivationPath: "m/44'/60'/0'/0/0",
  addressFormat: 'Ethereum',
  address: address(publicKey, 'Ethereum'),
  publicKey: hexEncode(publicKey),
};

const rolling = { kind: 'rolling', seconds: 86_400 };
const limits = [
  { id: 'wallet', meter: 'amount', per: ['wallet', 'asset'], window: rolling, max: String(10n ** 24n) },
  {
    id: 'receiver',
    meter: 'amount',
    per: ['asset', 'destination'],
    window: rolling,
    max: String(10n ** 24n),
  },
  { id: 'rate', meter: 'count', per: ['user'], window: rolling, max: '1000' },
];

/** A wallet under three limits sends ether: every fifth transaction replaces the one before it. */
function chainUnderLimits(length: number): readonly Entry[] {
  const bench = new PolicyBench();
  const accounts = utf8Encode(canonicalize({ type: 'MNEMONIC', accounts: [account] }));
  bench.plays = { made: (made) => ({ ...made, accounts }) };
  const organizationId = bench.found();
  const walletId = bench.makeWallet(organizationId);
  const policy = { version: 1, rules: [{ id: 'all', effect: 'allow', when: { constant: true } }], limits };
  const set = bench.ask(bench.call('updatePolicy', { organizationId, policyName: 'limits', policy }));
  assert.equal(set.status, 200, JSON.stringify(set.body));
  for (let sent = 0; bench.chain(organizationId).length < length; sent += 1) {
    // Cold in the middle of an interval, with replaced transactions on both sides of it.
    if (sent % 90 === 89) bench.restart();
    const transaction = Transaction.from({
      type: 2,
      chainId: 1,
      nonce: sent - (sent % 5 === 4 ? 1 : 0),
      to: `0x${String(sent % 3).repeat(40)}`,
      value: BigInt(sent) * 10n ** 15n,
      gasLimit: 21_000n,
      maxFeePerGas: 1_000_000_000n,
      maxPriorityFeePerGas: 1n,
    });
    const { derivationPath, curve, addressFormat } = account;
    bench.ticketFor(
      bench.nativeCall('signTransaction', {
        organizationId,
        walletId,
        chain: 'ethereum',
        transaction: base64urlEncode(hexDecode(transaction.unsignedSerialized.slice(2))),
        derivationInfo: { derivationPath, curve, addressFormat },
      }),
    );
  }
  return bench.chain(organizationId);
}

/** Positions of checkpoints whose root is not that of the fold, up to the first. */
function wrongRoot(chain: readonly Entry[]): number | undefined {
  const fold = new Fold();
  for (const entry of chain) {
    fold.apply(entry);
    if (entry.stateRoot !== undefined && !equalBytes(fold.stateRoot(), entry.stateRoot))
      return entry.position;
  }
  return undefined;
}

test('what limits count follows from the entries alone, over replaced transactions, full segments and cold starts', () => {
  const chain = chainUnderLimits(320);
  const cells = new Set(chain.flatMap((entry) => entry.cells.map(({ key }) => key.split('/')[0])));
  assert.ok(cells.has('place') && cells.has('usage-credits'));
  assert.ok(chain.filter(({ reservations }) => reservations.length === 4).length > 2 * 128);
  assert.equal(wrongRoot(chain), undefined);
});

test('a reservation that is changed, missing or added gives another state at the next checkpoint', () => {
  const chain = chainUnderLimits(130);
  const at = 70;
  const { reservations, decision } = chain[at]!;
  assert.equal(decision.outcome, outcomeAllow);
  const [first, ...others] = reservations;
  const changes: readonly (typeof reservations)[] = [
    [{ ...first!, amount: String(BigInt(first!.amount) - 1n) }, ...others],
    [{ ...first!, counter: first!.counter.with(0, first!.counter[0]! ^ 1) }, ...others],
    others,
    [...reservations, first!],
  ];
  assert.equal(wrongRoot(chain), undefined);
  for (const changed of changes)
    assert.equal(wrongRoot(chain.with(at, { ...chain[at]!, reservations: changed })), 128);
});
