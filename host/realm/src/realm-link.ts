import { EnclaveLink } from '@keystead/host-program/enclave-link';
import type { Report } from '@keystead/host-program/report';
import { FromRealm, type TenantEvent, ToRealm } from '@keystead/protocol/realm-frames';
import type { RealmStore } from './realm-store.ts';

type Request = Extract<ToRealm, { type: 'request' | 'audit' }>;
type Answer = Extract<FromRealm, { type: 'answer' | 'audited' }>;
type Open = Extract<FromRealm, { type: 'open' }>;

export type RealmLink = EnclaveLink<Request, Answer, Open, TenantEvent>;

/** The stream to the enclave of one realm. */
export const realmLink = (store: RealmStore, report: Report): RealmLink =>
  new EnclaveLink<Request, Answer, Open, TenantEvent>(
    { encode: ToRealm.encode, decode: FromRealm.decode },
    store,
    report,
  );
