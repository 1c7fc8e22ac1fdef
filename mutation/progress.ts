/** Says of each mutant that lives where it is, when it is found: a run takes long. */
import { basename } from 'node:path';
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import type { MutantResult, Reporter } from '@stryker-mutator/api/report';

class Progress implements Reporter {
  #tested = 0;

  onMutantTested({ fileName, location: { start }, replacement, status }: MutantResult): void {
    this.#tested += 1;
    if (status === 'Killed' || status === 'Timeout') return;
    const place = `${basename(fileName)}:${start.line}:${start.column}`;
    process.stdout.write(`${this.#tested} ${status} ${place} ${JSON.stringify(replacement?.slice(0, 80))}\n`);
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, 'survivors', Progress)];
