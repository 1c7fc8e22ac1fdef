import type { ChildProcess } from 'node:child_process';

/** Pause before a process that ended is started again, in milliseconds; it doubles while it keeps ending. */
const firstPause = 100;
const longestPause = 2000;
/** A process that ran this long has recovered. */
const recoveredAfter = 5000;

export interface SupervisedOptions {
  readonly spawn: () => ChildProcess;
  /** After every end that nobody asked for; `times` counts those without a recovery between them. */
  readonly ended: (end: { code: number | null; signal: NodeJS.Signals | null; times: number }) => void;
}

/** Keeps one child process running until it is stopped. */
export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #times = 0;
  #stopping = false;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#start();
  }

  /** Undefined between its end and its next start. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Asks it to end with `ask`, ends it after `patience` milliseconds, and resolves when it is gone. */
  async stop(ask: (child: ChildProcess) => void, patience: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    ask(child);
    const impatience = setTimeout(() => child.kill('SIGKILL'), patience);
    await gone;
    clearTimeout(impatience);
  }

  #start(): void {
    const child = this.#options.spawn();
    const since = performance.now();
    this.#child = child;
    // What is written to a process that ends meets a closed pipe.
    child.stdin?.on('error', () => {});
    let over = false;
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      if (over) return;
      over = true;
      this.#child = undefined;
      if (this.#stopping) return;
      if (performance.now() - since > recoveredAfter) this.#times = 0;
      const pause = Math.min(longestPause, firstPause * 2 ** this.#times);
      this.#times += 1;
      this.#restart = setTimeout(() => this.#start(), pause);
      this.#options.ended({ code, signal, times: this.#times });
    };
    child.once('exit', end);
    child.once('error', () => end(null, null));
  }
}
