/** Bugs of fill leases. */
import type { Mutant } from './mutant.ts';

const FILL = 'test/master/fill.test.ts';
const MODEL = 'test/master/fill-model.test.ts';

export const FILL_MUTANTS: readonly Mutant[] = [
  {
    name: 'fill lease that survives a Delete that finds nothing',
    file: 'internal/master/operations/delete.ts',
    text: '    if (condition === undefined) into.endLease(key);',
    replacement: '',
    tests: [FILL, MODEL],
  },
  {
    name: 'fill lease that survives a Delete by bytes',
    file: 'internal/master/record-builder.ts',
    text: '    this.#accepted.leases.endOf(key);\n    const deadline',
    replacement: '    const deadline',
    tests: [FILL],
  },
  {
    name: 'fill lease that survives a DeletePrefix, which finds no entry',
    file: 'internal/master/operations/delete-prefix.ts',
    text: '      if (turn === 0) path.accepted.leases.endPrefix(command.prefix);',
    replacement: '',
    tests: [FILL, MODEL],
  },
  {
    name: 'fill token that works twice',
    file: 'internal/master/record-builder.ts',
    text: '    this.#accepted.leases.endOf(key);\n  }\n\n  #putTyped',
    replacement: '  }\n\n  #putTyped',
    tests: [FILL, MODEL],
  },
  {
    name: 'fill token that works twice within an atomic batch',
    file: 'internal/master/operations/atomic-plan.ts',
    text: 'return !this.#ended.has(key) && this.#builder.isLeased(key, token);',
    replacement: 'return this.#builder.isLeased(key, token);',
    tests: [FILL],
  },
  {
    name: 'fill token of one key that fills another',
    file: 'internal/master/fill-leases.ts',
    text: 'return this.#current(key)?.token === token;',
    replacement: 'return [...this.#leases.values()].some((one) => one.token === token);',
    tests: [FILL, MODEL],
  },
  {
    name: 'waiter for a fill lease left behind',
    file: 'internal/master/fill-leases.ts',
    text: '    for (const finish of waiters) {',
    replacement: '    for (const finish of [...waiters].slice(0, 1)) {',
    tests: [FILL, MODEL],
  },
  {
    name: 'fill lease valid after its time where its timer is late',
    file: 'internal/master/fill-leases.ts',
    text: 'this.#clock.monotonicMs() < lease.endsMs) return lease;',
    replacement: 'lease.key !== key) return lease;',
    tests: [FILL],
  },
  {
    name: 'fill lease dropped for lack of memory and taken again by its waiters',
    file: 'internal/master/fill-leases.ts',
    text: "how === 'dropped' ? 'dropped' : 'ended'",
    replacement: "'ended'",
    tests: [FILL],
  },
  {
    name: 'fill lease ended by eviction and expiry',
    file: 'internal/master/record-builder.ts',
    text: '    if (cause === this.#cause) this.#accepted.leases.endOf(loaded);',
    replacement: '    this.#accepted.leases.endOf(loaded);',
    tests: [FILL],
  },
  {
    name: 'Get with a fill lease judged by what is visible',
    file: 'internal/master/operations/fill.ts',
    text: 'const { entry, record } = path.accepted.lookup(key);',
    replacement: 'const { record } = path.accepted.lookup(key); const entry = path.engine.store.peek(key);',
    tests: [FILL],
  },
  {
    name: 'waiters for a fill lease not told that their master hands over',
    file: 'internal/node/master-role.ts',
    text: '    this.master.endFills(leaderHint);',
    replacement: '    void leaderHint;',
    tests: ['test/node/fill.test.ts'],
  },
  {
    name: 'Get within a batch that waits for a fill lease',
    file: 'internal/wire/batch-codec.ts',
    text: '  if (command.fill !== undefined && command.waitMs > 0)',
    replacement: '  if (command.fill !== undefined && command.waitMs < 0)',
    tests: ['test/server/fill.test.ts'],
  },
  {
    name: 'fill lease given to a GET of HTTP',
    file: 'internal/server/kv-service.ts',
    text: 'if (context.isHttpGet && command.fill !== undefined)',
    replacement: 'if (context.isHttpGet && command.fill === null)',
    tests: ['test/server/fill.test.ts'],
  },
  {
    name: 'all waiters for a fill lease answered in one turn of the event loop',
    file: 'internal/master/fill-leases.ts',
    text: 'if (woken > 0 && woken % WAKES_PER_TURN === 0) await this.#clock.yield();',
    replacement: 'if (woken < 0) await this.#clock.yield();',
    tests: [FILL],
  },
];
