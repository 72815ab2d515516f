/** Planted bugs of metrics, of the slow log and of the files for operators. */
import type { Mutant } from './mutant.ts';

const CHECKPOINT = 'test/engine/checkpoint.test.ts';
const DEPLOY = 'test/house/deploy.test.ts';
const FREE_BYTES = 'test/platform/free-bytes.test.ts';
const SLOW_LOG = 'test/server/slow-log.test.ts';
const WRITER = 'test/wal/writer.test.ts';

export const METRIC_MUTANTS: readonly Mutant[] = [
  {
    name: 'metric that tells 0 where there is no value',
    file: 'internal/platform/metrics.ts',
    text: 'if (labelNames.length === 0) metric.remove();',
    replacement: '',
    tests: ['test/platform/metrics.test.ts'],
  },
  {
    name: 'checkpoint that a stop of the node ends counted as failed',
    file: 'internal/engine/checkpoint.ts',
    text: 'if (!this.#isClosed) this.#outcomes.failed(error);',
    replacement: 'this.#outcomes.failed(error);',
    tests: [CHECKPOINT],
  },
  {
    name: 'failed checkpoint told in Status for ever',
    file: 'internal/engine/checkpoint.ts',
    text: '      this.#outcomes.made();\n',
    replacement: '',
    tests: [CHECKPOINT],
  },
  {
    name: 'status of a node made anew for each metric of a scrape',
    file: 'internal/platform/metrics.ts',
    text: 'if (made?.scrape !== this.#scrapes)',
    replacement: 'if (made?.scrape !== -this.#scrapes)',
    tests: ['test/platform/metrics.test.ts'],
  },
  {
    name: 'free bytes of a disk that hangs shown for ever',
    file: 'internal/platform/free-bytes.ts',
    text: '    if (isAsking) bytes = undefined;\n    else void read();',
    replacement: '    if (!isAsking) void read();',
    tests: [FREE_BYTES],
  },
  {
    name: 'free bytes of a disk that fails shown for ever',
    file: 'internal/platform/free-bytes.ts',
    text: '.catch(() => undefined);',
    replacement: '.catch(() => bytes);',
    tests: [FREE_BYTES],
  },
  {
    name: 'refused records counted after they are forgotten',
    file: 'internal/wal/log-writer.ts',
    text: `    this.#parts.meter?.refused(this.#queue.frames.length);
    this.#queue.clear(this.#end.written);`,
    replacement: `    this.#queue.clear(this.#end.written);
    this.#parts.meter?.refused(this.#queue.frames.length);`,
    tests: [WRITER],
  },
  {
    name: 'bytes of the queue counted for those of the batch',
    file: 'internal/wal/log-writer.ts',
    text: 'meter?.written(count, queuedBytes - this.#queue.bytes);',
    replacement: 'meter?.written(count, this.#queue.bytes - 0 * queuedBytes);',
    tests: [WRITER],
  },
  {
    name: 'heartbeats counted as pushes of records',
    file: 'internal/replication/pusher.ts',
    text: 'if (run !== undefined) this.#options.onPush?.(run.last.lsn - previous.lsn, run.bytes.length);',
    replacement: 'this.#options.onPush?.(sent.lsn - previous.lsn, run?.bytes.length ?? 0);',
    tests: ['test/replication/pusher.test.ts'],
  },
  {
    name: 'requests to keys not timed',
    file: 'internal/rpc/call-observer.ts',
    text: '    method.durations.observe(durationMs / 1_000);\n',
    replacement: '    method.durations.observe.name.at(durationMs);\n',
    tests: ['test/server/plain.test.ts'],
  },
  {
    name: 'slow log without an end',
    file: 'internal/rpc/slow-log.ts',
    text: 'if (this.#calls.length > this.#entriesMax) this.#calls.shift();',
    replacement: 'if (this.#calls.length > this.#entriesMax * 1e9) this.#calls.shift();',
    tests: [SLOW_LOG],
  },
  {
    name: 'key of a slow call whole',
    file: 'internal/rpc/slow-log.ts',
    text: "about === undefined ? '' : quoteKey(about)",
    replacement: "about === undefined ? '' : JSON.stringify(about) + quoteKey('').slice(2)",
    tests: [SLOW_LOG],
  },
  {
    name: 'slow log shown to callers without rights to keys',
    file: 'internal/model/methods.ts',
    text: "  GetSlowLog: { access: 'observe', wholeSpace: 'read' },",
    replacement: "  GetSlowLog: { access: 'observe' },",
    tests: ['test/auth/identities.test.ts'],
  },
  {
    name: 'threshold of 0 that makes every call slow',
    file: 'internal/rpc/slow-log.ts',
    text: ' && this.#thresholdMs > 0 &&',
    replacement: ' &&',
    tests: [SLOW_LOG],
  },
  {
    name: 'slow log of calls that wait until something happens',
    file: 'internal/rpc/slow-log.ts',
    text: ' && isHeld !== true;',
    replacement: ' && isHeld !== null;',
    tests: [SLOW_LOG],
  },
  {
    name: 'head of a request that has no room for the longest key',
    file: 'internal/wire/request-key.ts',
    text: 'export const REQUEST_HEAD_BYTES = 1_088;',
    replacement: 'export const REQUEST_HEAD_BYTES = 1_024;',
    tests: ['test/wire/request-key.test.ts'],
  },
  {
    name: 'alert about a metric that nobody has',
    file: 'deploy/prometheus/alerts.yaml',
    text: 'expr: walnut_diverged_unseen_tails > 0',
    replacement: 'expr: walnut_diverged_tails > 0',
    tests: [DEPLOY],
  },
  {
    name: 'alert whose runbook is not there',
    file: 'docs/operations.md',
    text: '### Too little memory\n',
    replacement: '### Memory\n',
    tests: [DEPLOY],
  },
  {
    name: 'image that starts a node behind a shell',
    file: 'deploy/docker/Dockerfile',
    text: 'ENTRYPOINT ["node"]',
    replacement: 'ENTRYPOINT node',
    tests: [DEPLOY],
  },
  {
    name: 'replica of the compose file that follows nobody',
    file: 'deploy/docker/compose.yaml',
    text: `      WALNUT_SERVER__ADVERTISE: "replica-1:8080"
      WALNUT_MASTER__ADDRESS: "master:8080"`,
    replacement: '      WALNUT_SERVER__ADVERTISE: "replica-1:8080"',
    tests: [DEPLOY],
  },
  {
    name: 'chart that gives a node no name of its own',
    file: 'deploy/helm/walnut/templates/node.yaml',
    text: '            - name: WALNUT_CLUSTER__NODE\n',
    replacement: '            - name: WALNUT_NODE\n',
    tests: ['test/house/helm.test.ts'],
  },
  {
    name: 'unit that starts a node on damaged files again and again',
    file: 'deploy/systemd/walnut@.service',
    text: 'RestartPreventExitStatus=2 3 4',
    replacement: 'RestartPreventExitStatus=2',
    tests: [DEPLOY],
  },
  {
    name: 'operation of a Batch that is refused counted as carried out',
    file: 'internal/wire/batch-counts.ts',
    text: 'this.refused(kind === undefined ? NO_KIND : TAGS[kind], result.error);',
    replacement: 'this.done(kind === undefined ? NO_KIND : TAGS[kind]);',
    tests: ['test/server/plain.test.ts'],
  },
  {
    name: 'operations of a Batch that a gateway passes on not counted',
    file: 'internal/wire/relayed-batches.ts',
    text: '    for (const part of parts) count(part, this.#general.counts);\n',
    replacement: '',
    tests: ['test/server/relayed.test.ts'],
  },
];
