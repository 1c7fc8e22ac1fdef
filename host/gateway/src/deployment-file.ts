import { readFile } from 'node:fs/promises';

/**
 * What clients pin, as the launcher wrote it, with what this gateway adds: profile and networks. It is read anew for everyone: the
 * launcher adds to it when the keys of the roles are replaced.
 */
export class DeploymentFile {
  readonly #path: string;
  readonly #added: { readonly profile: string; readonly networks: readonly string[] };

  constructor(path: string, added: { readonly profile: string; readonly networks: readonly string[] }) {
    this.#path = path;
    this.#added = added;
  }

  /** JSON, or undefined as long as the file is not there. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      const stated: unknown = JSON.parse(await readFile(this.#path, 'utf8'));
      if (typeof stated !== 'object' || stated === null || Array.isArray(stated)) return undefined;
      return Buffer.from(JSON.stringify({ ...stated, ...this.#added }));
    } catch {
      return undefined;
    }
  }
}
