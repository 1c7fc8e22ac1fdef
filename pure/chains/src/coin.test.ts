import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coinDecimals, oneName } from './coin.ts';
import { tokenAsset as ethereumToken } from './ethereum/asset.ts';
import { tokenAsset as solanaToken, WRAPPED_SOL_MINT } from './solana/programs.ts';

describe('a coin', () => {
  it('is one asset under all of its names, in whatever spelling', () => {
    assert.equal(solanaToken(WRAPPED_SOL_MINT), 'solana/slip44:501');
    const celo = '0x471EcE3750Da237f93B8E339c536989b8978a438';
    for (const contract of [celo, celo.toLowerCase()])
      assert.equal(ethereumToken('eip155:42220', 'erc20', contract), 'eip155:42220/slip44:60');
    assert.equal(oneName('eip155:42220/slip44:60'), 'eip155:42220/slip44:60');
    for (const type of ['0x2', `0x${'0'.repeat(63)}2`, '0X02'])
      assert.equal(oneName(`sui/coin:${type}::sui::SUI`), 'sui/slip44:784');
    assert.equal(oneName('sui/coin:0x3::sui::SUI'), `sui/coin:0x${'3'.padStart(64, '0')}::sui::SUI`);
  });

  it('is no token of the same contract on another chain, of another standard or mint', () => {
    const polygon = '0x0000000000000000000000000000000000001010';
    assert.equal(ethereumToken('eip155:137', 'erc20', polygon), 'eip155:137/slip44:60');
    for (const [network, namespace] of [
      ['eip155:1', 'erc20'],
      ['eip155:1370', 'erc20'],
      ['eip155:137', 'erc721'],
    ] as const)
      assert.equal(ethereumToken(network, namespace, polygon), `${network}/${namespace}:${polygon}`);
    assert.equal(
      solanaToken('So11111111111111111111111111111111111111111'),
      'solana/token:So11111111111111111111111111111111111111111',
    );
  });

  it('has the decimals of its chain, and a token those that sources say', () => {
    assert.equal(coinDecimals('eip155:137/slip44:60'), 18);
    assert.equal(coinDecimals('solana/slip44:501'), 9);
    assert.equal(coinDecimals('sui/slip44:784'), 9);
    assert.equal(coinDecimals('bip122:000000000019d6689c085ae165831e93/slip44:0'), 8);
    assert.equal(coinDecimals('eip155:1/erc20:0x0000000000000000000000000000000000000060'), undefined);
    assert.equal(coinDecimals('eip155:1/slip44:61'), undefined);
  });
});
