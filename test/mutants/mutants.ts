/**
 * Durability bugs, to be planted one at a time, each with the tests that must
 * notice it. `text` must stand in `file` exactly once: where the code has moved
 * on, the run fails, so that this table cannot rot unseen.
 */

import { ADMISSION_MUTANTS } from './admission-mutants.ts';
import { ADVICE_MUTANTS } from './advice-mutants.ts';
import { ANSWER_MUTANTS } from './answer-mutants.ts';
import { API_MUTANTS } from './api-mutants.ts';
import { APPLY_MUTANTS } from './apply-mutants.ts';
import { ASIDE_MUTANTS } from './aside-mutants.ts';
import { AUTH_MUTANTS } from './auth-mutants.ts';
import { BENCH_COMMAND_MUTANTS } from './bench-command-mutants.ts';
import { CALLER_TLS_MUTANTS } from './caller-tls-mutants.ts';
import { CLIENT_MUTANTS } from './client-mutants.ts';
import { CLOCK_MUTANTS } from './clock-mutants.ts';
import { CLUSTER_CLIENT_MUTANTS } from './cluster-client-mutants.ts';
import { CLUSTER_MUTANTS } from './cluster-mutants.ts';
import { COMMAND_MUTANTS } from './command-mutants.ts';
import { COORDINATOR_MUTANTS } from './coordinator-mutants.ts';
import { COORDINATOR_SERVICE_MUTANTS } from './coordinator-service-mutants.ts';
import { DIGEST_MUTANTS } from './digest-mutants.ts';
import { EDGE_MUTANTS } from './edge-mutants.ts';
import { EXECUTABLE_MUTANTS } from './executable-mutants.ts';
import { FAILOVER_MUTANTS } from './failover-mutants.ts';
import { FEED_MUTANTS } from './feed-mutants.ts';
import { FILL_MUTANTS } from './fill-mutants.ts';
import { FORMAT_MUTANTS } from './format-mutants.ts';
import { GZIP_MUTANTS } from './gzip-mutants.ts';
import { HISTORY_MUTANTS } from './history-mutants.ts';
import { HTTP1_DRIVER_MUTANTS } from './http1-driver-mutants.ts';
import { HTTP1_MUTANTS } from './http1-mutants.ts';
import { HTTP2_CLIENT_MUTANTS } from './http2-client-mutants.ts';
import { HTTP2_MUTANTS } from './http2-mutants.ts';
import { IDENTITY_MUTANTS } from './identity-mutants.ts';
import { JSON_MUTANTS } from './json-mutants.ts';
import { LOAD_MUTANTS } from './load-mutants.ts';
import { LOG_MUTANTS } from './log-mutants.ts';
import { MEMBER_MUTANTS } from './member-mutants.ts';
import { MEMORY_MUTANTS } from './memory-mutants.ts';
import { METRIC_MUTANTS } from './metric-mutants.ts';
import { MOVE_MUTANTS } from './move-mutants.ts';
import type { Mutant } from './mutant.ts';
import { NAMED_MUTANTS } from './named-mutants.ts';
import { OBSERVER_MUTANTS } from './observer-mutants.ts';
import { OWNERSHIP_MUTANTS } from './ownership-mutants.ts';
import { PAGE_MUTANTS } from './page-mutants.ts';
import { PLACE_MUTANTS } from './place-mutants.ts';
import { PROCESS_MUTANTS } from './process-mutants.ts';
import { READ_MUTANTS } from './read-mutants.ts';
import { RECORD_MUTANTS } from './record-mutants.ts';
import { RECOVERY_MUTANTS } from './recovery-mutants.ts';
import { RELAY_MUTANTS } from './relay-mutants.ts';
import { RETIRED_MUTANTS } from './retired-mutants.ts';
import { ROUTING_MUTANTS } from './routing-mutants.ts';
import { SESSION_MUTANTS } from './session-mutants.ts';
import { SETTINGS_MUTANTS } from './settings-mutants.ts';
import { SHELL_MUTANTS } from './shell-mutants.ts';
import { STALL_MUTANTS } from './stall-mutants.ts';
import { TELEMETRY_MUTANTS } from './telemetry-mutants.ts';
import { TERM_MUTANTS } from './term-mutants.ts';
import { TIME_MUTANTS } from './time-mutants.ts';
import { TLS_MUTANTS } from './tls-mutants.ts';
import { TOOL_MUTANTS } from './tool-mutants.ts';
import { UNREAD_MUTANTS } from './unread-mutants.ts';
import { VALUE_MUTANTS } from './value-mutants.ts';
import { VECTOR_MUTANTS } from './vector-mutants.ts';
import { WATCH_MEMORY_MUTANTS } from './watch-memory-mutants.ts';
import { WATCH_MUTANTS } from './watch-mutants.ts';
import { WHOLE_CLUSTER_MUTANTS } from './whole-cluster-mutants.ts';
import { WIRE_MUTANTS } from './wire-mutants.ts';
import { WRITE_MUTANTS } from './write-mutants.ts';

const SIMULATION = 'test/torture/simulation.test.ts';
const DAMAGE = 'test/torture/damage-matrix.test.ts';
const WRITER = 'test/wal/writer.test.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'acknowledged before its fdatasync',
    file: 'internal/wal/log-writer.ts',
    text: `      if (syncsEveryBatch) await end.sync(false);
      events.onCommitted?.(end.written.lsn);`,
    replacement: `      events.onCommitted?.(end.written.lsn);
      if (syncsEveryBatch) await end.sync(false);`,
    tests: [SIMULATION],
  },
  {
    name: 'durable counts what was written during the fdatasync',
    file: 'internal/wal/log-end.ts',
    text: 'if (announces) this.#advanceDurable(issuedLsn);',
    replacement: 'if (announces) this.#advanceDurable(this.#written.lsn + 0 * issuedLsn);',
    tests: [WRITER],
  },
  {
    name: 'failed fdatasync tried again',
    file: 'internal/wal/log-end.ts',
    text: '      await open.file.datasync();',
    replacement: '      await open.file.datasync().catch(() => open.file.datasync());',
    tests: [SIMULATION],
  },
  {
    name: 'short write taken for a whole one',
    file: 'internal/wal/whole-files.ts',
    text: '  while (written < bytes.length) written += await file.write(bytes.subarray(written), position + written);',
    replacement: '  if (written > bytes.length) written = 0;',
    tests: [SIMULATION],
  },
  {
    name: 'segment left without its seal',
    file: 'internal/wal/log-end.ts',
    text: '    await writeFully(file, encodeSeal(salt, seal), segment.sizeBytes);',
    replacement: '    encodeSeal(salt, seal);',
    tests: [SIMULATION],
  },
  {
    name: 'seal not fdatasynced before the next segment',
    file: 'internal/wal/log-end.ts',
    text: `    await this.sync();
    segment.sizeBytes += NOTE_BYTES;
    segment.isSealed = true;`,
    replacement: `    segment.sizeBytes += NOTE_BYTES;
    segment.isSealed = true;`,
    tests: [SIMULATION],
  },
  {
    name: 'directory not fsynced after a new segment',
    file: 'internal/wal/tail-keeper.ts',
    text: `      await directory.syncNames();
      await this.#vouchFor(name, tail.lsn);`,
    replacement: '      await this.#vouchFor(name, tail.lsn);',
    tests: ['test/wal/crash.test.ts'],
  },
  {
    name: 'batch refused for want of space not cut off again',
    file: 'internal/wal/log-end.ts',
    text: '      await open.file.truncate(open.segment.sizeBytes);',
    replacement: '      await Promise.resolve();',
    tests: [SIMULATION, WRITER],
  },
  {
    name: 'LSNs of a refused batch not reused',
    file: 'internal/wal/write-queue.ts',
    text: '    this.#tail = end;\n',
    replacement: '',
    tests: [SIMULATION],
  },
  {
    name: 'accepted state of a refused batch kept',
    file: 'internal/master/write-path.ts',
    text: '    this.accepted.drop();',
    replacement: '',
    tests: [SIMULATION],
  },
  {
    name: 'unclean tail trusted in place',
    file: 'internal/wal/tail-keeper.ts',
    text: '      await this.#rewrite(state);',
    replacement: '      if (state.tornWhy !== undefined) await this.#rewrite(state);',
    tests: [SIMULATION, WRITER],
  },
  {
    name: 'damage before a durable record taken for a torn tail',
    file: 'internal/wal/verdict.ts',
    text: '      if (damage.provenDurableLsn >= damage.neededLsn) {',
    replacement: '      if (damage.provenDurableLsn > damage.neededLsn + 1_000_000) {',
    tests: [DAMAGE],
  },
  {
    name: 'payload with a wrong CRC taken',
    file: 'internal/wal/frame.ts',
    text: '  return crc === buffer.readUInt32LE(payloadOffset - 4);',
    replacement: '  return crc >= 0;',
    tests: [DAMAGE],
  },
  {
    name: 'durLag one too small',
    file: 'internal/wal/batch-buffer.ts',
    text: 'frame.lsn - limits.durableLsn);',
    replacement: 'frame.lsn - limits.durableLsn - 1);',
    tests: [SIMULATION],
  },
  {
    name: 'MANIFEST renamed before its fdatasync',
    file: 'internal/wal/wal-directory.ts',
    text: `        await writeFully(file, encodeManifest(manifest), 0);
        await file.datasync();`,
    replacement: '        await writeFully(file, encodeManifest(manifest), 0);',
    tests: [SIMULATION],
  },
  {
    name: 'directory not fsynced after MANIFEST',
    file: 'internal/wal/wal-directory.ts',
    text: `      isReplaced = true;
      await this.syncNames();`,
    replacement: '      isReplaced = true;',
    tests: ['test/wal/kept-log.test.ts'],
  },
  {
    name: 'snapshot renamed before its fdatasync',
    file: 'internal/engine/checkpoint.ts',
    text: `      await file.datasync();
      return bytes;`,
    replacement: '      return bytes;',
    tests: [SIMULATION],
  },
  {
    name: 'log deleted before MANIFEST names the snapshot',
    file: 'internal/engine/checkpoint.ts',
    text: '    await amendManifest(this.#directory, { snapshot: name,',
    replacement: `    await this.#engine.log.compact(lsn);
    await amendManifest(this.#directory, { snapshot: name,`,
    tests: [SIMULATION],
  },
  {
    name: 'snapshot without the pre-image of a changed entry',
    file: 'internal/storage/snapshot-scan.ts',
    text: '    if (slot < this.#end && this.#isDue(slot)) this.#write(slot);',
    replacement: '    if (slot < this.#end && this.#isDue(slot)) this.#markWritten(slot);',
    tests: ['test/storage/snapshot.test.ts'],
  },
  {
    name: 'old epoch continued after a clean stop',
    file: 'internal/node/master-epoch.ts',
    text: 'return tail.epoch === run.epoch ? undefined : makeEpoch(',
    replacement: 'return host.wasClean ? undefined : makeEpoch(',
    tests: ['test/node/copied-directory.test.ts'],
  },
  {
    name: 'old epoch continued by every start',
    file: 'internal/node/master-epoch.ts',
    text: 'return tail.epoch === run.epoch ? undefined : makeEpoch(',
    replacement: 'return tail.lsn > 0 ? undefined : makeEpoch(',
    tests: [SIMULATION],
  },
  {
    name: 'deletes of expired entries not applied',
    file: 'internal/engine/records/data-record.ts',
    text: '    while (mutation.next()) store.applyEncoded(mutation, frame);',
    replacement:
      "    while (mutation.next()) if (mutation.cause !== 'expired') store.applyEncoded(mutation, frame);",
    tests: [SIMULATION],
  },
  ...CLIENT_MUTANTS,
  ...LOAD_MUTANTS,
  ...CLUSTER_CLIENT_MUTANTS,
  ...EXECUTABLE_MUTANTS,
  ...FAILOVER_MUTANTS,
  ...MEMBER_MUTANTS,
  ...RECOVERY_MUTANTS,
  ...FEED_MUTANTS,
  ...FILL_MUTANTS,
  ...GZIP_MUTANTS,
  ...HISTORY_MUTANTS,
  ...HTTP1_DRIVER_MUTANTS,
  ...HTTP1_MUTANTS,
  ...HTTP2_MUTANTS,
  ...HTTP2_CLIENT_MUTANTS,
  ...WIRE_MUTANTS,
  ...IDENTITY_MUTANTS,
  ...JSON_MUTANTS,
  ...OBSERVER_MUTANTS,
  ...OWNERSHIP_MUTANTS,
  ...PAGE_MUTANTS,
  ...PLACE_MUTANTS,
  ...PROCESS_MUTANTS,
  ...RELAY_MUTANTS,
  ...RETIRED_MUTANTS,
  ...STALL_MUTANTS,
  ...TERM_MUTANTS,
  ...TIME_MUTANTS,
  ...LOG_MUTANTS,
  ...APPLY_MUTANTS,
  ...ASIDE_MUTANTS,
  ...AUTH_MUTANTS,
  ...TLS_MUTANTS,
  ...READ_MUTANTS,
  ...RECORD_MUTANTS,
  ...BENCH_COMMAND_MUTANTS,
  ...CALLER_TLS_MUTANTS,
  ...CLOCK_MUTANTS,
  ...COORDINATOR_MUTANTS,
  ...COORDINATOR_SERVICE_MUTANTS,
  ...CLUSTER_MUTANTS,
  ...COMMAND_MUTANTS,
  ...FORMAT_MUTANTS,
  ...MEMORY_MUTANTS,
  ...METRIC_MUTANTS,
  ...MOVE_MUTANTS,
  ...ROUTING_MUTANTS,
  ...SESSION_MUTANTS,
  ...SETTINGS_MUTANTS,
  ...NAMED_MUTANTS,
  ...DIGEST_MUTANTS,
  ...SHELL_MUTANTS,
  ...TELEMETRY_MUTANTS,
  ...TOOL_MUTANTS,
  ...UNREAD_MUTANTS,
  ...ADMISSION_MUTANTS,
  ...ADVICE_MUTANTS,
  ...ANSWER_MUTANTS,
  ...API_MUTANTS,
  ...VALUE_MUTANTS,
  ...VECTOR_MUTANTS,
  ...WATCH_MEMORY_MUTANTS,
  ...WATCH_MUTANTS,
  ...WHOLE_CLUSTER_MUTANTS,
  ...WRITE_MUTANTS,
  ...EDGE_MUTANTS,
];
