/** Planted bugs of embedded replicas: what observers count for, what they are sent, and what reads give. */
import type { Mutant } from './mutant.ts';

const OBSERVERS = 'test/node/observers.test.ts';
const EMBEDDED = 'test/embedded/open-replica.test.ts';
const READS = 'test/storage/side-reads.test.ts';

export const OBSERVER_MUTANTS: readonly Mutant[] = [
  {
    name: 'observer: counted by min_replicas_to_write',
    file: 'internal/node/replica-group.ts',
    text: 'return this.#registry.liveCount;',
    replacement: 'return this.#registry.liveCount + (this.observers?.count ?? 0);',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: remembered and pushed to as a replica',
    file: 'internal/node/replica-group.ts',
    text: 'if (request.isObserver === true) return this.#observers.register(request, remoteAddress, retired);',
    replacement: "if (request.isObserver === true) request = { ...request, advertise: ':1' };",
    tests: [OBSERVERS],
  },
  {
    name: 'observer: refused by the master of a cluster, which does not list it',
    file: 'internal/node/master-role.ts',
    text: 'if (this.lease !== undefined && !isObserver)',
    replacement: 'if (this.lease !== undefined && (isObserver || !isObserver))',
    tests: ['test/node/member/members.test.ts'],
  },
  {
    name: 'observer: ends the term of a master by what it says',
    file: 'internal/replication/admit-replica.ts',
    text: 'if (request.logId === identity.logId && seenTerm > identity.term) {',
    replacement: 'if (request.logId === identity.logId && seenTerm < 0) {',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: gets the place of nobody',
    file: 'internal/replication/observers.ts',
    text: 'isFull: known === undefined && this.#observers.size >= OBSERVERS_MAX,',
    replacement: 'isFull: false,',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: keeps its place though it is silent',
    file: 'internal/replication/observers.ts',
    text: 'if (observer.held === undefined && observer.heardMs < beforeMs)',
    replacement: 'if (observer.heardMs < 0 && beforeMs < 0)',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: sent what follows a record that is not in the log',
    file: 'internal/replication/observers.ts',
    text: 'if (ours?.epoch === tail.epoch && ours.crc === tail.crc) return;',
    replacement: 'if (ours?.epoch === tail.epoch) return;',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: answered as often as it asks',
    file: 'internal/replication/observers.ts',
    text: 'observer.nextMs = atMs + paceMs(syncIntervalMs, this.#observers.size);',
    replacement: 'observer.nextMs = atMs;',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: waits for replication.sync_interval longer than for an answer',
    file: 'internal/replication/observer-pace.ts',
    text: 'return Math.min(HELD_MS_MAX, Math.max(syncIntervalMs, observers * PUSH_MS));',
    replacement: 'return Math.max(syncIntervalMs, observers * PUSH_MS);',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: not woken by new records',
    file: 'internal/replication/observers.ts',
    text: '    for (const { held } of this.#observers.values()) held?.look();',
    replacement: '',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: its first call goes on beside the second',
    file: 'internal/replication/observers.ts',
    text: "    observer.held?.end(unavailable('this observer asked once more'));\n",
    replacement: '',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: served after the rights of its user changed',
    file: 'internal/replication/observers.ts',
    text: "    retired?.addEventListener('abort', () => this.#drop(observer, rightsChanged()), { once: true, signal });\n",
    replacement: '    void signal;\n',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: can be promoted',
    file: 'internal/node/leadership.ts',
    text: 'if (this.#keeper.options.isObserver !== true) return;',
    replacement: 'if (this.#keeper.options.isObserver !== undefined) return;',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: opened in the directory of a master',
    file: 'internal/node/open-host.ts',
    text: '      checkObserver(directory, options);\n',
    replacement: '',
    tests: [OBSERVERS],
  },
  {
    name: 'observer: what it reads does not keep entries from eviction',
    file: 'internal/replication/observers.ts',
    text: 'if (answer.hotKeys !== undefined && answer.hotKeys.length > 0) onHotKeys(answer.hotKeys);',
    replacement: 'onHotKeys([]);',
    tests: [OBSERVERS],
  },
  {
    name: 'embedded: get gives an entry that has expired',
    file: 'internal/storage/side-reads.ts',
    text: 'if (expireAtMs === NEVER || !isExpired(expireAtMs, clock.readNowMs())) {',
    replacement: 'if (expireAtMs === NEVER || clock.readNowMs() >= 0) {',
    tests: [READS, EMBEDDED],
  },
  {
    name: 'embedded: get gives a view of what changes',
    file: 'internal/storage/side-reads.ts',
    text: 'return slot === NO_SLOT ? undefined : this.#slots.valueOf(slot);',
    replacement: 'return slot === NO_SLOT ? undefined : this.#slots.viewOf(slot);',
    tests: [READS],
  },
  {
    name: 'embedded: maxStalenessMs does not count',
    file: 'internal/node/doors/local-door.ts',
    text: 'if (maxStalenessMs !== undefined && this.stalenessMs > maxStalenessMs) throw this.#tooStale();',
    replacement: 'if (maxStalenessMs !== undefined && maxStalenessMs < 0) throw this.#tooStale();',
    tests: [EMBEDDED],
  },
  {
    name: 'embedded: reads of an engine that was replaced',
    file: 'internal/node/doors/local-door.ts',
    text: 'if (this.#engine === engine && this.#reads !== undefined) return this.#reads;',
    replacement: 'if (this.#reads !== undefined) return this.#reads;',
    tests: [EMBEDDED],
  },
  {
    name: 'embedded: reads go on after the disk has failed',
    file: 'embedded/embedded-replica.ts',
    text: '    this.#failure ??= error;',
    replacement: '    void error;',
    tests: [EMBEDDED],
  },
];
