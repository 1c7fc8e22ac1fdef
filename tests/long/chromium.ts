/** Debian's Chromium with a page that loads the SDK, and an authenticator that exists in the browser only. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import type { PageProgram } from './browser-page.ts';

const executable = '/usr/bin/chromium';
const root = resolve(import.meta.dirname, '../..');

export interface PageBundle {
  readonly code: string;
  /** Files that went in, relative to the repository. */
  readonly inputs: readonly string[];
  /** Modules that stay outside; a page cannot load them. */
  readonly externals: readonly string[];
}

/** The page's program as a web application's bundler makes it: no condition of Node, nothing left to load. */
export async function bundlePage(): Promise<PageBundle> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['tests/long/browser-page.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    metafile: true,
    logLevel: 'silent',
    tsconfigRaw: { compilerOptions: { target: 'es2024', verbatimModuleSyntax: true } },
  });
  const inputs = Object.values(result.metafile.inputs);
  return {
    code: result.outputFiles[0]!.text,
    inputs: Object.keys(result.metafile.inputs),
    externals: inputs.flatMap(({ imports }) =>
      imports.filter(({ external }) => external).map(({ path }) => path),
    ),
  };
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  return (server.address() as AddressInfo).port;
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((done) => void server.close(() => done()));
}

/** Serves the page on a port of its own: each port is an origin. The policy forbids inline scripts and eval. */
export async function servePage(
  bundle: PageBundle,
): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((request, response) => {
    const isProgram = request.url === '/page.js';
    response.setHeader('content-type', isProgram ? 'text/javascript' : 'text/html; charset=utf-8');
    response.setHeader(
      'content-security-policy',
      "default-src 'none'; script-src 'self'; connect-src http://127.0.0.1:*",
    );
    response.end(
      isProgram
        ? bundle.code
        : '<!doctype html><title>page</title><script type="module" src="/page.js"></script>',
    );
  });
  return { port: await listen(server), server };
}

export interface VirtualAuthenticator {
  /** Whether it answers that it has recognized its person. */
  verifyUser(isUserVerified: boolean): Promise<void>;
  /** How many passkeys it holds. */
  count(): Promise<number>;
}

export class Chromium {
  readonly #directory: string;
  readonly #context: BrowserContext;

  private constructor(directory: string, context: BrowserContext) {
    this.#directory = directory;
    this.#context = context;
  }

  /** Starts a browser with a new profile. It reaches loopback addresses only. */
  static async start(): Promise<Chromium> {
    if (!existsSync(executable))
      throw new Error(`${executable} is missing; on Debian: apt-get install chromium (.ci/run does so)`);
    const directory = mkdtempSync(join(tmpdir(), 'keystead-chromium-'));
    try {
      const context = await chromium.launchPersistentContext(directory, {
        executablePath: executable,
        headless: true,
        args: [
          '--no-sandbox',
          '--headless=new',
          '--disable-dev-shm-usage',
          '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
        ],
      });
      return new Chromium(directory, context);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#context.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  version(): string | undefined {
    return this.#context.browser()?.version();
  }

  /** A tab of the same profile. */
  async open(url: string): Promise<Page> {
    const page = await this.#context.newPage();
    await visit(page, url);
    return page;
  }

  async addAuthenticator(page: Page): Promise<VirtualAuthenticator> {
    const devTools = await this.#context.newCDPSession(page);
    await devTools.send('WebAuthn.enable');
    const { authenticatorId } = await devTools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return {
      verifyUser: async (isUserVerified) => {
        await devTools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
      },
      count: async () =>
        (await devTools.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length,
    };
  }
}

/** Removes all that the browser keeps for the page's origin, as its "clear site data" does, and loads the page anew. */
export async function clearStorage(page: Page): Promise<void> {
  const { origin } = new URL(page.url());
  const devTools = await page.context().newCDPSession(page);
  await devTools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' });
  await devTools.detach();
  await page.reload();
}

/** Loads the page anew and waits for its program. Passkeys answer only to a page that has the focus. */
export async function visit(page: Page, url: string): Promise<void> {
  await page.goto(url, { waitUntil: 'load' });
  await page.bringToFront();
}

/** Calls a function of the page's program. */
export async function inPage<N extends keyof PageProgram>(
  page: Page,
  name: N,
  ...given: Parameters<PageProgram[N]>
): Promise<Awaited<ReturnType<PageProgram[N]>>> {
  const result = await page.evaluate(
    ([called, parameters]) => {
      const { keystead } = globalThis as unknown as {
        keystead: Record<string, (...given: unknown[]) => unknown>;
      };
      return keystead[called]!(...parameters);
    },
    [name as string, given as unknown[]] as const,
  );
  return result as Awaited<ReturnType<PageProgram[N]>>;
}
