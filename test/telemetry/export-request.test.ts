/** Exports as another implementation of protobuf encodes them: OpenTelemetry's own messages in Python. */
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ExportMetricsServiceRequestSchema } from '#gen/otlp/otlp_pb.ts';
import { Metrics } from '#platform/metrics.ts';
import { exportRequestOf } from '#telemetry/export-request.ts';

const RESOURCE = { 'service.name': 'walnut', 'service.version': '0.2.0' };
const START_MS = 1_767_225_600_000;
const TIMES = { startMs: START_MS, nowMs: START_MS + 15_000 };

/** By opentelemetry-proto 1.45 of PyPI, `SerializeToString(deterministic=True)`. */
const EXPECTED = [
  '0adc020a360a180a0c736572766963652e6e616d6512080a0677616c6e75740a1a0a0f736572766963652e766572',
  '73696f6e12070a05302e322e3012a1020a0f0a0677616c6e75741205302e322e30124d0a1277616c6e75745f6361',
  '6c6c735f746f74616c120643616c6c732e3a2f0a29110000faed517286181900d60b6c5572861821000000000000',
  '08403a0c0a04636f646512040a026f6b1002180112390a1277616c6e75745f6c61675f7365636f6e647312044c61',
  '672e2a1d0a1b110000faed517286181900d60b6c5572861821000000000000f8bf1283010a1377616c6e75745f74',
  '696d655f7365636f6e6473120554696d652e4a650a61110000faed517286181900d60b6c55728618210600000000',
  '000000290000000000001d4032180100000000000000020000000000000003000000000000003a10000000000000',
  'e03f000000000000f03f4a0f0a066d6574686f6412050a034765741002',
].join('');

async function metricsOf(): Promise<Awaited<ReturnType<Metrics['readAll']>>> {
  const metrics = new Metrics();
  metrics.counterFamily('walnut_calls_total', 'Calls.', ['code']).with({ code: 'ok' }).inc(3);
  metrics.gauge('walnut_lag_seconds', 'Lag.').set(-1.5);
  const time = metrics.histogramFamily('walnut_time_seconds', 'Time.', ['method'], [0.5, 1]);
  const get = time.with({ method: 'Get' });
  for (const value of [0.25, 0.75, 0.75, 1.5, 2, 2]) get.observe(value);
  // No label was counted yet: there is nothing to tell.
  metrics.counterFamily('walnut_none_total', 'None.', ['code']);
  metrics.gaugeFrom('walnut_broken', 'Cannot be read.', () => {
    throw new Error('closed');
  });
  return metrics.readAll();
}

describe('an export', () => {
  it('is what OpenTelemetry’s own messages encode', async () => {
    const whole = (await metricsOf()).filter(({ name }) => name !== 'walnut_broken');
    expect(Buffer.from(exportRequestOf(whole, RESOURCE, TIMES)).toString('hex')).toBe(EXPECTED);
  });

  it('never has a point that ends before it begins, though the clock was set back', async () => {
    const body = exportRequestOf(await metricsOf(), RESOURCE, { startMs: START_MS, nowMs: START_MS - 1 });
    const { resourceMetrics } = fromBinary(ExportMetricsServiceRequestSchema, body);
    const { data } = resourceMetrics[0]?.scopeMetrics[0]?.metrics[0] ?? {};
    const point = data?.case === 'sum' ? data.value.dataPoints[0] : undefined;
    expect([point?.startTimeUnixNano, point?.timeUnixNano]).toEqual([
      BigInt(START_MS - 1) * 1_000_000n,
      BigInt(START_MS - 1) * 1_000_000n,
    ]);
  });
});
