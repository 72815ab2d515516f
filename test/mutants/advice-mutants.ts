/** Bugs by which an operator reads too much in the log, or is told the wrong thing to do. */
import type { Mutant } from './mutant.ts';

const FLOOD = 'test/node/log-flood.test.ts';
const WAYS_OUT = 'test/node/ways-out.test.ts';
const TERMS = 'test/node/believed-terms.test.ts';
const IDENTITY = 'test/node/identity.test.ts';

export const ADVICE_MUTANTS: readonly Mutant[] = [
  {
    name: 'log line without a pace',
    file: 'internal/platform/create-logger.ts',
    text: "level === 'fatal' ? {} : this.#shared.paces.take(message);",
    replacement: "level === 'fatal' || message !== '' ? {} : this.#shared.paces.take(message);",
    tests: [FLOOD],
  },
  {
    name: 'pace of its own for each logger',
    file: 'internal/platform/create-logger.ts',
    text: 'return new PinoLogger(this.#pino.child(fields), this.#shared);',
    replacement:
      'return new PinoLogger(this.#pino.child(fields), { ...this.#shared, paces: new LinePaces(createNodeClock()) });',
    tests: ['test/platform/create-logger.test.ts'],
  },
  {
    name: 'kinds of log lines remembered without a bound',
    file: 'internal/platform/line-pace.ts',
    text: 'if (this.#paces.size >= KINDS_MAX) {',
    replacement: 'if (this.#paces.size >= KINDS_MAX * 1e9) {',
    tests: ['test/platform/line-pace.test.ts'],
  },
  {
    name: 'replica taken that advertises the address of another node',
    file: 'internal/node/hearsay.ts',
    text: "if (status === undefined || status.nodeId === '' || status.nodeId === node.nodeId) return;",
    replacement: 'if (status === undefined || status.nodeId !== node.nodeId || node.nodeId !== null) return;',
    tests: [IDENTITY],
  },
  {
    name: 'age of data without a record counted from 1970',
    file: 'internal/engine/log-clock.ts',
    text: 'return timestampMs === 0 ? UNKNOWN_LAG_MS : Math.max(',
    replacement: 'return Math.max(',
    tests: ['test/node/replication.test.ts'],
  },
  {
    name: 'lag of a replica that begins anew with each registration',
    file: 'internal/replication/replica-progress.ts',
    text: 'this.#wasLevel ? nowMs : (before?.levelMs ?? nowMs);',
    replacement: 'nowMs;',
    tests: ['test/replication/replica-progress.test.ts'],
  },
  {
    name: 'resync counted anew with each registration',
    file: 'internal/replication/registered-replicas.ts',
    text: "verdict.kind === 'continue' && isOver &&",
    replacement: "verdict.kind === 'continue' &&",
    tests: ['test/replication/replica-progress.test.ts'],
  },
  {
    name: 'trouble of a replica told anew with each registration',
    file: 'internal/replication/replica-progress.ts',
    text: "problem: this.#options.address === address ? this.#problem : '',",
    replacement: "problem: '',",
    tests: [IDENTITY],
  },
  {
    name: 'term that is not believed shown for ever',
    file: 'internal/node/recent-notes.ts',
    text: 'if (atMs < oldestMs) this.#notes.delete(address);',
    replacement: 'if (atMs < oldestMs - 1e12) this.#notes.delete(address);',
    tests: [TERMS],
  },
  {
    name: 'term that is not believed without the address of its node',
    file: 'internal/node/fence.ts',
    text: '.map(([address, why]) =>',
    replacement: ".map(([, why]) => ['a replica', why] as const).map(([address, why]) =>",
    tests: [TERMS],
  },
  {
    name: 'node without data that sees no holder of it',
    file: 'internal/node/advice.ts',
    text: "if (self.logId === '') return adviceWithoutData(self, others);",
    replacement: 'if (self.logId === null) return adviceWithoutData(self, others);',
    tests: [WAYS_OUT, 'test/node/advice.test.ts'],
  },
  {
    name: 'quarantine that goes on naming a master which is gone',
    file: 'internal/node/lookout.ts',
    text: ': status.logId === quarantine?.upstreamLogId || !isLeading(status);',
    replacement: ': status.logId !== logId;',
    tests: [WAYS_OUT],
  },
  {
    name: 'reason of a wrong master persisted in full',
    file: 'internal/wire/replication-codec.ts',
    text: "return { kind: 'conflict', reason: cutReason(response.reason) };",
    replacement: "return { kind: 'conflict', reason: response.reason };",
    tests: ['test/wire/foreign-texts.test.ts'],
  },
];
