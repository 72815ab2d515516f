/** Bugs by which a user that was removed keeps something. */
import type { Mutant } from './mutant.ts';

export const RETIRED_MUTANTS: readonly Mutant[] = [
  {
    name: 'retired: a registration outlives its user',
    file: 'internal/server/replication-service.ts',
    text: 'remoteAddress, principal.retired),',
    replacement: 'remoteAddress),',
    tests: ['test/server/auth-matrix.test.ts'],
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
];
