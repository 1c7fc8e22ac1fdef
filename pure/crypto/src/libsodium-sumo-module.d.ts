/** What this project calls of the module that Emscripten made of libsodium with all of its functions: pointers into `HEAPU8`. */
declare module 'libsodium-sumo' {
  export interface LibsodiumSumoModule {
    /** A new array after the memory has grown. */
    readonly HEAPU8: Uint8Array;
    _malloc(bytes: number): number;
    /** 1 for a canonical encoding, the identity among them. */
    _crypto_core_ristretto255_is_valid_point(element: number): number;
    /** 0 when it has multiplied; -1 for what is no element, and for a product that is the identity. */
    _crypto_scalarmult_ristretto255(product: number, scalar: number, element: number): number;
    _crypto_scalarmult_ristretto255_base(product: number, scalar: number): number;
  }

  export default function instantiate(): Promise<LibsodiumSumoModule>;
}
