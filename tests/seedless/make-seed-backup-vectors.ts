/**
 * Writes `vectors/keystead/seed-backup.json` anew: `node tests/seedless/make-seed-backup-vectors.ts`. It follows spec/backup.md §2 with
 * Node's cryptography alone, and no code of the product.
 */
import { argon2Sync, createCipheriv, createHash, createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes that look random and are the same in every run. */
const drawn = (label: string, length: number) =>
  createHash('sha512').update(`seed-backup vectors ${label}`).digest().subarray(0, length);

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** The product in GF(2^8) of FIPS 197. */
function times(one: number, other: number): number {
  let product = 0;
  for (let bit = 0, left = one; bit < 8; bit += 1) {
    if ((other >> bit) & 1) product ^= left;
    left = left & 0x80 ? ((left << 1) ^ 0x11b) & 0xff : left << 1;
  }
  return product;
}

/** Of a line through the key at 0: its bytes at a place, and the place. */
const shareAt = (key: Buffer, slope: Buffer, place: number) =>
  Buffer.from([...key.map((byte, at) => byte ^ times(slope[at]!, place)), place]);

const hashing = {
  FastInsecure: { memory: 8, passes: 1 },
  Standard2019: { memory: 16_384, passes: 32 },
} as const;

interface Input {
  readonly backupName: string;
  readonly entropyBytes: number;
  readonly pin: string;
  readonly places: readonly [number, number];
  readonly pinHashingMode: keyof typeof hashing;
}

function caseOf({ backupName, entropyBytes, pin, places, pinHashingMode }: Input) {
  const drawnFor = (label: string, length: number) => drawn(`${backupName} ${label}`, length);
  const [organization, generation, version] = ['organization', 'generation', 'version'].map((label) =>
    drawnFor(label, 16),
  ) as [Buffer, Buffer, Buffer];
  const [key, slope, pepper] = ['key', 'slope', 'pepper'].map((label) => drawnFor(label, 32)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const entropy = drawnFor('entropy', entropyBytes);
  const name = Buffer.from(backupName);

  const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 });
  cipher.setAAD(Buffer.concat([Buffer.from('keystead/seed-backup/v1\0'), organization, generation, name]), {
    plaintextLength: 5 + entropyBytes,
  });
  const plaintext = Buffer.concat([Buffer.of(1), u32(entropyBytes), entropy]);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const seedIdentity = createHmac('sha256', entropy)
    .update(Buffer.concat([Buffer.from('keystead/seed-identity/v1\0'), organization, name]))
    .digest()
    .subarray(0, 16);

  const info = Buffer.concat([
    Buffer.from('keystead/pin-info/v1\0'),
    ...[organization, generation, pepper, name],
  ]);
  const salt = Buffer.concat([u32(16), version, u32(info.length), info]);
  const stretched = argon2Sync('argon2id', {
    ...{ message: pin, nonce: salt, parallelism: 1, tagLength: 64 },
    ...hashing[pinHashingMode],
  });
  const hex = (bytes: Buffer) => bytes.toString('hex');
  return {
    organization: hex(organization),
    backupName,
    generation: hex(generation),
    entropy: hex(entropy),
    key: hex(key),
    share: hex(shareAt(key, slope, places[0])),
    realmShare: hex(shareAt(key, slope, places[1])),
    ciphertext: hex(ciphertext),
    seedIdentity: hex(seedIdentity),
    pepper: hex(pepper),
    pin,
    pinHashingMode,
    registrationVersion: hex(version),
    info: hex(info),
    salt: hex(salt),
    accessKey: hex(stretched.subarray(0, 32)),
    encryptionKeySeed: hex(stretched.subarray(32)),
  };
}

const cases = [
  caseOf({
    ...{ backupName: 'main', entropyBytes: 16, pin: '180361', places: [1, 2] },
    pinHashingMode: 'Standard2019',
  }),
  caseOf({
    ...{ backupName: 'Œuvre 2', entropyBytes: 32, pin: '0173', places: [201, 7] },
    pinHashingMode: 'FastInsecure',
  }),
];
const path = join(import.meta.dirname, '../../vectors/keystead/seed-backup.json');
writeFileSync(path, `${JSON.stringify({ spec: 'spec/backup.md §2', cases }, undefined, 1)}\n`);
