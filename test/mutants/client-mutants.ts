/** Planted bugs of the client of a group and of its routing: what is repeated, and what is said of it. */
import type { Mutant } from './mutant.ts';

const GROUP = 'test/client/group-client.test.ts';
const STEP = 'test/routing/next-step.test.ts';
const ROUTER = 'test/routing/router.test.ts';
const LOADS = 'test/client/get-or-set.test.ts';
const NEAR = 'test/client/near-state.test.ts';
const ROUTES = 'test/routing/group-routes.test.ts';

export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'client that repeats a write without a name after a lost answer',
    file: 'internal/routing/next-step.ts',
    text: "  if (outcome !== 'not_done' && !isRepeatable) return GIVE_UP;",
    replacement: '',
    tests: [STEP, GROUP],
  },
  {
    name: 'client that says of all attempts what is true of the last',
    file: 'internal/routing/router.ts',
    text: "    if (failure.outcome === 'unknown') progress.outcome = 'unknown';",
    replacement: '    progress.outcome = failure.outcome;',
    tests: [ROUTER],
  },
  {
    name: 'client that follows the hints of two nodes without a pause',
    file: 'internal/routing/next-step.ts',
    text: ' && hintsFollowed < HINTS_MAX',
    replacement: '',
    tests: [STEP],
  },
  {
    name: 'client that takes a master that failed for the master',
    file: 'internal/routing/group-routes.ts',
    text: '    if (this.#master === address) this.#master = undefined;',
    replacement: '',
    tests: [ROUTES],
  },
  {
    name: 'client that sends its credential where only a node said',
    file: 'internal/routing/group-routes.ts',
    text: '    if (!this.#mayFollow(address) || this.#nodes.size >= NODES_MAX) return false;',
    replacement: '    if (this.#nodes.size >= NODES_MAX) return false;',
    tests: [ROUTES, ROUTER],
  },
  {
    name: 'client that counts as answered what is still open',
    file: 'client/write-names.ts',
    text: '      write.answeredThrough = BigInt(first - 1);',
    replacement: '      write.answeredThrough = write.sequence - 1n;',
    tests: ['test/client/write-names.test.ts'],
  },
  {
    name: 'client that calls not done what a repeated Batch refused',
    file: 'client/failures.ts',
    text: '  const isUnclear = mayBeRepeat || UNCLEAR.has(error.code);',
    replacement: '  const isUnclear = UNCLEAR.has(error.code);',
    tests: ['test/client/failures.test.ts'],
  },
  {
    name: 'client that reads at a replica beside the write of the key',
    file: 'client/dispatcher.ts',
    text: "    return this.#writes.has(key) ? 'master' : this.#readFrom;",
    replacement: '    return this.#readFrom;',
    tests: [GROUP],
  },
  {
    name: 'client that lets calls overtake a waiting write of their key',
    file: 'client/dispatcher.ts',
    text: '    const turn = { keys, keepsKeys: true, begin, fail };',
    replacement: '    const turn = { keys: [], keepsKeys: true, begin, fail };',
    tests: [GROUP],
  },
  {
    name: 'client that gives up a read for which a replica is too far behind',
    file: 'client/batch-sender.ts',
    text: "      else if (isRead && code === Code.Unavailable && target !== 'master') again.behind.push(pending);\n",
    replacement: '',
    tests: [GROUP],
  },
  {
    name: 'client that sends a write although its caller gave up',
    file: 'client/batch-sender.ts',
    text: 'given.filter(({ isGivenUp }) => !isGivenUp)',
    replacement: 'given.slice()',
    tests: [GROUP],
  },
  {
    name: 'client that ends a load with the first caller that gives up',
    file: 'client/get-or-set.ts',
    text: '      if (flight.callers === 0) this.#abandon(key, flight);',
    replacement: '      this.#abandon(key, flight);',
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
    file: 'client/get-or-set.ts',
    text: '    this.#flights.set(key, flight);',
    replacement: '',
    tests: [LOADS],
  },
  {
    name: 'client that says of a replaced value which cannot be read that nothing was done',
    file: 'client/key-map.ts',
    text: "answer.previous.value, 'done')",
    replacement: "answer.previous.value, 'not_done')",
    tests: ['test/client/key-map.test.ts'],
  },
  {
    name: 'near cache that keeps a read from before its watch began anew',
    file: 'client/near-state.ts',
    text: 'if (isFollowed && this.#isCurrent(read, answer.asOf))',
    replacement: 'if (this.#isCurrent(read, answer.asOf) || isFollowed === undefined)',
    tests: [NEAR],
  },
  {
    name: 'client that keeps near what was changed while it was read',
    file: 'client/near-state.ts',
    text: ' || (changed !== undefined && isNewer(changed, asOf))',
    replacement: '',
    tests: [NEAR],
  },
  {
    name: 'client that keeps near what a node behind the watch answered',
    file: 'client/near-state.ts',
    text: 'isNewer(mark, asOf) || ',
    replacement: '',
    tests: [NEAR],
  },
  {
    name: 'client that takes what it read ahead of the watch for as fresh as that',
    file: 'client/near-state.ts',
    text: 'isNewer(asOf, this.#mark) ? atMs : this.#freshMs',
    replacement: 'isNewer(asOf, this.#mark) ? this.#freshMs : this.#freshMs',
    tests: [NEAR],
  },
  {
    name: 'client that keeps near what a failover may have lost',
    file: 'client/near-state.ts',
    text: '    if (this.#mark !== undefined && this.#mark.epoch !== mark.epoch) this.#onEpoch(this.#mark);',
    replacement: '',
    tests: [NEAR],
  },
  {
    name: 'client that gives from near what the session has overwritten',
    file: 'client/near-state.ts',
    text: '    return this.#mark !== undefined && !isNewer(required, this.#mark);',
    replacement: '    return true;',
    tests: [NEAR],
  },
  {
    name: 'client that takes every failed connection for one that carried nothing',
    file: 'internal/dial/http2/client-connection.ts',
    text: '!this.#isConnected && !this.isProven',
    replacement: 'true',
    tests: ['test/dial/http2-client.test.ts'],
  },
  {
    name: 'client that goes back at once to a replica that stays behind',
    file: 'internal/routing/group-routes.ts',
    text: '    if (node.failures > 0) node.restUntilMs = 0;',
    replacement: '    node.restUntilMs = 0;',
    tests: [ROUTES],
  },
  {
    name: 'client that waits for a Batch that nobody waits for',
    file: 'client/batch-sender.ts',
    text: '    if (batch.every(({ isGivenUp }) => isGivenUp)) aborter.abort();',
    replacement: '',
    tests: [GROUP],
  },
  {
    name: 'client whose map takes a value that may not be read for a missing one',
    file: 'client/key-map.ts',
    text: '    if (answer.leftOut)\n',
    replacement: '    if (answer.leftOut && answer.repeated)\n',
    tests: ['test/client/key-map.test.ts'],
  },
];
