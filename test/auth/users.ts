/** Users for tests, each with a token and a few roles. */
import { createHash } from 'node:crypto';
import { hashOfToken, newToken } from '#auth/secret-hash.ts';
import { isUserList, parseUserList, type User } from '#auth/user-list.ts';

/** What the file would have. `app` may read and write `own:`, `viewer` may read it. */
export const AUTH_FILE = {
  roles: [
    { name: 'app-role', grants: [{ access: ['read', 'write'], prefixes: ['own:'] }] },
    { name: 'viewer-role', grants: [{ access: ['read'], prefixes: ['own:', 'own:more:'] }] },
    { name: 'feeder-role', grants: [{ access: ['write'], prefixes: ['own:'] }] },
    {
      name: 'checkpointer',
      grants: [{ access: ['admin'], methods: ['Admin/Checkpoint'] }],
    },
    { name: 'getter', grants: [{ access: ['read'], methods: ['KVStore/Get'], prefixes: [''] }] },
    { name: 'explainer', grants: [{ access: ['read'], methods: ['KVStore/Explain'], prefixes: [''] }] },
  ],
  users: [
    user('reader', 'reader'),
    user('writer', 'writer'),
    user('both', 'reader', 'writer'),
    user('monitor', 'monitor'),
    user('operator', 'operator'),
    user('chief', 'operator', 'reader', 'writer'),
    user('replica', 'replica'),
    user('observer', 'observer'),
    user('coordinator', 'coordinator'),
    user('gateway', 'gateway'),
    user('metrics', 'metrics'),
    user('app', 'app-role'),
    user('viewer', 'viewer-role'),
    user('feeder', 'feeder-role'),
    user('checkpointer', 'checkpointer'),
    user('getter', 'getter'),
    user('explainer', 'explainer'),
  ],
};

export const USER_NAMES: readonly string[] = AUTH_FILE.users.map(({ name }) => name);

export function tokenOf(name: string): string {
  const half = createHash('md5').update(name).digest('hex');
  return newToken({ uint32: () => 0, id128: () => half });
}

function user(name: string, ...roles: string[]) {
  return { name, roles, tokens: [hashOfToken(tokenOf(name))] };
}

export function usersOf(values: Readonly<Record<string, unknown>> = AUTH_FILE): readonly User[] {
  const parsed = parseUserList(values);
  if (!isUserList(parsed)) throw new Error(parsed.join('\n'));
  return parsed;
}
