/** The metrics of a process as an export of OTLP, under the names that they have at `/metrics`. Pure. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  AggregationTemporality,
  ExportMetricsServiceRequestSchema,
  type KeyValueSchema,
  type MetricSchema,
} from '#gen/otlp/otlp_pb.ts';
import type { WholeMetric } from '#platform/metrics.ts';

/** What is told of the process, such as `service.name`. */
export type ResourceAttributes = Readonly<Record<string, string>>;

export interface ExportTimes {
  /** When counting began; wall time, milliseconds. */
  readonly startMs: number;
  readonly nowMs: number;
}

const NANOSECONDS_PER_MS = 1_000_000n;
const CUMULATIVE = AggregationTemporality.CUMULATIVE;
const SCOPE = 'walnut';

export function exportRequestOf(
  metrics: readonly WholeMetric[],
  resource: ResourceAttributes,
  times: ExportTimes,
): Uint8Array {
  const points = { startTimeUnixNano: nanosOf(startOf(times)), timeUnixNano: nanosOf(times.nowMs) };
  const scope = { name: SCOPE, version: resource['service.version'] ?? '' };
  const filled = metrics.filter(({ samples }) => samples.length > 0);
  const request = create(ExportMetricsServiceRequestSchema, {
    resourceMetrics: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeMetrics: [{ scope, metrics: filled.map((metric) => metricOf(metric, points)) }],
      },
    ],
  });
  return toBinary(ExportMetricsServiceRequestSchema, request);
}

/** The wall clock may have been set back since the start, and a point that ends before it begins is refused. */
function startOf({ startMs, nowMs }: ExportTimes): number {
  return Math.min(startMs, nowMs);
}

interface PointTimes {
  readonly startTimeUnixNano: bigint;
  readonly timeUnixNano: bigint;
}

function metricOf(metric: WholeMetric, times: PointTimes): MessageInitShape<typeof MetricSchema> {
  const { name, help: description } = metric;
  if (metric.type === 'histogram') {
    const dataPoints = metric.samples.map(({ labels, bounds, counts, sum }) => ({
      ...times,
      attributes: attributesOf(labels),
      count: BigInt(counts.reduce((all, count) => all + count, 0)),
      sum,
      bucketCounts: counts.map(BigInt),
      explicitBounds: [...bounds],
    }));
    const value = { dataPoints, aggregationTemporality: CUMULATIVE };
    return { name, description, data: { case: 'histogram', value } };
  }
  const dataPoints = metric.samples.map(({ labels, value }) => ({
    ...times,
    attributes: attributesOf(labels),
    value: { case: 'asDouble' as const, value },
  }));
  if (metric.type === 'gauge') return { name, description, data: { case: 'gauge', value: { dataPoints } } };
  const value = { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true };
  return { name, description, data: { case: 'sum', value } };
}

function attributesOf(texts: Readonly<Record<string, string>>): MessageInitShape<typeof KeyValueSchema>[] {
  return Object.entries(texts).map(([key, text]) => ({
    key,
    value: { value: { case: 'stringValue', value: text } },
  }));
}

function nanosOf(ms: number): bigint {
  return BigInt(Math.round(ms)) * NANOSECONDS_PER_MS;
}
