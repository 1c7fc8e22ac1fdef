import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { MeasuredProgram } from '@keystead/protocol/measurement';
import { LaunchError } from './launch-error.ts';
import { measureBundle, measurementOf, measureNode, sha384 } from './measure.ts';

const directory = mkdtempSync(join(tmpdir(), 'keystead-measure-'));
after(() => rmSync(directory, { recursive: true }));

const digest = (fill: number) => new Uint8Array(48).fill(fill);
const program: MeasuredProgram = {
  bundle: digest(1),
  node: digest(2),
  flags: ['--permission', '-'],
  seccomp: digest(3),
  isolation: ['uid', 'seccomp'],
};

describe('the measurement of a running program', () => {
  it('is another one when bundle, Node, a flag, the filter or the isolation is another one', () => {
    const others: MeasuredProgram[] = [
      { ...program, bundle: digest(9) },
      { ...program, node: digest(9) },
      { ...program, flags: ['--permission'] },
      { ...program, flags: ['--permission', '--allow-net', '-'] },
      { ...program, flags: ['--permission-'] },
      { ...program, seccomp: digest(9) },
      { ...program, seccomp: undefined },
      { ...program, isolation: ['uid'] },
      { ...program, isolation: [] },
    ];
    const measured = new Set(
      [program, ...others].map((each) => Buffer.from(measurementOf(each)).toString('hex')),
    );
    assert.equal(measured.size, others.length + 1);
    assert.deepEqual(measurementOf(program), measurementOf({ ...program }));
    assert.equal(measurementOf(program).length, 48);
  });

  it('refuses a bundle that was changed after it was bundled', () => {
    const path = join(directory, 'signer.mjs');
    const code = Buffer.from('export {};\n');
    writeFileSync(path, code);
    const sha = Buffer.from(sha384(code)).toString('hex');
    assert.deepEqual(measureBundle('signer', { path, sha384: sha }).digest, sha384(code));
    writeFileSync(path, 'export  {};\n');
    assert.throws(() => measureBundle('signer', { path, sha384: sha }), LaunchError);
  });

  it('notices that the Node binary was replaced while it ran', () => {
    const path = join(directory, 'node');
    writeFileSync(path, 'one');
    const node = measureNode(path);
    assert.deepEqual(node.digest, sha384(Buffer.from('one')));
    node.assertUnchanged();
    rmSync(path);
    writeFileSync(path, 'two');
    assert.throws(() => node.assertUnchanged(), LaunchError);
  });
});
