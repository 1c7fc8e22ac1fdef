import { readFile } from 'node:fs/promises';

/** What clients pin, as the launcher wrote it at genesis, with what this gateway adds: profile and networks. */
export class DeploymentFile {
  readonly #path: string;
  readonly #added: { readonly profile: string; readonly networks: readonly string[] };
  #content: Uint8Array | undefined;

  constructor(path: string, added: { readonly profile: string; readonly networks: readonly string[] }) {
    this.#path = path;
    this.#added = added;
  }

  /** JSON, or undefined as long as the file is not there. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#content !== undefined) return this.#content;
    try {
      const stated: unknown = JSON.parse(await readFile(this.#path, 'utf8'));
      if (typeof stated !== 'object' || stated === null || Array.isArray(stated)) return undefined;
      this.#content = Buffer.from(JSON.stringify({ ...stated, ...this.#added }));
    } catch {
      return undefined;
    }
    return this.#content;
  }
}
