/** Planted bugs of `getOrSet`, and of the order of a client's calls through a gateway. */
import type { Mutant } from './mutant.ts';

const LOADS = 'test/client/get-or-set.test.ts';
const OUTAGES = 'test/client/outages.test.ts';
const LANES = 'test/client/group-lanes.test.ts';

export const LOAD_MUTANTS: readonly Mutant[] = [
  {
    name: 'getOrSet that drops the loss of what its session saw',
    file: 'client/get-or-set.ts',
    text: 'if (isLoss(error)) throw error;',
    replacement: '',
    tests: [LOADS],
  },
  {
    name: 'getOrSet whose refresh drops the loss of what its session saw',
    file: 'client/get-or-set.ts',
    text: 'session?.doubt(position);',
    replacement: 'session?.token;',
    tests: [LOADS],
  },
  {
    name: 'client that ends a load with the first caller that gives up',
    file: 'client/flights.ts',
    text: 'if (flight.progress.callers === 0 && ',
    replacement: 'if (',
    tests: [LOADS],
  },
  {
    name: 'client that gives what it loaded although another was written meanwhile',
    file: 'client/get-or-set.ts',
    text: '    if (stored?.applied === false && stored.current !== undefined)',
    replacement: '    if (stored?.applied === undefined && known.found)',
    tests: [LOADS],
  },
  {
    name: 'client that loads once for each caller',
    file: 'client/flights.ts',
    text: '    this.#underWay.set(key, flight);',
    replacement: '',
    tests: [LOADS],
  },
  {
    name: 'getOrSet that loads where it is refused',
    file: 'client/get-or-set.ts',
    text: 'if (plan.loadAfterMs !== Number.POSITIVE_INFINITY && isUnreadable(error)) return undefined;',
    replacement: 'if (error instanceof CallError) return undefined;',
    tests: [LOADS],
  },
  {
    name: 'getOrSet that waits for a silent cache as long as a call may take',
    file: 'client/breaker.ts',
    text: 'onSilence();\n        resolve(undefined);',
    replacement: 'onSilence();',
    tests: [OUTAGES],
  },
  {
    name: 'getOrSet that waits again for a cache which another caller found silent',
    file: 'client/breaker.ts',
    text: ' || this.#silentMs() >= Math.max(loadAfterMs, 1)',
    replacement: '',
    tests: [OUTAGES],
  },
  {
    name: 'getOrSet whose every call asks a cache that is down',
    file: 'client/breaker.ts',
    text: 'this.#underWay === 0 && pausedMs',
    replacement: 'pausedMs',
    tests: ['test/client/breaker.test.ts'],
  },
  {
    name: 'getOrSet that goes on without a cache which has answered again',
    file: 'client/breaker.ts',
    text: '    this.#failedAtMs = undefined;',
    replacement: '',
    tests: [OUTAGES],
  },
  {
    name: 'getOrSet that takes the failure of one key for one of the cache',
    file: 'client/breaker.ts',
    text: 'if (askedAtMs < this.#answeredAtMs) {',
    replacement: 'if (askedAtMs < 0) {',
    tests: ['test/client/breaker.test.ts'],
  },
  {
    name: 'getOrSet that loads twice at once where the cache goes away during a load',
    file: 'client/get-or-set.ts',
    text: 'if (stored?.progress.isLoading === true)',
    replacement: 'if (stored?.progress === undefined && stored !== undefined)',
    tests: [OUTAGES],
  },
  {
    name: 'getOrSet that does not notice that the cache goes away while it waits for another caller',
    file: 'client/get-or-set.ts',
    text: 'isSilent.then((is) => (is ? undefined : asked))',
    replacement: 'isSilent.then(() => asked)',
    tests: [OUTAGES],
  },
  {
    name: 'client of a gateway that lets a call overtake an earlier one of its key where its group is named',
    file: 'client/group-lanes.ts',
    text: 'this.#stays.get(slot) ?? { slot, lane: this.#laneOf(slot), calls: 0 }',
    replacement: '{ slot, lane: this.#laneOf(slot), calls: 0 }',
    tests: [LANES],
  },
  {
    name: 'client of a gateway whose first calls are overtaken by those of a group that is named',
    file: 'client/group-lanes.ts',
    text: 'if (!this.#isDivided || group === undefined)',
    replacement: 'if (group === undefined)',
    tests: [LANES],
  },
  {
    name: 'client of a gateway that asks for a fill lease only once all groups have answered',
    file: 'client/dispatcher.ts',
    text: 'await this.#order.settled(request.key);',
    replacement: 'await this.#order.settled();',
    tests: [LANES],
  },
  {
    name: 'getOrSet through a gateway that takes one group for all',
    file: 'client/get-or-set.ts',
    text: 'const group = this.#client.groupOf(key);',
    replacement: "const group = '';",
    tests: [LANES],
  },
  {
    name: 'getOrSet that loads anew without the cache for nobody',
    file: 'client/get-or-set.ts',
    text: 'if (isRefresh && progress.callers === FOR_ITSELF) throw unreadable();',
    replacement: '',
    tests: [OUTAGES],
  },
  {
    name: 'client whose close waits for reads that nobody waits for',
    file: 'client/get-or-set.ts',
    text: 'for (const ends of this.#left) ends.abort();',
    replacement: '',
    tests: [OUTAGES],
  },
];
