import type { Option } from '../../command.ts';

export type RealmOptions = Readonly<Record<string, Option>>;

export const realmHomeOption = {
  home: { type: 'string', value: 'folder', help: 'directory of the realm (default: .keystead-realm)' },
} satisfies RealmOptions;

export const defaultRealmHome = '.keystead-realm';
