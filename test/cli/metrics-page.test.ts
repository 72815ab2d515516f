/**
 * The whole /metrics page of a real process: it follows the rules of the format and is
 * listed in docs/operations.md.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExportMetricsServiceRequestSchema, type ResourceMetrics } from '#gen/otlp/otlp_pb.ts';
import { MASTER } from '#test/doubles/binaries.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';
import { packageVersion } from '../../cmd/run/package-version.ts';

const OPERATIONS = new URL('../../docs/operations.md', import.meta.url);
const MAX_MEMORY = 50_000_000;
let directory = '';
let master: ChildProcess;
let page = '';
/** What the node sent to its collector. */
let exported: Promise<Buffer>;
let collector: Server;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-metrics-'));
  const users = join(directory, 'auth.yaml');
  await writeFile(
    users,
    `users:\n  - name: scraper\n    roles: [metrics]\n    tokens: ['sha256:${'0'.repeat(64)}']\n`,
    { mode: 0o600 },
  );
  // What counts users is shown where there are some; without a credential everything may still be done.
  let took: (body: Buffer) => void = () => {};
  exported = new Promise((resolve) => {
    took = resolve;
  });
  collector = createServer(async (request, response) => {
    took(Buffer.concat(await request.toArray()));
    response.end();
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const sets = [
    `metrics.otlp.endpoint=http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    'server.port=0',
    `wal.directory=${join(directory, 'data')}`,
    'storage.max_memory=50MB',
    'log.format=json',
    'auth.mode=permissive',
    `auth.file=${users}`,
    `auth.audit_file=${join(directory, 'audit.log')}`,
  ];
  const { cert, key } = new Authority().issue();
  for (const [name, text] of Object.entries({ cert, key })) {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    sets.push(`server.tls.${name}=${join(directory, name)}`);
  }
  sets.push('server.tls.mode=optional');
  const args = [MASTER, ...sets.flatMap((set) => ['--set', set])];
  master = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const address = await listeningAddress(master);
  await fetch(`http://${address}/v1/keys/k`, { method: 'PUT', body: 'v' });
  page = await (await fetch(`http://${address}/metrics`)).text();
}, 30_000);
afterAll(async () => {
  master.kill('SIGKILL');
  collector.close();
  await rm(directory, { recursive: true, force: true });
});

async function listeningAddress({ stderr }: ChildProcess): Promise<string> {
  if (stderr === null) throw new Error('stderr is a pipe');
  const lines: string[] = [];
  let address = '';
  for await (const line of createInterface({ input: stderr })) {
    lines.push(line);
    // Node may also write warnings to stderr.
    if (!line.startsWith('{')) continue;
    const { msg, address: at } = JSON.parse(line) as { msg: string; address?: string };
    if (msg === 'listening') address = at ?? '';
    if (msg === 'recovered') return address;
  }
  throw new Error(`the master did not start: ${lines.join('\n')}`);
}

const familiesOf = (text: string): string[] =>
  [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1] as string);

describe('/metrics of a process', () => {
  it('keeps the rules of Prometheus', () => {
    expect(lintMetrics(page)).toEqual([]);
  });

  it('is clean by promtool, where that is installed', ({ skip }) => {
    const run = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
    skip(run.error !== undefined, 'promtool is not installed');
    expect([run.status, run.stdout, run.stderr]).toEqual([0, '', '']);
  });

  it('is what docs/operations.md lists, with the types it names', async () => {
    const documented = new Map<string, string>();
    for (const line of (await readFile(OPERATIONS, 'utf8')).split('\n')) {
      const [, names = '', type = ''] =
        /^\| ((?:`[a-z0-9_]+`(?:, )?)+) \| (counter|gauge|histogram) \|/.exec(line) ?? [];
      for (const [, name = ''] of names.matchAll(/`([a-z0-9_]+)`/g)) documented.set(name, type);
    }
    const shown = new Map(
      [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => [match[1] as string, match[2] as string]),
    );
    expect([...shown].sort()).toEqual([...documented].sort());
  });

  it('is what the collector of metrics.otlp gets, with the name of the process', async () => {
    const { resourceMetrics } = fromBinary(ExportMetricsServiceRequestSchema, await exported);
    const { resource, scopeMetrics } = resourceMetrics[0] as ResourceMetrics;
    const names = (scopeMetrics[0]?.metrics ?? []).map(({ name }) => name);
    // Labels that nothing was counted for have no point yet.
    expect(familiesOf(page)).toEqual(expect.arrayContaining(names));
    expect(names).toEqual(expect.arrayContaining(['walnut_node_info', 'process_cpu_seconds_total']));
    const attributes = resource?.attributes.map(({ key, value }) => [key, value?.value.value]);
    expect(attributes).toEqual([
      ['service.name', 'walnut'],
      ['service.version', packageVersion()],
      ['service.instance.id', expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
      ['walnut.kind', 'master'],
    ]);
  });

  it('has the standard metrics of a process, and the limits in force', () => {
    const { pid } = master;
    expect(pid).toBeGreaterThan(0);
    expect(familiesOf(page)).toEqual(
      expect.arrayContaining([
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'process_start_time_seconds',
      ]),
    );
    expect(page).toContain(`\nwalnut_store_max_bytes ${MAX_MEMORY}\n`);
    expect(page).toMatch(/^walnut_memory_limit_bytes \d{8,}$/m);
    expect(page).toMatch(/^process_resident_memory_bytes \d{8,}$/m);
    if (process.platform === 'linux') expect(page).toMatch(/^process_open_fds \d+$/m);
  });
});
