import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallDescription } from '@keystead/chains/call-description';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { literal, oneOf } from '@keystead/protocol/schema';
import { describedText } from '../../testing/described.ts';
import { callDescription } from './call-document.ts';
import { bounds } from './document.ts';
import { formatPolicy } from './format.ts';
import { parsePolicy } from './parse-text.ts';
import { policyDocument } from './read-document.ts';

const swap = {
  chain: 'ethereum',
  name: 'router.swap',
  network: 'eip155:1',
  contract: '0x52908400098527886E0F7030069857D2E4169EE7',
  signature: 'swap(address to,uint256 amount)',
};
const deposit = {
  chain: 'solana',
  name: 'pool.deposit',
  program: 'Stake11111111111111111111111111111111111111',
  discriminator: 'f223',
  arguments: [{ name: 'amount', type: 'u64' }],
  accounts: ['user'],
};
const rules = [{ id: 'r', effect: 'allow', when: { constant: true } }];
const read = (more: object) => policyDocument.parse({ version: 1, rules, ...more }, 'policy');
const refuses = (more: object, field: string) =>
  assert.throws(() => read(more), { code: 'parameter-invalid', field }, JSON.stringify(more).slice(0, 200));

describe('calls that a policy describes', () => {
  it('are the same in text and in JSON', () => {
    const document = parsePolicy(describedText);
    assert.equal(formatPolicy(document), describedText);
    assert.deepEqual(policyDocument.parse(JSON.parse(JSON.stringify(document)), 'policy'), document);
    assert.deepEqual(
      document.calls!.map(({ name }) => name),
      ['router.swap', 'router.swap.v2', 'pool.deposit', 'pool.close'],
    );
    assert.deepEqual((document.calls![2] as Extract<CallDescription, { chain: 'solana' }>).arguments, [
      { name: 'amount', type: 'u64' },
      { name: 'path', type: { vec: { option: 'publicKey' } } },
      { name: 'tag', type: { array: ['u8', 4] } },
    ]);
  });

  it('stand once for each name and each call, whatever their order and spelling', () => {
    read({ calls: [swap, { ...swap, name: 'other', network: 'eip155:10' }, deposit] });
    refuses({ calls: [swap, { ...deposit, name: 'router.swap' }] }, 'policy.calls[1].name');
    const spelled = { ...swap, name: 'b', contract: swap.contract.toLowerCase() };
    refuses({ calls: [swap, { ...spelled, signature: 'swap(address a,uint256 b)' }] }, 'policy.calls[1]');
    read({ calls: [swap, { ...spelled, signature: 'swap(address a,uint128 b)' }] });
    // One discriminator that begins another would leave open which of them is meant.
    for (const discriminator of ['f2', 'f22368', 'f223'])
      refuses({ calls: [deposit, { ...deposit, name: 'b', discriminator }] }, 'policy.calls[1]');
    read({ calls: [deposit, { ...deposit, name: 'b', discriminator: 'f224' }] });
  });

  it('are bounded, and what is wrong is named', () => {
    refuses({ calls: [] }, 'policy.calls');
    refuses({ calls: [{ ...swap, contract: '0x12' }] }, 'policy.calls[0].contract');
    refuses({ calls: [{ ...swap, signature: 'swap(address)' }] }, 'policy.calls[0].signature');
    refuses(
      { calls: [{ ...deposit, arguments: [{ name: 'a', type: 'u9' }] }] },
      'policy.calls[0].arguments[0].type',
    );
    refuses({ calls: [{ ...deposit, extra: 1 }] }, 'policy.calls[0].extra');
    refuses({ calls: [7] }, 'policy.calls[0]');
    assert.throws(() => callDescription.parse(null, 'c'), { code: 'parameter-invalid', field: 'c' });
    const many = (count: number, letters: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...swap,
        name: `n${index}`,
        signature: `${'f'.repeat(letters)}${index}(address to)`,
      }));
    read({ calls: many(64, 100) });
    refuses({ calls: many(65, 10) }, 'policy.calls');
    refuses({ calls: many(64, 900) }, 'policy.calls');
    assert.equal(bounds.callsLength, 32_768);
  });

  it('are refused in words that name what is wrong', () => {
    const said = (calls: readonly object[]): string => {
      try {
        read({ calls });
      } catch (error) {
        return (error as Error).message;
      }
      return assert.fail('it was accepted');
    };
    assert.match(said([swap, { ...deposit, name: 'router.swap' }]), /router\.swap is there twice/);
    assert.match(said([swap, { ...swap, name: 'b' }]), /describes a call that another description is about/);
    const long = (letters: number) =>
      Array.from({ length: 40 }, (_, index) => ({
        ...swap,
        name: `n${String(index).padStart(2, '0')}`,
        signature: `${'f'.repeat(letters)}${String(index).padStart(2, '0')}(address to)`,
      }));
    assert.match(said(long(900)), /is longer than 32768 characters/);
    // Exactly as long is not longer.
    let letters = 1;
    while (canonicalize(long(letters + 1)).length <= bounds.callsLength) letters += 1;
    const [first, ...others] = long(letters);
    const room = bounds.callsLength - canonicalize([first!, ...others]).length;
    const exact = { ...first!, signature: `${'f'.repeat(room)}${first!.signature}` };
    assert.equal(canonicalize([exact, ...others]).length, bounds.callsLength);
    read({ calls: [exact, ...others] });
    assert.match(said([{ ...exact, signature: `f${exact.signature}` }, ...others]), /is longer/);
  });

  it('have a schema that asks for all members but one', () => {
    const { oneOf: forms } = callDescription.toJSONSchema() as { oneOf: { required: string[] }[] };
    assert.deepEqual(
      forms.map(({ required }) => required),
      [
        ['chain', 'name', 'network', 'contract', 'signature'],
        ['chain', 'name', 'program', 'discriminator', 'arguments', 'accounts'],
      ],
    );
    assert.deepEqual(oneOf(literal('none'), callDescription).parse(swap, 'c'), swap);
  });

  it('errors of other code are not hidden', () => {
    const hostile = Object.defineProperty({}, 'chain', {
      get: () => {
        throw new RangeError('mine');
      },
    });
    assert.throws(() => callDescription.parse(hostile, 'c'), RangeError);
  });

  for (const [what, text] of [
    ['a chain without descriptions', 'call "a" sui "x" "y";'],
    ['arguments without a type', 'call "a" solana "p" "00" (amount) accounts [];'],
    ['types without an end', `call "a" solana "p" "00" (a: ${'vec('.repeat(40)}u8) accounts [];`],
    ['owners twice', 'owners ["a"]; owners ["a"];'],
    ['no accounts', 'call "a" solana "p" "00" (a: u8);'],
  ] as const)
    it(`refuse ${what}`, () => {
      assert.throws(() => parsePolicy(`policy 1;\n${text}`), { code: 'parameter-invalid', field: /^line 2/ });
    });
});

describe('owners that a policy names', () => {
  const owner = '3Cy3YNTFywCmxoxt8n7UH6hg6dLo5uACowX3CFceaSnx';
  it('are addresses, each there once, at most 32', () => {
    assert.deepEqual(read({ owners: [owner] }).owners, [owner]);
    refuses({ owners: [] }, 'policy.owners');
    refuses({ owners: [owner, owner] }, 'policy.owners');
    refuses({ owners: [`${owner}1`] }, 'policy.owners[0]');
    refuses({ owners: Array.from({ length: 33 }, () => owner) }, 'policy.owners');
  });
});
