/** Planted bugs of receipts, tokens and delayed replicas. */
import type { Mutant } from './mutant.ts';

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'replica that does not follow its master’s clock',
    file: 'internal/engine/log-clock.ts',
    text: '    this.#baseMs = Math.max(now, masterMs);',
    replacement: '    this.#baseMs = Math.max(now, this.#clock.wallMs());',
    tests: ['test/node/skew.test.ts'],
  },
  {
    name: 'replica that deletes what expired by its own clock',
    file: 'internal/slave/push-intake.ts',
    text: '    host.engine?.logClock.follow(request.logClockMs);',
    replacement: `    host.engine?.logClock.follow(request.logClockMs);
    for (const { key } of host.engine?.store.due(options.clock.wallMs(), 10) ?? [])
      host.engine?.store.apply({ op: 'delete', cause: 'expired', key }, host.engine.position);`,
    tests: ['test/node/skew.test.ts', 'test/node/expiry.test.ts'],
  },
  {
    name: 'token reached by its LSN, whatever its epoch',
    file: 'internal/node/reader.ts',
    text: "    return this.#standingOf(engine, position) === 'in_history' && position.lsn <= engine.applied.lsn;",
    replacement: '    return position.lsn <= engine.applied.lsn;',
    tests: ['test/node/session.test.ts'],
  },
  {
    name: 'ack of what a replica has not fdatasynced',
    file: 'internal/slave/push-intake.ts',
    text: '      durable: engine?.durablePosition ?? EMPTY_TAIL,',
    replacement: '      durable: engine?.log.tail ?? EMPTY_TAIL,',
    tests: ['test/node/await-durable.test.ts', 'test/node/replication.test.ts'],
  },
  {
    name: 'min_acks counts acks, not nodes',
    file: 'internal/replication/ack-ledger.ts',
    text: '    this.#durableLsns.set(nodeId, durableLsn);',
    replacement: '    this.#durableLsns.set(nodeId + durableLsn, durableLsn);',
    tests: ['test/node/await-durable.test.ts'],
  },
  {
    name: 'token of a discarded history served',
    file: 'internal/node/reader.ts',
    text: "    if (standing === 'discarded') throw discarded(position);",
    replacement: "    if (standing === 'discarded') return 'in_history';",
    tests: ['test/node/tokens.test.ts'],
  },
  {
    name: 'position beyond a master’s log waited for',
    file: 'internal/node/reader.ts',
    text: '    if (ownsHistory && position.lsn > engine.log.tail.lsn) throw discarded(position);',
    replacement: '    if (ownsHistory && position.lsn < 0) throw discarded(position);',
    tests: ['test/node/tokens.test.ts'],
  },
  {
    name: 'delayed replica that goes by its own clock',
    file: 'internal/engine/delayed-apply.ts',
    text: 'frame.timestampMs + this.delayMs <= this.#masterClockMs;',
    replacement: 'frame.timestampMs + this.delayMs <= Math.max(this.#masterClockMs, this.#clock.wallMs());',
    tests: ['test/node/delayed-replica.test.ts'],
  },
  {
    name: 'delayed replica that judges expiry by the time now',
    file: 'internal/engine/engine.ts',
    text: 'return this.#holds ? this.#appliedClockMs : nowMs;',
    replacement: 'return this.#holds ? nowMs : nowMs;',
    tests: ['test/node/delayed-replica.test.ts'],
  },
  {
    name: 'hold of an operator forgotten by a restart',
    file: 'internal/engine/engine-host.ts',
    text: '    await amendManifest(this.directory, { applyHold: hold });',
    replacement: '    await amendManifest(this.directory, {});',
    tests: ['test/node/delayed-replica.test.ts'],
  },
  {
    name: 'start as master without what was held',
    file: 'internal/engine/open-engine.ts',
    text: "  const delayMs = manifest.role === 'replica' ? (options.applyDelayMs ?? 0) : 0;",
    replacement: '  const delayMs = options.applyDelayMs ?? 0;',
    tests: ['test/node/delayed-replica.test.ts'],
  },
];
