import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Instruction, seccompFilter, seccompInstructions } from './seccomp-filter.ts';
import { allowedCalls, decidedCalls } from './system-calls.ts';

const x86 = 0xc000003e;
const allow = 0x7fff0000;
const kill = 0x80000000;
const error = (code: number) => 0x50000 | code;

/** Runs a classic BPF program of the five instructions that the filter uses over one struct seccomp_data. */
function decide(call: { number: number; architecture?: number; arguments?: readonly number[] }): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.architecture ?? x86, true);
  for (const [index, value] of (call.arguments ?? []).entries()) data.setUint32(16 + 8 * index, value, true);
  const program: readonly Instruction[] = seccompInstructions();
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, operand, jumpTrue, jumpFalse } = program[at];
    if (code === 0x20) accumulator = data.getUint32(operand, true);
    else if (code === 0x06) return operand;
    else {
      const holds =
        code === 0x15
          ? accumulator === operand
          : code === 0x35
            ? accumulator >= operand
            : (accumulator & operand) !== 0;
      at += holds ? jumpTrue : jumpFalse;
    }
  }
  throw new Error('the program has no end');
}

const decideCall = (number: number, ...given: number[]) => decide({ number, arguments: given });

describe('the seccomp filter of an enclave', () => {
  it('allows what it names', () => {
    for (const [name, number] of Object.entries(allowedCalls)) assert.equal(decideCall(number), allow, name);
  });

  it('refuses sockets, and every call that it does not name, also those of later kernels', () => {
    assert.equal(decideCall(decidedCalls.socket), error(97));
    assert.equal(decideCall(decidedCalls.socketpair), error(97));
    const known = new Set<number>([...Object.values(allowedCalls), ...Object.values(decidedCalls)]);
    for (let number = 0; number < 1024; number++)
      if (!known.has(number)) assert.equal(decideCall(number), error(38), String(number));
    // ptrace, process_vm_readv, mount, bpf, io_uring_setup, clone3, memfd_create, unshare, kill
    for (const number of [101, 310, 165, 321, 425, 435, 319, 272, 62])
      assert.equal(decideCall(number), error(38));
  });

  it('allows a thread and refuses a process', () => {
    assert.equal(decideCall(decidedCalls.clone, 0x3d0f00), allow);
    assert.equal(decideCall(decidedCalls.clone, 0x01200011), error(1));
    assert.equal(decideCall(decidedCalls.clone, 0x4111), error(1));
  });

  it('allows no call that makes memory readable to others again, and no input into a terminal', () => {
    assert.equal(decideCall(decidedCalls.prctl, 15), allow);
    assert.equal(decideCall(decidedCalls.prctl, 4, 1), error(1));
    assert.equal(decideCall(decidedCalls.prctl, 0x59616d61, 1), error(1));
    assert.equal(decideCall(decidedCalls.ioctl, 0, 0x5421), allow);
    assert.equal(decideCall(decidedCalls.ioctl, 0, 0x5412), error(25));
  });

  it('ends a process that calls by another architecture or by the x32 interface', () => {
    assert.equal(decide({ number: 1, architecture: 0x40000003 }), kill);
    assert.equal(decide({ number: 0x40000000 + 1 }), kill);
    assert.equal(decide({ number: 0xffffffff }), kill);
  });

  it('is handed over as little-endian sock_filter structures, at most as many as the kernel takes', () => {
    const bytes = seccompFilter();
    assert.equal(bytes.length, 8 * seccompInstructions().length);
    assert.ok(seccompInstructions().length <= 4096);
    assert.deepEqual(
      [...bytes.subarray(0, 16)],
      [0x20, 0, 0, 0, 4, 0, 0, 0, 0x15, 0, 1, 0, 0x3e, 0, 0, 0xc0],
    );
  });
});
