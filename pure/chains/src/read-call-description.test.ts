import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChainError } from './error.ts';
import { readCallDescription } from './read-call-description.ts';

const contract = {
  chain: 'ethereum',
  name: 'router.swap',
  network: 'eip155:1',
  contract: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  signature: 'swap(address to,uint256 amount,(address token,uint24 fee)[] path)',
};
const instruction = {
  chain: 'solana',
  name: 'vault.deposit',
  program: 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA',
  discriminator: '0102030405060708',
  arguments: [
    { name: 'amount', type: 'u64' },
    { name: 'path', type: { vec: { option: { array: ['u8', 4] } } } },
  ],
  accounts: ['owner', 'vault'],
  moreAccounts: true,
};

test('reads descriptions of contract calls and of instructions as they are', () => {
  assert.deepEqual(readCallDescription(contract), contract);
  assert.deepEqual(readCallDescription(instruction), instruction);
});

test('refuses whatever decoding could stumble over, and names the member', () => {
  let deep: unknown = 'u8';
  for (let depth = 0; depth < 10; depth++) deep = { vec: deep };
  const argument = (type: unknown) => ({ ...instruction, arguments: [{ name: 'a', type }] });
  for (const [value, field] of [
    [null, ''],
    [{ ...contract, chain: 'bitcoin' }, 'chain'],
    [{ ...contract, more: 1 }, 'more'],
    [{ ...contract, name: 'Router Swap' }, 'name'],
    [{ ...contract, network: 'eip155:01' }, 'network'],
    [{ ...contract, contract: contract.contract.replace('A', 'a') }, 'contract'],
    [{ ...contract, signature: 'swap(address)' }, 'signature'],
    [{ ...contract, signature: 'swap(address a,address a)' }, 'signature'],
    [{ ...contract, signature: 'swap(uint a)' }, 'signature'],
    [{ ...contract, signature: 'swap(address a' }, 'signature'],
    [{ ...instruction, program: '111' }, 'program'],
    [{ ...instruction, discriminator: '' }, 'discriminator'],
    [{ ...instruction, discriminator: 'AB' }, 'discriminator'],
    [{ ...instruction, accounts: ['a', 'a'] }, 'arguments'],
    [{ ...instruction, accounts: [1] }, 'accounts[0]'],
    [{ ...instruction, moreAccounts: 1 }, 'moreAccounts'],
    [argument('u256'), 'arguments[0].type'],
    [argument({ vec: 'u8', option: 'u8' }), 'arguments[0].type'],
    [argument({ array: ['u8', 1e9] }), 'arguments[0].type'],
    [argument({ array: ['u8', -1] }), 'arguments[0].type'],
  ] as const) {
    assert.throws(() => readCallDescription(value), { code: 'call-description-malformed', field });
  }
  assert.throws(() => readCallDescription(argument(deep)), { code: 'call-description-malformed' });
});

test('never throws anything but a ChainError', () => {
  const change = fc.dictionary(
    fc.constantFrom(...Object.keys(contract), ...Object.keys(instruction)),
    fc.anything({ maxDepth: 3 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(contract, instruction), change, (base, given) => {
      try {
        readCallDescription({ ...base, ...given });
      } catch (error) {
        assert.ok(error instanceof ChainError, String(error));
      }
    }),
  );
});
