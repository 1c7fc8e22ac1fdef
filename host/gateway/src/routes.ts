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

export const readRoutes = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/deployment'] as const;

/** Methods that a path takes, or undefined when it is no route. */
export function allowedMethods(path: string): string | undefined {
  if (enclaveRoutes.has(path)) return 'POST, OPTIONS';
  return (readRoutes as readonly string[]).includes(path) ? 'GET, HEAD, OPTIONS' : undefined;
}
