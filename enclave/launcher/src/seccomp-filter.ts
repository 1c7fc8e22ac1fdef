import { allowedCalls, decidedCalls } from './system-calls.ts';

/**
 * The seccomp filter of an enclave as a classic BPF program for x86-64 (seccomp(2), struct sock_filter). What it
 * does not name answers ENOSYS, so that a call that a later kernel adds is refused, too. spec/isolation.md §3.
 */

const auditArchitecture = 0xc000003e;
/** Numbers from here on belong to the x32 interface, which would make a second way to every call. */
const x32Bit = 0x40000000;

const returnKill = 0x80000000;
const returnAllow = 0x7fff0000;
const returnError = (code: number) => 0x00050000 | code;
const EPERM = 1;
const ENOTTY = 25;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const loadWord = 0x20;
const jumpEqual = 0x15;
const jumpAtLeast = 0x35;
const jumpSet = 0x45;
const leave = 0x06;

/** Offsets in struct seccomp_data; the low words of the arguments on a little-endian machine. */
const offsetNumber = 0;
const offsetArchitecture = 4;
const offsetArgument0 = 16;
const offsetArgument1 = 24;

const cloneThread = 0x00010000;
/** PDEATHSIG, GET_DUMPABLE, SET_NAME, GET_NAME, GET_SECCOMP, CAPBSET_READ, SET and GET_NO_NEW_PRIVS, SET_VMA. */
const allowedPrctl = [1, 3, 15, 16, 21, 23, 38, 39, 0x53564d41];
/** TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. */
const allowedIoctl = [0x5401, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451];

export interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly operand: number;
}

/** The filter, instruction by instruction. */
export function seccompInstructions(): readonly Instruction[] {
  const program: Instruction[] = [];
  const emit = (code: number, operand: number, jumpTrue = 0, jumpFalse = 0) =>
    program.push({ code, operand, jumpTrue, jumpFalse });
  const answer = (value: number) => emit(leave, value);

  emit(loadWord, offsetArchitecture);
  emit(jumpEqual, auditArchitecture, 1, 0);
  answer(returnKill);
  emit(loadWord, offsetNumber);
  emit(jumpAtLeast, x32Bit, 0, 1);
  answer(returnKill);

  for (const number of Object.values(allowedCalls)) {
    emit(jumpEqual, number, 0, 1);
    answer(returnAllow);
  }
  for (const number of [decidedCalls.socket, decidedCalls.socketpair]) {
    emit(jumpEqual, number, 0, 1);
    answer(returnError(EAFNOSUPPORT));
  }
  // Threads, no processes. clone3 hides its flags behind a pointer; ENOSYS makes the C library use clone.
  emit(jumpEqual, decidedCalls.clone, 0, 4);
  emit(loadWord, offsetArgument0);
  emit(jumpSet, cloneThread, 0, 1);
  answer(returnAllow);
  answer(returnError(EPERM));
  for (const [number, offset, values, code] of [
    [decidedCalls.prctl, offsetArgument0, allowedPrctl, EPERM],
    [decidedCalls.ioctl, offsetArgument1, allowedIoctl, ENOTTY],
  ] as const) {
    emit(jumpEqual, number, 0, 2 + 2 * values.length);
    emit(loadWord, offset);
    for (const value of values) {
      emit(jumpEqual, value, 0, 1);
      answer(returnAllow);
    }
    answer(returnError(code));
  }
  answer(returnError(ENOSYS));
  return program;
}

/** The filter in the form of bwrap's `--seccomp`: 8 bytes per instruction, little-endian. */
export function seccompFilter(): Uint8Array {
  const program = seccompInstructions();
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jumpTrue, jumpFalse, operand }] of program.entries()) {
    view.setUint16(8 * index, code, true);
    view.setUint8(8 * index + 2, jumpTrue);
    view.setUint8(8 * index + 3, jumpFalse);
    view.setUint32(8 * index + 4, operand, true);
  }
  return bytes;
}

/** Whether there is a filter for this machine. */
export const hasSeccompFilter = process.platform === 'linux' && process.arch === 'x64';
