/** Planted bugs of the export of metrics by OTLP. */
import type { Mutant } from './mutant.ts';

const REQUEST = 'test/telemetry/export-request.test.ts';
const OUTCOME = 'test/telemetry/export-outcome.test.ts';
const EXPORTER = 'test/telemetry/otlp-exporter.test.ts';
const POST = 'test/dial/post.test.ts';
const KEYS = 'test/config/metrics-keys.test.ts';

export const TELEMETRY_MUTANTS: readonly Mutant[] = [
  {
    name: 'export of sums that are said to fall',
    file: 'internal/telemetry/export-request.ts',
    text: 'isMonotonic: true',
    replacement: 'isMonotonic: false',
    tests: [REQUEST],
  },
  {
    name: 'export of points that end before they begin',
    file: 'internal/telemetry/export-request.ts',
    text: 'return Math.min(startMs, nowMs);',
    replacement: 'return startMs + 0 * nowMs;',
    tests: [REQUEST],
  },
  {
    name: 'export that a refusal makes come sooner',
    file: 'internal/telemetry/export-outcome.ts',
    text: 'if (!WORTH_RETRY.has(status)) return',
    replacement: 'if (status === 0) return',
    tests: [OUTCOME],
  },
  {
    name: 'export that comes before Retry-After',
    file: 'internal/telemetry/export-outcome.ts',
    text: 'Math.max(Math.round(jitteredMs), outcome.retryAfterMs ?? 0)',
    replacement: 'Math.round(jitteredMs)',
    tests: [OUTCOME],
  },
  {
    name: 'export that a collector may put off for ever',
    file: 'internal/telemetry/export-outcome.ts',
    text: 'Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms))',
    replacement: 'Math.max(0, ms)',
    tests: [OUTCOME],
  },
  {
    name: 'export that waits for its collector without an end',
    file: 'internal/telemetry/otlp-exporter.ts',
    text: 'const timer = clock.after(TIMEOUT_MS, end);',
    replacement: 'const timer = clock.after(TIMEOUT_MS, () => {});',
    tests: [EXPORTER],
  },
  {
    name: 'export that delays the stop of its process',
    file: 'internal/telemetry/otlp-exporter.ts',
    text: `    this.#stop.signal.addEventListener('abort', end, { once: true });\n`,
    replacement: '',
    tests: [EXPORTER],
  },
  {
    name: 'export that any page which answers 200 takes',
    file: 'internal/telemetry/otlp-exporter.ts',
    text: 'if (!type.startsWith(PROTOBUF)) return notOtlp(',
    replacement: 'if (type === PROTOBUF) return notOtlp(',
    tests: [EXPORTER],
  },
  {
    name: 'alarm of exports that a slow interval raises',
    file: 'internal/page/assets/rules-load.js',
    text: "EXPORT_LATE_S + 2 * (sumOf(now, 'walnut_otlp_interval_seconds') ?? 0)",
    replacement: 'EXPORT_LATE_S',
    tests: ['test/page/alarms.test.ts'],
  },
  {
    name: 'refused URL whose password is shown',
    file: 'internal/config/leaf-schemas.ts',
    text: '    isSecret: true,\n',
    replacement: '',
    tests: [KEYS],
  },
  {
    name: 'export whose waits after failures do not grow',
    file: 'internal/telemetry/otlp-exporter.ts',
    text: 'failures = outcome.isWorthRetry ? failures + 1 : 0;',
    replacement: 'failures = outcome.isWorthRetry ? 1 : 0;',
    tests: [EXPORTER],
  },
  {
    name: 'answer to a post that is read without a bound',
    file: 'internal/dial/post.ts',
    text: '    if (length > ANSWER_BYTES_MAX) break;\n',
    replacement: '    if (length > 100 * ANSWER_BYTES_MAX) break;\n',
    tests: [POST],
  },
  {
    name: 'headers of exports that cross a network in clear text',
    file: 'internal/config/check-metrics.ts',
    text: 'mayBeClear || isLoopbackHost(host)',
    replacement: 'mayBeClear || !isLoopbackHost("")',
    tests: [KEYS],
  },
];
