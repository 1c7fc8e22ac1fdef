import type { Codec } from '@keystead/crypto/pack';
import type { Role } from '@keystead/protocol/deployment';
import { becomeUser, emptyEnvironment } from './become-user.ts';
import { BootError, createBoot } from './boot.ts';
import { systemRandom } from './context.ts';
import { FromEnclave } from './control.ts';
import type { HeadsPort } from './heads-port.ts';
import { openHeadsStream } from './heads-stream.ts';
import { probe } from './probe.ts';
import type { EnclaveContext, Program, Random, Rotation } from './program.ts';
import { reduceGlobals } from './reduce-globals.ts';
import { FrameStream } from './stream.ts';

/** Descriptors that an enclave is started with (spec/boot.md §1). */
export const gatewayDescriptor = 3;
export const controlDescriptor = 4;
export const headsDescriptor = 5;

/** `heads` opens the stream to the keeper; only the certifier and realms have it. */
export interface EnclavePorts<Prepared = undefined> {
  heads(): HeadsPort;
  readonly prepared: Prepared;
}

export interface EnclaveProgram<Incoming, Outgoing, Prepared = undefined> {
  readonly role: Role;
  readonly incoming: Codec<Incoming>;
  readonly outgoing: Codec<Outgoing>;
  /** What the program needs and has to wait for. Done once, before anything is read from the launcher. */
  prepare?(random: Random): Promise<Prepared>;
  /** Makes the program, once, after unlock. */
  create(context: EnclaveContext, ports: EnclavePorts<Prepared>): Program<Incoming, Outgoing>;
}

/** Runs the program of one of the three roles: the whole of its `main.ts`. */
export function runEnclave<Incoming, Outgoing, Prepared = undefined>(
  enclave: EnclaveProgram<Incoming, Outgoing, Prepared>,
): void {
  const { role, incoming, outgoing } = enclave;
  runMeasured<Incoming, Outgoing, Prepared>({
    name: role,
    incoming,
    outgoing,
    prepare: enclave.prepare?.bind(enclave),
    boot: ({ log, answer, run }) =>
      createBoot({
        role,
        log,
        answer,
        unlocked: (context) => run((ports) => enclave.create(context, ports)),
      }),
  });
}

/** What a boot is given. */
export interface BootPorts<Incoming, Outgoing, Prepared = undefined> {
  readonly log: EnclaveContext['log'];
  /** Writes one message to the launcher. */
  answer(message: FromEnclave): void;
  /** Makes the program and begins to read from the gateway; called once, after unlock. */
  run(create: (ports: EnclavePorts<Prepared>) => Program<Incoming, Outgoing>): Rotation;
}

export interface MeasuredBoot {
  receive(payload: Uint8Array): void;
  /** Whether other roles need what this process has in memory: then it outlives its gateway. */
  readonly holdsHalves?: boolean;
}

export interface MeasuredProgram<Incoming, Outgoing, Prepared = undefined> {
  readonly name: string;
  readonly incoming: Codec<Incoming>;
  readonly outgoing: Codec<Outgoing>;
  readonly prepare?: ((random: Random) => Promise<Prepared>) | undefined;
  /** Takes the launcher's messages; a BootError is answered and ends the process. */
  boot(ports: BootPorts<Incoming, Outgoing, Prepared>): MeasuredBoot;
}

/**
 * Runs one measured program until its streams close.
 *
 * A turn is one round of the event loop: every frame that has arrived is received, then `turn()` is called, then
 * what was sent leaves in one write. Nothing is read from the gateway before unlock. The process ends with 0 when
 * the gateway, the launcher or the keeper closes its stream and after SIGTERM; with 1 after an exception.
 */
export function runMeasured<Incoming, Outgoing, Prepared = undefined>(
  enclave: MeasuredProgram<Incoming, Outgoing, Prepared>,
): void {
  becomeUser(process.argv);
  emptyEnvironment();
  const { name } = enclave;
  const log: EnclaveContext['log'] = (event, fields = {}) => writeLog(name, event, fields);
  const leave = (reason: string, code = 0, at = ''): never => {
    log('ended', { reason, code, ...(at === '' ? {} : { at }) });
    process.exit(code);
  };
  // Names, codes and places only: a message can hold what the program worked on.
  const fail = (error: unknown): never => leave(nameOf(error), 1, placesOf(error));
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  process.stderr.on('error', () => {});
  process.title = `keystead-${name}`;

  const control = new FrameStream(controlDescriptor);
  const gateway = new FrameStream(gatewayDescriptor);
  const streams: FrameStream[] = [control, gateway];
  let program: Program<Incoming, Outgoing> | undefined;
  let scheduled = false;
  let ending = false;

  const schedule = () => {
    if (scheduled || ending) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      program?.turn();
      for (const stream of streams) stream.flush();
    });
  };
  const answer = (message: FromEnclave) => {
    control.send(FromEnclave.encode(message));
    schedule();
  };

  const heads = (): HeadsPort => {
    const stream = new FrameStream(headsDescriptor);
    streams.push(stream);
    return openHeadsStream(stream, schedule, (reason) => leave(reason, reason === 'heads-closed' ? 0 : 1));
  };

  let prepared: Prepared;
  const run = (create: (ports: EnclavePorts<Prepared>) => Program<Incoming, Outgoing>) => {
    const running = create({ heads, prepared });
    program = running;
    running.send = (message) => {
      gateway.send(enclave.outgoing.encode(message));
      schedule();
    };
    gateway.start(
      (payloads) => {
        for (const payload of payloads) {
          let message: Incoming;
          try {
            message = enclave.incoming.decode(payload);
          } catch {
            // The gateway is not trusted to speak the protocol, and a stream out of step cannot be mended.
            return orphan('gateway-malformed', 1);
          }
          if (program === undefined) return;
          running.receive(message);
        }
        schedule();
      },
      () => orphan('gateway-closed'),
    );
    return running;
  };

  /** Without the gateway there is nobody to serve. What other roles need of this memory stays until the launcher ends it. */
  const orphan = (reason: string, code = 0) => {
    if (!boot.holdsHalves) return leave(reason, code);
    if (program === undefined) return;
    program.send = () => {};
    program = undefined;
    log('orphaned', { reason });
    answer({ type: 'orphaned', reason });
  };

  void probe().then((probes) => answer({ type: 'probed', probes }));
  reduceGlobals();
  const boot = enclave.boot({ log, answer, run });
  const start = () =>
    control.start(
      (payloads) => {
        try {
          for (const payload of payloads) boot.receive(payload);
        } catch (error) {
          if (!(error instanceof BootError)) throw error;
          ending = true;
          control.send(FromEnclave.encode({ type: 'failed', code: error.code, detail: error.message }));
          control.end(() => leave(error.code, 1));
        }
      },
      () => leave('launcher-closed'),
    );
  void Promise.resolve(enclave.prepare?.(systemRandom)).then((done) => {
    // Without `prepare` there is nothing to wait for and nothing that anybody reads.
    prepared = done as Prepared;
    start();
  });

  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {
    setImmediate(() => gateway.end(() => leave('SIGTERM')));
  });
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'exception';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? `exception ${error.name} ${code}` : `exception ${error.name}`;
}

/** The innermost calls, without the message that stands before them in a stack. */
function placesOf(error: unknown): string {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return '';
  const calls = error.stack
    .split('\n')
    .filter((line) => /^ {4}at [\w.#<>[\] ]*\(?[\w:/.[\]-]*:\d+:\d+\)?$/.test(line));
  return calls
    .slice(0, 6)
    .map((line) => line.trim().slice(3))
    .join(' < ');
}

function writeLog(
  name: string,
  event: string,
  fields: Readonly<Record<string, string | number | boolean>>,
): void {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), program: name, event, ...fields })}\n`,
  );
}
