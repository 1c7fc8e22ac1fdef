import { base64urlDecode } from '@keystead/crypto/base64url';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import {
  type FromLauncher,
  maximumPasswordBytes,
  minimumPasswordBytes,
  type ToLauncher,
  type UnlockKind,
} from '@keystead/protocol/operator';
import { systemRandom } from '@keystead/enclave-runtime/context';
import type { Report } from '../report.ts';
import { OperatorRefusal } from './operator-refusal.ts';
import { OperatorSocket, type OperatorSession } from './operator-socket.ts';
import { openWithPassword, sealUnderPassword } from './password.ts';
import { assertSharing, sealUnderShares, ShareCollection } from './shares.ts';
import type { Opened, ReplaceableKeys, Unlock } from './unlock.ts';
import { parseUnlockRecord, type UnlockRecord } from './unlock-record.ts';

/** How long shares that were given wait for the missing ones, in milliseconds. */
const sharePatience = 15 * 60 * 1000;

export interface OperatorsOptions<Records> {
  readonly socket: string;
  readonly kind: Exclude<UnlockKind, 'development-file'>;
  /** Undefined before the founding. */
  readonly record: UnlockRecord | undefined;
  readonly report: Report;
  /** Puts another unlock record and the records under it in the place of those that stand, durably. */
  readonly replace: (record: string, records: Records) => void;
}

/** What one connection has begun and not confirmed. */
interface Founding {
  readonly secret: SecretBytes;
  readonly record: string;
}

/** What is to unlock from now on, and what the operators of now have given for it. */
interface Rotation<Records> {
  readonly session: OperatorSession;
  readonly to:
    | { readonly password: SecretBytes }
    | { readonly threshold: number; readonly shares: number }
    /** Another wallet key; what unlocks stays. */
    | { readonly retire: boolean }
    /** Other keys of the roles. */
    | 'role-keys';
  /** The unlock secret, once they have agreed. */
  agreed?: SecretBytes;
  /** What is to be put in place, once its shares are on their way to whoever began. */
  replacement?: Replacement<Records>;
}

/** An unlock record, and the genesis records under its unlock secret. */
interface Replacement<Records> {
  readonly record: string;
  readonly records: Records;
}

/** Operators with a password or with shares, at the operator socket (spec/unlock.md §4, §5). */
export class Operators<Records> implements Unlock<Records> {
  readonly kind: OperatorsOptions<Records>['kind'];
  readonly #report: Report;
  readonly #replace: OperatorsOptions<Records>['replace'];
  #opened: Opened<Records> | undefined;
  #rotation: Rotation<Records> | undefined;
  readonly #foundings = new WeakMap<OperatorSession, Founding>();
  #socket: OperatorSocket | undefined;
  #record: UnlockRecord | undefined;
  #collection: ShareCollection | undefined;
  #forgetting: NodeJS.Timeout | undefined;
  #secret: SecretBytes | undefined;
  #founded: ((record: string) => void) | undefined;
  #given: (secret: SecretBytes) => void = () => {};
  #waiting: Promise<SecretBytes> | undefined;
  /** One at a time: Argon2id takes its memory once. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor({ kind, record, report, replace }: OperatorsOptions<Records>) {
    this.#replace = replace;
    this.kind = kind;
    this.#record = record;
    this.#report = report;
  }

  static async listen<Records>(options: OperatorsOptions<Records>): Promise<Operators<Records>> {
    const operators = new Operators(options);
    operators.#socket = await OperatorSocket.listen(
      options.socket,
      (request, session) => operators.#answer(request, session),
      (session) => operators.#left(session),
    );
    return operators;
  }

  get given(): boolean {
    return this.#secret !== undefined;
  }

  found(): Promise<{ readonly record: string }> {
    this.#report({ event: 'locked', state: 'founding', kind: this.kind });
    return new Promise((resolve) => {
      this.#founded = (record) => {
        this.#founded = undefined;
        this.#record = parseUnlockRecord(new TextEncoder().encode(record));
        resolve({ record });
      };
    });
  }

  secret(): Promise<SecretBytes> {
    if (this.#secret !== undefined) return Promise.resolve(this.#secret);
    if (this.#waiting === undefined) {
      this.#waiting = new Promise((resolve) => {
        this.#given = resolve;
      });
      this.#report({ event: 'locked', state: 'locked', kind: this.kind });
    }
    return this.#waiting;
  }

  async serve(opened: Opened<Records>): Promise<void> {
    this.#opened = opened;
  }

  opened(): void {
    this.#secret?.wipe();
    this.#secret = undefined;
    this.#waiting = undefined;
    this.#forget();
  }

  close(): void {
    this.opened();
    this.#endRotation();
    this.#socket?.close();
  }

  async #answer(request: ToLauncher, session: OperatorSession): Promise<FromLauncher> {
    const turn = this.#turn.then(() => this.#handle(request, session));
    this.#turn = turn.catch(() => {});
    try {
      return await turn;
    } catch (error) {
      if (!(error instanceof OperatorRefusal)) throw error;
      return { type: 'refused', code: error.code, detail: error.message, hint: error.hint };
    }
  }

  async #handle(request: ToLauncher, session: OperatorSession): Promise<FromLauncher> {
    switch (request.type) {
      case 'status':
        return this.#status();
      case 'foundPassword':
        return this.#foundPassword(SecretBytes.take(request.password));
      case 'foundShares':
        return this.#foundShares(request.threshold, request.shares, session);
      case 'confirm':
        return this.#confirm(session);
      case 'password':
        return this.#password(SecretBytes.take(request.password));
      case 'share':
        return this.#share(request.share);
      case 'rotatePassword':
        return this.#rotate({ session, to: { password: SecretBytes.take(request.password) } });
      case 'rotateShares':
        return this.#rotate({ session, to: { threshold: request.threshold, shares: request.shares } });
      case 'rotateWalletKey':
        return this.#rotate({ session, to: { retire: request.retire } });
      case 'rotateRoleKeys':
        return this.#rotate({ session, to: 'role-keys' });
      case 'rotated':
        return this.#rotated(session);
    }
  }

  async #status(): Promise<FromLauncher> {
    const state =
      this.#founded !== undefined
        ? 'founding'
        : this.#waiting !== undefined
          ? 'locked'
          : this.#rotation !== undefined
            ? 'rotating'
            : 'open';
    const shares = this.#record?.kind === 'shares' ? this.#record : undefined;
    return {
      type: 'status',
      state: state === 'locked' && this.#secret !== undefined ? 'open' : state,
      kind: this.kind,
      set: shares === undefined ? undefined : base64urlDecode(shares.set),
      threshold: shares?.threshold ?? 0,
      shares: shares?.shares ?? 0,
      given: [...(this.#collection?.given ?? [])],
      walletKey:
        state === 'open' || state === 'rotating' ? await this.#opened?.keys?.walletKeys.status() : undefined,
      roleKeys: state === 'locked' || state === 'founding' ? 0 : (this.#opened?.keys?.roleGeneration() ?? 0),
    };
  }

  async #foundPassword(password: SecretBytes): Promise<FromLauncher> {
    try {
      this.#assertFounding('password');
      assertPassword(password);
      const secret = SecretBytes.take(systemRandom(32));
      this.#begin({ secret, record: await sealUnderPassword(secret, password) });
      return { type: 'done', missing: 0 };
    } finally {
      password.wipe();
    }
  }

  async #foundShares(threshold: number, shares: number, session: OperatorSession): Promise<FromLauncher> {
    this.#assertFounding('shares');
    const secret = SecretBytes.take(systemRandom(32));
    const { record, packed } = await sealUnderShares(secret, threshold, shares);
    this.#foundings.get(session)?.secret.wipe();
    this.#foundings.set(session, { secret, record });
    return { type: 'shares', shares: [...packed] };
  }

  /** Begins a rotation; the operators of now have not agreed yet. */
  #rotate(rotation: Rotation<Records>): FromLauncher {
    const { to } = rotation;
    const kind =
      to === 'role-keys'
        ? this.kind
        : 'password' in to
          ? 'password'
          : 'threshold' in to
            ? 'shares'
            : this.kind;
    try {
      if (this.#founded !== undefined || this.#waiting !== undefined || this.#record === undefined)
        throw new OperatorRefusal('not-open', 'this deployment is not open', 'unlock it first');
      if (kind !== this.kind) throw wrongKind(this.kind);
      if (to === 'role-keys' || 'retire' in to) this.#keys();
      if (this.#rotation !== undefined)
        throw new OperatorRefusal(
          'rotating-already',
          'somebody has begun already',
          'wait until that command has ended',
        );
      if (to === 'role-keys') return this.#begun(rotation);
      if ('password' in to) assertPassword(to.password);
      else if ('threshold' in to) assertSharing(to.threshold, to.shares);
    } catch (error) {
      if (to !== 'role-keys' && 'password' in to) to.password.wipe();
      throw error;
    }
    return this.#begun(rotation);
  }

  #begun(rotation: Rotation<Records>): FromLauncher {
    this.#rotation = rotation;
    return { type: 'done', missing: this.#missing() };
  }

  /** What whoever began the rotation asks until it is over. */
  async #rotated(session: OperatorSession): Promise<FromLauncher> {
    const rotation = this.#rotation;
    if (rotation?.session !== session)
      throw new OperatorRefusal('not-rotating', 'this connection has begun nothing', 'begin anew');
    const { agreed, to } = rotation;
    if (agreed === undefined) return { type: 'done', missing: this.#missing() };
    if (to === 'role-keys') return this.#replaceRoleKeys(agreed, rotation);
    if ('retire' in to) {
      try {
        return { type: 'walletKey', ...(await this.#keys().walletKeys.renew(agreed, to.retire)) };
      } finally {
        this.#endRotation();
      }
    }
    // Whoever has an old copy of the home and what unlocked it must not open the records of from now on.
    const next = SecretBytes.take(systemRandom(32));
    try {
      const records = await this.#opened!.reseal({ from: agreed, to: next });
      if ('password' in to) {
        const record = await sealUnderPassword(next, to.password);
        // Whoever has left takes nothing for replaced.
        if (this.#rotation !== rotation)
          throw new OperatorRefusal('given-up', 'the connection has closed', 'begin anew');
        this.#put({ record, records });
        return { type: 'done', missing: 0 };
      }
      const { record, packed } = await sealUnderShares(next, to.threshold, to.shares);
      rotation.replacement = { record, records };
      return { type: 'shares', shares: [...packed] };
    } catch (error) {
      this.#endRotation();
      throw error;
    } finally {
      next.wipe();
    }
  }

  async #replaceRoleKeys(agreed: SecretBytes, rotation: Rotation<Records>): Promise<FromLauncher> {
    const keys = this.#keys();
    // From here on it does not end with the connection.
    delete rotation.agreed;
    try {
      const generation = await keys.replaceRoleKeys(agreed);
      // What the operators gave opens the enclaves that are started now, and is wiped when all are open.
      this.#secret = agreed;
      await keys.restart();
      return { type: 'roleKeys', generation };
    } finally {
      if (this.#secret !== agreed) agreed.wipe();
      this.#endRotation();
    }
  }

  #put({ record, records }: Replacement<Records>): void {
    this.#replace(record, records);
    this.#record = parseUnlockRecord(new TextEncoder().encode(record));
    this.#endRotation();
  }

  /** Throws OperatorRefusal where there are none. */
  #keys(): ReplaceableKeys {
    const keys = this.#opened?.keys;
    if (keys !== undefined) return keys;
    throw new OperatorRefusal(
      'nothing-to-replace',
      'a realm or keeper of backups has neither wallet keys nor role keys',
      'keystead operator rotate replaces what unlocks it',
    );
  }

  #left(session: OperatorSession): void {
    if (this.#rotation?.session === session) this.#endRotation();
  }

  #endRotation(): void {
    const rotation = this.#rotation;
    this.#rotation = undefined;
    rotation?.agreed?.wipe();
    if (rotation !== undefined && rotation.to !== 'role-keys' && 'password' in rotation.to)
      rotation.to.password.wipe();
    this.#forget();
  }

  #missing(): number {
    if (this.#record?.kind !== 'shares') return 1;
    return this.#collection?.missing ?? this.#record.threshold;
  }

  #confirm(session: OperatorSession): FromLauncher {
    const rotation = this.#rotation;
    if (rotation?.session === session && rotation.replacement !== undefined) {
      this.#put(rotation.replacement);
      return { type: 'done', missing: 0 };
    }
    this.#assertFounding('shares');
    const founding = this.#foundings.get(session);
    if (founding === undefined)
      throw new OperatorRefusal(
        'nothing-to-confirm',
        'this connection was given no shares',
        'keystead operator found begins anew',
      );
    this.#foundings.delete(session);
    this.#begin(founding);
    return { type: 'done', missing: 0 };
  }

  #begin({ secret, record }: Founding): void {
    this.#secret = secret;
    this.#founded!(record);
  }

  async #password(password: SecretBytes): Promise<FromLauncher> {
    try {
      const record = this.#assertAsking();
      if (record.kind !== 'password') throw wrongKind('shares');
      assertPassword(password);
      const secret = await openWithPassword(record, password);
      if (secret === undefined)
        throw new OperatorRefusal(
          'password-wrong',
          'the password does not open this deployment',
          'try again; nothing was changed',
        );
      this.#open(secret);
      return { type: 'done', missing: 0 };
    } finally {
      password.wipe();
    }
  }

  async #share(packed: Uint8Array): Promise<FromLauncher> {
    const record = this.#assertAsking();
    if (record.kind !== 'shares') throw wrongKind('password');
    this.#collection ??= new ShareCollection(record);
    this.#collection.add(packed);
    clearTimeout(this.#forgetting);
    const { missing } = this.#collection;
    if (missing > 0) {
      this.#forgetting = setTimeout(() => this.#forget(), sharePatience);
      this.#forgetting.unref();
      return { type: 'done', missing };
    }
    this.#open(await this.#collection.open());
    return { type: 'done', missing: 0 };
  }

  #open(secret: SecretBytes): void {
    this.#forget();
    if (this.#waiting === undefined) {
      this.#rotation!.agreed = secret;
      return;
    }
    this.#secret = secret;
    this.#given(secret);
  }

  #forget(): void {
    clearTimeout(this.#forgetting);
    this.#collection?.forget();
    this.#collection = undefined;
  }

  #assertFounding(kind: UnlockKind): void {
    if (this.#founded === undefined)
      throw new OperatorRefusal(
        'founded-already',
        'this deployment is founded',
        'keystead operator status says what it waits for',
      );
    if (kind !== this.kind) throw wrongKind(this.kind);
  }

  /** The record that somebody waits to be opened. */
  #assertAsking(): UnlockRecord {
    const rotates = this.#rotation !== undefined && this.#rotation.agreed === undefined;
    const isLocked = this.#waiting !== undefined && this.#secret === undefined;
    if ((!isLocked && !rotates) || this.#record === undefined)
      throw new OperatorRefusal(
        'not-locked',
        this.#founded === undefined ? 'nothing waits to be unlocked' : 'this deployment is not founded yet',
        'keystead operator status says what it waits for',
      );
    return this.#record;
  }
}

function assertPassword(password: SecretBytes): void {
  if (password.length < minimumPasswordBytes || password.length > maximumPasswordBytes)
    throw new OperatorRefusal(
      'password-length',
      `a password has ${minimumPasswordBytes} to ${maximumPasswordBytes} bytes`,
      'choose one that nobody guesses: whoever has it and the home holds every wallet',
    );
}

const wrongKind = (kind: UnlockKind): OperatorRefusal =>
  new OperatorRefusal(
    'other-kind',
    `this deployment is unlocked by ${kind}`,
    `give ${kind === 'shares' ? 'shares' : 'the password'}`,
  );
