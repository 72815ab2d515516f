/** Bugs by which a user that was removed keeps something. */
import type { Mutant } from './mutant.ts';

export const RETIRED_MUTANTS: readonly Mutant[] = [
  {
    name: 'retired: a registration outlives its user',
    file: 'internal/server/replication-service.ts',
    text: 'await port.register(toRegisterRequest(request), peer.remoteAddress, principal.retired),',
    replacement: 'await port.register(toRegisterRequest(request), peer.remoteAddress),',
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'retired: a replica is pushed to after its user was removed',
    file: 'internal/replication/replica-registry.ts',
    text: "retired?.addEventListener('abort', () => this.#retire(pusher), { once: true, signal: pusher.stopped });",
    replacement: '',
    tests: ['test/node/retired-replica.test.ts'],
  },
  {
    name: 'retired: a user that is removed during its registration is pushed to',
    file: 'internal/replication/replica-registry.ts',
    text: 'if (retired?.aborted === true) {',
    replacement: 'if (this.#isClosed) {',
    tests: ['test/node/retired-replica.test.ts'],
  },
  {
    name: 'retired: a hash that a user has twice makes a principal that nobody retires',
    file: 'internal/auth/identities.ts',
    text: 'const entry = now.get(id) ?? before.get(id) ?? newEntry(id, user);',
    replacement: 'const entry = before.get(id) ?? newEntry(id, user);',
    tests: ['test/auth/identities.test.ts'],
  },
  {
    name: 'retired: a password is remembered for a user that was removed',
    file: 'internal/auth/identities.ts',
    text: 'if (isRetired(principal)) this.#verified.delete(key);',
    replacement: 'if (principal === undefined) this.#verified.delete(key);',
    tests: ['test/auth/identities.test.ts'],
  },
  {
    name: 'retired: a user that is removed while its password is hashed is let in',
    file: 'internal/auth/identities.ts',
    text: 'if (found === undefined || isRetired(found)) return',
    replacement: 'if (found === undefined) return',
    tests: ['test/auth/identities.test.ts'],
  },
  {
    name: 'retired: half of a file is taken while it is being written',
    file: 'internal/platform/followed-file.ts',
    text: '      if (!this.#isSettled) return;\n',
    replacement: '      if (!this.#isSettled && text === undefined) return;\n',
    tests: ['test/platform/secret-file.test.ts'],
  },
  {
    name: 'rights: of two authorization headers over HTTP/2 the first counts',
    file: 'internal/rpc/request-listener.ts',
    text: '  if (repeatedHeader(rawHeaders, headers) !== undefined) return false;\n',
    replacement: '',
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'retired: a removed user is out half a second later',
    file: 'internal/platform/followed-file.ts',
    text: 'this.#isSettled ? INTERVAL_MS : SETTLE_MS',
    replacement: 'INTERVAL_MS + 0 * SETTLE_MS',
    tests: ['test/platform/secret-file.test.ts'],
  },
];
