/**
 * Sends the metrics of a process to a collector, by OTLP over HTTP with binary protobuf.
 *
 * At most one export is under way and nothing waits behind it. What is tried again is not the
 * export that failed: the next one has newer values of the same counters, so none is lost with it.
 * Nothing here ever rejects or delays anything else of the process.
 */
import { fromBinary } from '@bufbuild/protobuf';
import type { Post, PostAnswer } from '#dial/post.ts';
import { isOfUnknownAuthority, whyLost } from '#dial/why-lost.ts';
import { type ExportMetricsServiceResponse, ExportMetricsServiceResponseSchema } from '#gen/otlp/otlp_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { LinePaces } from '#platform/line-pace.ts';
import type { Logger } from '#platform/logger.ts';
import type { CounterHandle, Family, GaugeHandle, Metrics } from '#platform/metrics.ts';
import type { Random } from '#platform/random.ts';
import { asError } from '#platform/thrown.ts';
import { type Outcome, outcomeOf, type Refusal, waitOf } from '#telemetry/export-outcome.ts';
import { exportRequestOf, type ResourceAttributes } from '#telemetry/export-request.ts';

export interface OtlpExporterOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The collector, for messages. */
  readonly endpoint: string;
  readonly post: Post;
  /** Headers of each export besides those of OTLP, such as a credential. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly resource: ResourceAttributes;
  readonly intervalMs: number;
  /** When the process started; wall time. */
  readonly startMs: number;
}

/** The collector has so long to answer. */
const TIMEOUT_MS = 10_000;
const PROTOBUF = 'application/x-protobuf';

export class OtlpExporter {
  readonly #options: OtlpExporterOptions;
  readonly #paces: LinePaces;
  readonly #exports: Family<'result', CounterHandle>;
  readonly #lastSuccess: GaugeHandle;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  /** Begins at once. */
  constructor(options: OtlpExporterOptions) {
    const { metrics, clock } = options;
    this.#options = options;
    this.#paces = new LinePaces(clock);
    this.#exports = metrics.counterFamily(
      'walnut_otlp_exports_total',
      'Exports of metrics to the collector, by result.',
      ['result'],
    );
    this.#lastSuccess = metrics.gauge(
      'walnut_otlp_last_success_timestamp_seconds',
      'When the collector last took a whole export.',
    );
    metrics
      .gauge('walnut_otlp_interval_seconds', 'How long the process waits between two exports that are taken.')
      .set(options.intervalMs / 1_000);
    this.#done = this.#run();
  }

  /** An export that is under way is given up. */
  close(): Promise<void> {
    this.#stop.abort();
    return this.#done;
  }

  async #run(): Promise<void> {
    const { clock, random, intervalMs } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; ) {
      const outcome = await this.#export();
      if (signal.aborted) return;
      this.#tell(outcome);
      failures = outcome.isWorthRetry ? failures + 1 : 0;
      await clock.sleep(waitOf({ outcome, failures, intervalMs, chance: random.uint32() / 2 ** 32 }), signal);
    }
  }

  async #export(): Promise<Outcome> {
    const { metrics, clock, post, headers, resource, startMs } = this.#options;
    const ends = new AbortController();
    const end = (): void => ends.abort();
    this.#stop.signal.addEventListener('abort', end, { once: true });
    const timer = clock.after(TIMEOUT_MS, end);
    try {
      const whole = await metrics.readAll();
      const body = exportRequestOf(whole, resource, { startMs, nowMs: clock.wallMs() });
      return outcomeOf(await post(body, { ...headers(), 'content-type': PROTOBUF }, ends.signal), {
        refused: refusedOf,
        nowMs: clock.wallMs(),
      });
    } catch (error) {
      const why = ends.signal.aborted ? `no answer within ${TIMEOUT_MS / 1_000} s` : whyFailed(error);
      return { result: 'failed', why, isWorthRetry: true };
    } finally {
      timer.cancel();
      this.#stop.signal.removeEventListener('abort', end);
    }
  }

  #tell({ result, why }: Outcome): void {
    const { clock, logger, endpoint } = this.#options;
    this.#exports.with({ result }).inc();
    if (result === 'ok') this.#lastSuccess.set(clock.wallMs() / 1_000);
    const pace = why === undefined ? undefined : this.#paces.take(result);
    if (pace === undefined) return;
    const fields = { endpoint, why, ...pace };
    if (result === 'partial') logger.warn(fields, 'the collector took a part of the metrics');
    else logger.warn(fields, 'the collector did not take the metrics');
  }
}

function whyFailed(error: unknown): string {
  const why = whyLost(asError(error));
  return isOfUnknownAuthority(error) ? `${why}: expected it in metrics.otlp.ca` : why;
}

/** What a collector says that it refused; undefined: nothing. An empty answer is one of OTLP that refuses nothing. */
function refusedOf({ headers, body }: PostAnswer): Refusal | undefined {
  if (body.length === 0) return undefined;
  const type = headers['content-type'] ?? 'none';
  if (!type.startsWith(PROTOBUF)) return notOtlp(`content-type ${type}`);
  let answer: ExportMetricsServiceResponse;
  try {
    answer = fromBinary(ExportMetricsServiceResponseSchema, body);
  } catch {
    return notOtlp('a body that cannot be decoded');
  }
  const { partialSuccess } = answer;
  if (partialSuccess === undefined) return undefined;
  const { rejectedDataPoints: points, errorMessage } = partialSuccess;
  if (points === 0n && errorMessage === '') return undefined;
  return {
    result: 'partial',
    why: `${points} points were refused: ${errorMessage || 'no reason is given'}`,
  };
}

function notOtlp(what: string): Refusal {
  return { result: 'refused', why: `the answer is not that of OTLP (${what})` };
}
