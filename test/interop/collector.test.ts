/**
 * A real master exports its metrics to an OpenTelemetry Collector, made of its own modules in Go. What is missing on
 * a machine is skipped, and the reason says what it is.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, RealNodes } from '#test/cmd/real-node.ts';
import { freePort } from '#test/doubles/free-ports.ts';

const SOURCE = join(import.meta.dirname, 'collector');
const BUILD_MS_MAX = 900_000;
const nodes = new RealNodes();
let directory = '';
let collector: ChildProcess | undefined;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-collector-'));
});
afterAll(async () => {
  await nodes.end();
  collector?.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

/** Configuration in YAML, of which JSON is a part. */
function configOf(port: number): object {
  return {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { debug: { verbosity: 'detailed' } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { metrics: { receivers: ['otlp'], exporters: ['debug'] } },
    },
  };
}

it(
  'is taken by a Collector: who sends, gauges, sums and histograms',
  async ({ skip }) => {
    if (!process.env['WALNUT_INTEROP'])
      skip('SKIPPED: it takes some minutes to build; run: npm run test:interop');
    if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) skip('SKIPPED: no Go here');
    const program = join(directory, 'collector');
    const options = { cwd: SOURCE, encoding: 'utf8' } as const;
    if (spawnSync('go', ['mod', 'download'], options).status !== 0)
      skip('SKIPPED: the modules of test/interop/collector cannot be had here, or ask for another Go');
    const built = spawnSync('go', ['build', '-o', program, '.'], options);
    expect([built.status, built.stderr]).toEqual([0, '']);
    const port = await freePort();
    collector = spawn(program, ['--config', `yaml:${JSON.stringify(configOf(port))}`]);
    let said = '';
    for (const stream of [collector.stdout, collector.stderr])
      stream?.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
    await eventually(
      () => said.includes('Everything is ready'),
      () => said,
    );
    const endpoint = `metrics.otlp.endpoint=http://127.0.0.1:${port}`;
    const master = await nodes.start({ sets: [endpoint, 'metrics.otlp.interval=1s'] });
    const told = [
      /-> service\.name: Str\(walnut\)/,
      /-> walnut\.kind: Str\(master\)/,
      /-> Name: walnut_ready\n[\s\S]*?-> DataType: Gauge/,
      /-> Name: walnut_uptime_seconds\n/,
      /-> Name: walnut_store_hits_total\n[\s\S]*?-> DataType: Sum\n\s+-> IsMonotonic: true/,
      /-> Name: walnut_wal_fsync_duration_seconds\n[\s\S]*?-> DataType: Histogram/,
    ];
    await eventually(
      () => told.every((each) => each.test(said)),
      () => `${master.output}\n${said}`,
    );
    await eventually(
      async () => (await master.get('/metrics')).text.includes('walnut_otlp_exports_total{result="ok"}'),
      'the master counts what was taken',
    );
  },
  BUILD_MS_MAX,
);
