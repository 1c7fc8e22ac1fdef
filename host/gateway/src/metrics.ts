import type { Role } from '@keystead/protocol/deployment';
import { type EnclaveLinks, roles } from './enclave-links.ts';

/** Numbers of one kind that are observed: how many, their sum and the greatest. */
class Observed {
  #count = 0;
  #sum = 0;
  #greatest = 0;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    if (value > this.#greatest) this.#greatest = value;
  }

  lines(name: string, help: string): string[] {
    return [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} summary`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
      `# HELP ${name}_max Greatest value since the start.`,
      `# TYPE ${name}_max gauge`,
      `${name}_max ${this.#greatest}`,
    ];
  }
}

/** Counters of the gateway. Labels come from fixed sets: no id, path or text of a caller ever becomes one. */
export class Metrics {
  readonly tickRequests = new Observed();
  readonly batchEntries = new Observed();
  readonly commitSeconds = new Observed();
  readonly answerSeconds = new Observed();
  readonly #requests = new Map<string, number>();
  readonly #events = new Map<string, number>();
  readonly #broadcasts = new Map<string, number>();

  /** `route` is one of the server's own routes or `other`. */
  request(route: string, status: number): void {
    increment(this.#requests, `route="${route}",status="${status}"`);
  }

  /** `resync`, `timeout`, `shed`, of these `shed-early`, `store-error`, `rolled-forward`, `certified-row-kept`. */
  event(name: string): void {
    increment(this.#events, `event="${name}"`);
  }

  broadcast(outcome: 'accepted' | 'refused' | 'unknown'): void {
    increment(this.#broadcasts, `outcome="${outcome}"`);
  }

  /** Prometheus text, version 0.0.4. */
  text(state: {
    readonly waiting: number;
    readonly held: number;
    readonly ready: boolean;
    readonly links: EnclaveLinks;
  }): string {
    const { links } = state;
    return `${[
      ...counter('keystead_gateway_requests_total', 'Answers by route and status.', this.#requests),
      ...counter('keystead_gateway_events_total', 'What happened to the gateway.', this.#events),
      ...counter('keystead_gateway_broadcasts_total', 'Transactions sent, by outcome.', this.#broadcasts),
      ...gauge('keystead_gateway_waiting', 'Callers that wait for an answer.', [['', state.waiting]]),
      ...gauge('keystead_gateway_held', 'Refusals that are held back for a moment.', [['', state.held]]),
      ...gauge('keystead_gateway_ready', 'Whether requests are accepted.', [['', state.ready ? 1 : 0]]),
      ...gauge(
        'keystead_enclave_answering',
        'Whether the enclave answers pings.',
        roles.map((role) => [`{role="${role}"}`, links.isAnswering(role) ? 1 : 0] as const),
      ),
      ...this.tickRequests.lines('keystead_gateway_tick_requests', 'Requests that left in one frame.'),
      ...this.batchEntries.lines('keystead_gateway_commit_entries', 'Entries that one commit kept.'),
      ...this.commitSeconds.lines('keystead_gateway_commit_seconds', 'Duration of a commit of the store.'),
      ...this.answerSeconds.lines('keystead_gateway_answer_seconds', 'From arrival to answer.'),
      ...gauge(
        'keystead_enclave_figure',
        'Figures that the enclaves state of themselves.',
        roles.flatMap((role) => figuresOf(role, links)),
      ),
    ].join('\n')}\n`;
  }
}

function increment(counts: Map<string, number>, labels: string): void {
  counts.set(labels, (counts.get(labels) ?? 0) + 1);
}

function counter(name: string, help: string, counts: ReadonlyMap<string, number>): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} counter`,
    ...[...counts].map(([labels, count]) => `${name}{${labels}} ${count}`),
  ];
}

function gauge(name: string, help: string, values: readonly (readonly [string, number])[]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...values.map(([labels, value]) => `${name}${labels} ${value}`),
  ];
}

const figureName = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const mostFigures = 256;

/** The numbers of the enclave's last pong: a JSON object of name to number, one level of objects allowed. */
function figuresOf(role: Role, links: EnclaveLinks): [string, number][] {
  const pong = links.pong(role);
  if (pong === undefined || pong.metrics.length === 0) return [];
  let stated: unknown;
  try {
    stated = JSON.parse(Buffer.from(pong.metrics).toString('utf8'));
  } catch {
    return [];
  }
  const figures: [string, number][] = [];
  const collect = (value: unknown, prefix: string, depth: number) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, figure] of Object.entries(value)) {
      const full = `${prefix}${name}`;
      if (!figureName.test(full) || figures.length >= mostFigures) continue;
      if (typeof figure === 'number' && Number.isFinite(figure))
        figures.push([`{role="${role}",name="${full}"}`, figure]);
      else if (depth === 0) collect(figure, `${full}.`, 1);
    }
  };
  collect(stated, '', 0);
  return figures;
}
