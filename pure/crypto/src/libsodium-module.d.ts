/** What this project calls of the module that Emscripten made of libsodium: pointers into `HEAPU8`. */
declare module 'libsodium' {
  export interface LibsodiumModule {
    /** A new array after the memory has grown. */
    readonly HEAPU8: Uint8Array;
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    /** 0 when it has signed. Lengths of 64 bits are two halves; `lengthOut` may be 0. */
    _crypto_sign_detached(
      signature: number,
      lengthOut: number,
      message: number,
      lengthLow: number,
      lengthHigh: number,
      secretKey: number,
    ): number;
  }

  export default function instantiate(): Promise<LibsodiumModule>;
}
