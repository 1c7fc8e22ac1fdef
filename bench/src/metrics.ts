/** What the bench reads of the gateway's `/metrics`. */
export interface Figures {
  /** Durable writes since the start: commits of the store and appends to the heads log. */
  readonly syncs: number;
  readonly shed: number;
}

export async function figuresOf(api: string): Promise<Figures> {
  const text = await (await fetch(`${api}/metrics`)).text();
  const figure = (series: string): number => {
    const line = text.split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? 0 : Number(line.slice(series.length + 1));
  };
  return {
    syncs:
      figure('keystead_gateway_commit_seconds_count') +
      figure('keystead_enclave_figure{role="certifier",name="appends"}'),
    shed: figure('keystead_gateway_events_total{event="shed"}'),
  };
}
