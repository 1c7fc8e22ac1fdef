import { base58Decode, base58Encode } from '@keystead/crypto/base58';
import { segwitDecode, segwitEncode } from '@keystead/crypto/bech32';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { bytesName, Recent } from '@keystead/crypto/recent';
import { hash160 } from '@keystead/crypto/ripemd160';
import { taprootOutputKey } from '@keystead/crypto/secp256k1';
import type { AddressFormat } from '../chain.ts';
import { ChainError } from '../error.ts';
import { doubleSha256 } from './transaction.ts';

export type BitcoinNetwork = 'mainnet' | 'testnet' | 'regtest';

interface NetworkPrefixes {
  readonly segwit: string;
  readonly publicKeyHash: number;
  readonly scriptHash: number;
}

/** Testnet prefixes are also those of signet. */
const NETWORKS: Readonly<Record<BitcoinNetwork, NetworkPrefixes>> = {
  mainnet: { segwit: 'bc', publicKeyHash: 0x00, scriptHash: 0x05 },
  testnet: { segwit: 'tb', publicKeyHash: 0x6f, scriptHash: 0xc4 },
  regtest: { segwit: 'bcrt', publicKeyHash: 0x6f, scriptHash: 0xc4 },
};

const OP_RETURN = 0x6a;

/** What an output script pays to. `witness` is a witness program without a defined meaning today. */
export type ScriptKind = 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr' | 'witness' | 'data' | 'other';

/**
 * Address of a compressed public key: `BitcoinSegwit` is P2WPKH (BIP-84), `BitcoinTaproot` the key-path output
 * without scripts (BIP-86).
 * @throws ChainError `address-format-unsupported`
 */
export function address(
  publicKey: Uint8Array,
  format: AddressFormat,
  network: BitcoinNetwork = 'mainnet',
): string {
  const text = scriptToAddress(ownScript(publicKey, format), network);
  if (text === null)
    throw new ChainError('address-format-unsupported', 'the script has no address', 'addressFormat');
  return text;
}

/**
 * Output script of a compressed public key in one of the two formats.
 * @throws ChainError `address-format-unsupported`
 */
export function ownScript(publicKey: Uint8Array, format: AddressFormat): Uint8Array {
  if (format === 'BitcoinSegwit') return concatBytes(Uint8Array.of(0x00, 20), hash160(publicKey));
  if (format === 'BitcoinTaproot') {
    const name = bytesName(publicKey);
    const known = taprootScripts.get(name);
    if (known !== undefined) return known.slice();
    const output = taprootOutputKey(publicKey.subarray(1), new Uint8Array(0)).xOnly;
    const script = concatBytes(Uint8Array.of(0x51, 32), output);
    taprootScripts.set(name, script);
    return script.slice();
  }
  throw new ChainError(
    'address-format-unsupported',
    `Bitcoin has no address format ${format}`,
    'addressFormat',
  );
}

// The output key is a point that is multiplied; the same accounts sign again and again.
const taprootScripts = new Recent<Uint8Array>(1024);

/** Address text of an output script, or null when it has none. Witness programs have one in every version. */
export function scriptToAddress(script: Uint8Array, network: BitcoinNetwork): string | null {
  const prefixes = NETWORKS[network];
  const kind = scriptKind(script);
  if (kind === 'p2pkh') return base58Check(prefixes.publicKeyHash, script.subarray(3, 23));
  if (kind === 'p2sh') return base58Check(prefixes.scriptHash, script.subarray(2, 22));
  if (kind === 'data' || kind === 'other') return null;
  const opcode = script[0]!;
  return segwitEncode(prefixes.segwit, opcode === 0 ? 0 : opcode - 0x50, script.subarray(2));
}

/**
 * Output script of an address of the network. All witness versions are read; `scriptKind` tells which are understood.
 * @throws ChainError `address-malformed`
 */
export function addressToScript(text: string, network: BitcoinNetwork): Uint8Array {
  const prefixes = NETWORKS[network];
  const witness = trySegwit(text);
  if (witness !== null) {
    if (witness.prefix !== prefixes.segwit) throw wrongAddress('the address is of another network');
    const opcode = witness.version === 0 ? 0 : 0x50 + witness.version;
    return concatBytes(Uint8Array.of(opcode, witness.program.length), witness.program);
  }
  const payload = tryBase58Check(text);
  if (payload === null) throw wrongAddress('not a Bitcoin address');
  const hash = payload.subarray(1);
  if (payload[0] === prefixes.publicKeyHash)
    return concatBytes(Uint8Array.of(0x76, 0xa9, 20), hash, Uint8Array.of(0x88, 0xac));
  if (payload[0] === prefixes.scriptHash)
    return concatBytes(Uint8Array.of(0xa9, 20), hash, Uint8Array.of(0x87));
  throw wrongAddress('the address is of another network');
}

/** The network whose address text pays to `script`, or null when it is none of this script. */
export function networkOfAddress(text: string, script: Uint8Array): BitcoinNetwork | null {
  for (const network of ['mainnet', 'testnet', 'regtest'] as const) {
    if (scriptToAddress(script, network) === text) return network;
  }
  return null;
}

export function scriptKind(script: Uint8Array): ScriptKind {
  const { length } = script;
  const first = script[0];
  if (
    length === 25 &&
    first === 0x76 &&
    script[1] === 0xa9 &&
    script[2] === 20 &&
    script[23] === 0x88 &&
    script[24] === 0xac
  ) {
    return 'p2pkh';
  }
  if (length === 23 && first === 0xa9 && script[1] === 20 && script[22] === 0x87) return 'p2sh';
  if (first === OP_RETURN) return 'data';
  if (first === undefined || length < 4 || length > 42 || script[1] !== length - 2) return 'other';
  if (first === 0x00) return length === 22 ? 'p2wpkh' : length === 34 ? 'p2wsh' : 'other';
  if (first === 0x51 && length === 34) return 'p2tr';
  return first >= 0x51 && first <= 0x60 ? 'witness' : 'other';
}

function base58Check(version: number, hash: Uint8Array): string {
  const payload = concatBytes(Uint8Array.of(version), hash);
  return base58Encode(concatBytes(payload, doubleSha256(payload).subarray(0, 4)));
}

function tryBase58Check(text: string): Uint8Array | null {
  if (typeof text !== 'string' || text.length > 40) return null;
  let bytes: Uint8Array;
  try {
    bytes = base58Decode(text);
  } catch {
    return null;
  }
  if (bytes.length !== 25) return null;
  const payload = bytes.subarray(0, 21);
  return equalBytes(doubleSha256(payload).subarray(0, 4), bytes.subarray(21)) ? payload : null;
}

function trySegwit(text: string): ReturnType<typeof segwitDecode> | null {
  try {
    return segwitDecode(text);
  } catch {
    return null;
  }
}

function wrongAddress(detail: string): ChainError {
  return new ChainError('address-malformed', detail);
}
