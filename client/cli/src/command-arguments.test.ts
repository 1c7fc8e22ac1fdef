import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from './command.ts';
import { CommandArguments } from './command-arguments.ts';
import { UsageError } from './command-error.ts';

const command: Command = {
  words: ['test'],
  summary: 'for this test',
  positionals: [{ name: 'message' }],
  options: {
    proof: { type: 'string', help: '' },
    trait: { type: 'string', multiple: true, help: '' },
    index: { type: 'string', help: '' },
    expires: { type: 'string', help: '' },
  },
  run: () => Promise.reject(new Error('not run here')),
};
const parse = (...words: string[]) => new CommandArguments(command, words);

describe('CommandArguments', () => {
  it('takes values that begin with dashes, as base64url does', () => {
    assert.equal(parse('hello', '--proof', '-abc').required('proof'), '-abc');
    assert.equal(parse('hello', '--proof', '--abc').required('proof'), '--abc');
    assert.equal(parse('hello', '--proof=-abc').required('proof'), '-abc');
    assert.equal(parse('hello', '--proof', '-').required('proof'), '-');
  });

  it('does not take a known option for a value', () => {
    assert.throws(() => parse('hello', '--proof', '--json'), UsageError);
    assert.throws(() => parse('hello', '--proof', '--trait=a=b'), UsageError);
  });

  it('leaves what follows -- as it is', () => {
    assert.deepEqual(parse('--', '--proof').positionals, ['--proof']);
  });

  it('refuses what is missing, unknown or too much, and does not repeat the surplus', () => {
    assert.throws(() => parse(), /<message> is missing/);
    assert.throws(() => parse('hello', '--unknown'), UsageError);
    assert.throws(
      () => parse('hello', 'secret'),
      (error: Error) => error instanceof UsageError && !error.message.includes('secret'),
    );
    assert.equal(parse('--help').flag('help'), true);
  });

  it('reads numbers, durations and pairs strictly', () => {
    assert.equal(parse('x', '--index', '7').integer('index', 10), 7);
    for (const wrong of ['11', '07', '1e1', '0x1', '-1', ''])
      assert.throws(() => parse('x', `--index=${wrong}`).integer('index', 10), UsageError);
    assert.equal(parse('x', '--expires', '31d').duration('expires'), 31 * 86_400_000);
    for (const wrong of ['31', 'd', '0s', '1.5h', '2 m'])
      assert.throws(() => parse('x', `--expires=${wrong}`).duration('expires'), UsageError);
    assert.deepEqual(parse('x', '--trait', 'a=b=c', '--trait', 'd=').pairs('trait'), { a: 'b=c', d: '' });
    assert.throws(() => parse('x', '--trait', '=b').pairs('trait'), UsageError);
  });
});
