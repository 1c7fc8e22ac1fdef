import type { ProbeResult } from '@keystead/enclave-runtime/control';
import type { Role } from '@keystead/protocol/deployment';
import type { MeasuredProgram } from '@keystead/protocol/measurement';
import type { BundleConfig } from './config.ts';
import {
  EnclaveFailure,
  EnclaveProcess,
  type EnclaveStreams,
  nodeFlags,
  seccompDescriptorOf,
} from './enclave-process.ts';
import { failing, failingAlways, holding, type Observation } from './isolation-check.ts';
import { type EnclaveIsolation, keepIsolationFile } from './isolation-file.ts';
import type { IsolationPart } from './isolation-part.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';
import { type MeasuredNode, measureBundle, measurementOf, measureNode, sha384 } from './measure.ts';
import { inspectProcess, processesOf } from './process-inspection.ts';
import { sandboxCommand } from './sandbox-command.ts';
import { type Machine, missingPart, refusedSandbox, thisMachine } from './sandbox-tools.ts';
import { seccompFilter } from './seccomp-filter.ts';

/** What runs, and what isolates it, by role or by the name of a realm. */
export interface SandboxConfig {
  readonly home: string;
  readonly bundles: Readonly<Record<string, BundleConfig>>;
  readonly isolation: {
    readonly parts: readonly IsolationPart[];
    readonly userIds: Readonly<Record<string, number>>;
  };
}

export interface SandboxedProgram<Name extends string = Role> {
  readonly role: Name;
  readonly code: Uint8Array;
  readonly manifest: MeasuredProgram;
  readonly measurement: Uint8Array;
}

/** How long a process that had the user id before may take to be gone, in milliseconds. */
const sharingPatience = 2000;

/** Starts enclaves with the isolation that was asked for, and sees to it that they have it. */
export class Sandbox {
  readonly #config: SandboxConfig;
  readonly #machine: Machine;
  readonly #node: MeasuredNode;
  readonly #seccomp: Uint8Array | undefined;
  readonly #seen = new Map<string, EnclaveIsolation>();

  private constructor(config: SandboxConfig, machine: Machine, node: MeasuredNode) {
    this.#config = config;
    this.#machine = machine;
    this.#node = node;
    this.#seccomp = config.isolation.parts.includes('seccomp') ? seccompFilter() : undefined;
  }

  /** Throws LaunchError with exit code 78 that names the part that this machine cannot give. */
  static prepare(config: SandboxConfig, machine: Machine = thisMachine()): Sandbox {
    const { parts } = config.isolation;
    const missing = missingPart(parts, machine) ?? refusedSandbox(parts, machine);
    if (missing !== undefined) throw refusal(missing.part, missing.detail, missing.hint);
    return new Sandbox(config, machine, measureNode());
  }

  /** Measures what would run as a role. Throws LaunchError when bundle or Node are not the expected ones. */
  measure<Name extends string>(role: Name): SandboxedProgram<Name> {
    const { code, digest } = measureBundle(role, this.#config.bundles[role]!);
    this.#node.assertUnchanged();
    const manifest: MeasuredProgram = {
      bundle: digest,
      node: this.#node.digest,
      flags: nodeFlags,
      seccomp: this.#seccomp === undefined ? undefined : sha384(this.#seccomp),
      isolation: [...this.#config.isolation.parts],
    };
    return { role, code, manifest, measurement: measurementOf(manifest) };
  }

  start<Name extends string>(
    { role, code, measurement }: SandboxedProgram<Name>,
    streams: EnclaveStreams,
  ): EnclaveProcess<Name> {
    const command = sandboxCommand({
      parts: this.#config.isolation.parts,
      tools: this.#machine.tools,
      root: this.#machine.root,
      seccompDescriptor: seccompDescriptorOf(streams),
      node: this.#node.path,
    });
    const userId = this.#userIdOf(role);
    return new EnclaveProcess({ role, measurement, code, command, userId, seccomp: this.#seccomp, streams });
  }

  /** Throws LaunchError when a started process does not have what was asked for, EnclaveFailure when it is gone. */
  async judge(
    program: SandboxedProgram<string>,
    enclave: EnclaveProcess<string>,
    probes: readonly ProbeResult[],
  ): Promise<void> {
    if (this.#machine.platform !== 'linux') return;
    const { role } = program;
    const seen = await this.#observe(role, enclave.pid, probes);
    const { parts } = this.#config.isolation;
    for (const part of parts) {
      const reason = failing(part, seen);
      if (reason !== undefined)
        throw refusal(part, `${role}: ${reason}`, 'see spec/isolation.md §5 for what each part promises');
    }
    const reason = failingAlways(seen);
    if (reason !== undefined) throw new LaunchError(`${role}: ${reason}`, 'see spec/isolation.md §5');
    const named = (refused: boolean) => probes.filter((probe) => probe.refused === refused);
    this.#seen.set(role, {
      pid: enclave.pid,
      userId: seen.facts.userIds[0],
      holds: holding(seen),
      refused: named(true).map(({ name }) => name),
      allowed: named(false).map(({ name }) => name),
      measurement: Buffer.from(program.measurement).toString('hex'),
      program: program.manifest,
    });
    const { tools } = this.#machine;
    const isWrapped = parts.some((part) => part !== 'uid' && part !== 'permission');
    const tool = tools.bwrap === undefined ? 'util-linux' : 'bubblewrap';
    keepIsolationFile(this.#config.home, parts, isWrapped ? tool : 'none', this.#seen);
  }

  async #observe(role: string, pid: number, probes: readonly ProbeResult[]): Promise<Observation> {
    const userId = this.#userIdOf(role);
    try {
      if (!this.#node.isAt(`/proc/${pid}/exe`))
        throw new LaunchError(`${role}: process ${pid} does not run the measured Node`, 'start again');
      const facts = inspectProcess(pid);
      let sharing = userId === undefined ? [] : processesOf(userId, pid);
      for (let waited = 0; sharing.length > 0 && waited < sharingPatience; waited += 50) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        sharing = processesOf(userId!, pid);
      }
      return { probes, facts, userId, sharing };
    } catch (error) {
      if (error instanceof LaunchError) throw error;
      throw new EnclaveFailure('ended', `${role} cannot be looked at: ${(error as Error).message}`);
    }
  }

  #userIdOf(role: string): number | undefined {
    const { parts, userIds } = this.#config.isolation;
    return parts.includes('uid') ? userIds[role] : undefined;
  }
}

function refusal(part: string, detail: string, hint: string): LaunchError {
  return new LaunchError(
    `isolation ${part} is asked for and not given: ${detail}`,
    `${hint}; or leave ${part} out of KEYSTEAD_ISOLATION and read what then no longer holds`,
    exitConfiguration,
  );
}
