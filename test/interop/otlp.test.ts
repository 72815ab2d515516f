/**
 * An export of metrics as OpenTelemetry's own messages read it, in Python. What is missing on a machine is
 * skipped, and the reason says what it is. INTEROP_PYTHON names a Python that is not on the PATH.
 */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { registerProcessMetrics } from '#platform/process-metrics.ts';
import { exportRequestOf } from '#telemetry/export-request.ts';

const PYTHON = process.env['INTEROP_PYTHON'] ?? 'python3';
const READER = `
import json, sys
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
request = ExportMetricsServiceRequest.FromString(sys.stdin.buffer.read())
[resource] = request.resource_metrics
[scope] = resource.scope_metrics
told = {}
for metric in scope.metrics:
    points = getattr(metric, metric.WhichOneof('data')).data_points
    told[metric.name] = [metric.WhichOneof('data'), len(points), points[0].time_unix_nano >= points[0].start_time_unix_nano]
print(json.dumps({'resource': {a.key: a.value.string_value for a in resource.resource.attributes}, 'told': told}))
`;

it('is read by OpenTelemetry’s messages in Python, each metric with its points', async ({ skip }) => {
  if (spawnSync(PYTHON, ['-c', 'import opentelemetry.proto'], { stdio: 'ignore' }).status !== 0)
    skip('SKIPPED: no messages of OpenTelemetry for Python here: pip install opentelemetry-proto');
  const metrics = new Metrics();
  registerProcessMetrics(metrics);
  metrics.histogramFamily('walnut_wait_seconds', 'Waits.', ['method']).with({ method: 'Get' }).observe(0.2);
  const nowMs = createNodeClock().wallMs();
  const whole = await metrics.readAll();
  const input = exportRequestOf(whole, { 'service.name': 'walnut' }, { startMs: nowMs - 5_000, nowMs });
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', READER], { input, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  const { resource, told } = JSON.parse(stdout) as { resource: object; told: Record<string, unknown> };
  expect(resource).toEqual({ 'service.name': 'walnut' });
  expect(told).toEqual(
    Object.fromEntries(
      whole.map(({ name, type, samples }) => [
        name,
        [type === 'counter' ? 'sum' : type, samples.length, true],
      ]),
    ),
  );
});
