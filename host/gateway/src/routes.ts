import {
  routePrepare,
  routeRpc,
  routeSimulations,
  surfaceCompatibility,
  surfaceNative,
} from '@keystead/protocol/frames';

/** A route whose body goes to the enclaves. `bare`: the result alone answers, without an envelope. */
export interface EnclaveRoute {
  readonly surface: number;
  readonly route: number;
  readonly bare: boolean;
}

export const enclaveRoutes: ReadonlyMap<string, EnclaveRoute> = new Map([
  ['/v1/rpc', { surface: surfaceNative, route: routeRpc, bare: false }],
  ['/v1/wallets/kms/rpc', { surface: surfaceCompatibility, route: routeRpc, bare: false }],
  ['/v1/wallets/prepare', { surface: surfaceCompatibility, route: routePrepare, bare: true }],
  ['/v1/wallets/simulations', { surface: surfaceCompatibility, route: routeSimulations, bare: true }],
]);

export const readPaths = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/deployment'] as const;
export type ReadPath = (typeof readPaths)[number];

export function isReadPath(path: string): path is ReadPath {
  return (readPaths as readonly string[]).includes(path);
}

/** Methods that a path takes, or undefined when it is no route. */
export function allowedMethods(path: string): string | undefined {
  if (enclaveRoutes.has(path)) return 'POST, OPTIONS';
  return isReadPath(path) ? 'GET, HEAD, OPTIONS' : undefined;
}
