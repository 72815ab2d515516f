/** `walnut doctor`. */
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StatusResponseSchema } from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { readText } from '#test/house/source-files.ts';
import { examine } from '../../cmd/walnut/doctor/doctor-command.ts';
import { NODE_CHECKS } from '../../cmd/walnut/doctor/node-checks.ts';
import { MetricsPage } from '../../cmd/walnut/figures/metrics-page.ts';
import type { NodeReading } from '../../cmd/walnut/figures/read-figures.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

type Status = Parameters<typeof create<typeof StatusResponseSchema>>[1];

/** A master with a replica, and all that it says of itself well. */
const WELL = {
  role: Role.MASTER,
  state: NodeState.SERVING,
  ready: true,
  version: '1',
  replicas: [{ address: 'r:1' }],
};
const METRICS = [
  'process_resident_memory_bytes 100',
  'walnut_memory_limit_bytes 1000',
  'walnut_wal_disk_free_bytes 1e9',
  'walnut_wal_fsync_duration_seconds_bucket{le="0.01"} 100',
  'walnut_wal_fsync_duration_seconds_bucket{le="1"} 100',
  'process_open_fds 50',
  'process_max_fds 20000',
  'walnut_connections 3',
  'walnut_connections_max 1000',
  'walnut_tls_certificate_expiry_seconds{section="server"} 8000000',
  'walnut_tls_ok{section="server"} 1',
  'walnut_auth_file_ok 1',
  'walnut_log_clock_offset_seconds 0.1',
  'walnut_diverged_unseen_tails 0',
  'walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="not_found"} 9',
  'walnut_event_loop_delay_seconds{percentile="99"} 0.01',
];

function reading(status: Status = {}, metrics: readonly string[] = []): NodeReading {
  const names = metrics.map((line) => line.replace(/ \S+$/, ''));
  const lines = [...METRICS.filter((line) => !names.includes(line.replace(/ \S+$/, ''))), ...metrics];
  const answer = create(StatusResponseSchema, { ...WELL, ...status } as typeof WELL);
  return { address: 'a:1', atMs: 0, status: answer, page: new MetricsPage(lines.join('\n')) };
}

const bad = (node: NodeReading) =>
  examine({ nodes: [node], isWhole: true })
    .filter(({ level }) => level !== 'ok')
    .map(({ check, level }) => `${level}: ${check}`);

const replica = (master: object): Status => ({
  role: Role.REPLICA,
  state: NodeState.STREAMING,
  replicas: [],
  master: { address: 'm:1', linked: true, ...master },
});

describe('the checks of a node', () => {
  it('judge all there is of one that is well', () => {
    const found = examine({ nodes: [reading()], isWhole: true });
    expect(found.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(found.length).toBe(2 + NODE_CHECKS.length - 1);
  });

  it.each<[string, string, Status, string[]]>([
    ['problem', 'readiness', { ready: false, reasons: ['loading'] }, []],
    ['warning', 'readiness', { reasons: ['a replica is away'] }, []],
    ['problem', 'state in memory', { integrity: { alteredFound: 1n } }, []],
    ['problem', 'state in memory', { integrity: { digestMismatches: 1n } }, []],
    ['warning', 'replicas', { replicas: [] }, []],
    ['problem', 'replicas', { replicas: [{ address: 'r:1', problem: 'quarantined' }] }, []],
    ['problem', 'replicas', { replicas: [{ address: 'r:1', different: true }] }, []],
    ['warning', 'memory', {}, ['process_resident_memory_bytes 900']],
    ['problem', 'memory', {}, ['process_resident_memory_bytes 960']],
    ['warning', 'disk space', { store: { bytes: 600_000_000n } }, []],
    ['problem', 'disk space', { store: { bytes: 1_000_000_001n } }, []],
    ['warning', 'fdatasync', {}, ['walnut_wal_fsync_duration_seconds_bucket{le="0.01"} 50']],
    ['warning', 'open files', {}, ['process_max_fds 1024']],
    ['warning', 'open files', {}, ['process_open_fds 15000']],
    ['problem', 'open files', {}, ['process_open_fds 19000']],
    ['problem', 'connections', {}, ['walnut_connections 950']],
    ['warning', 'certificates', {}, ['walnut_tls_certificate_expiry_seconds{section="peer"} 1000000']],
    ['problem', 'certificates', {}, ['walnut_tls_certificate_expiry_seconds{section="peer"} -1']],
    ['problem', 'files of credentials', {}, ['walnut_auth_file_ok 0']],
    ['problem', 'clock', {}, ['walnut_log_clock_offset_seconds -11']],
    ['warning', 'records set aside', {}, ['walnut_diverged_unseen_tails 2']],
    ['warning', 'calls', {}, ['walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="internal"} 1']],
    ['warning', 'event loop', {}, ['walnut_event_loop_delay_seconds{percentile="99"} 0.2']],
  ])('find a %s of %s, and nothing else', (level, check, status, metrics) => {
    expect(bad(reading(status, metrics))).toEqual([`${level}: ${check}`]);
  });

  it.each([
    ['data_loss', '12 calls, none failed by a fault of the node; 3 answered DATA_LOSS, to positions of a'],
    ['internal', '3 of 12 calls failed by a fault of the node'],
  ])('tell calls that ended with %s as what they are', (code, text) => {
    const metric = `walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="${code}"} 3`;
    const [found] = examine({ nodes: [reading({}, [metric])], isWhole: true }).filter(
      ({ check }) => check === 'calls',
    );
    expect(found?.level).toBe('warning');
    expect(found?.found).toContain(text);
  });

  it.each<[string, Status, string[]]>([
    ['is level', replica({ lagMs: 5n }), []],
    ['is late', replica({ lagMs: 30_001n }), ['problem: master']],
    ['applies late as it should', { ...replica({ lagMs: 60_000n }), state: NodeState.DELAYED }, []],
    ['does not hear its master', replica({ linked: false }), ['problem: master']],
  ])('judge a replica that %s', (_, status, expected) => {
    expect(bad(reading(status))).toEqual(['problem: one master', ...expected]);
  });

  it('name headings that docs/operations.md has', () => {
    const headings = [...readText('docs/operations.md').matchAll(/^#+ (.*)$/gm)].map(
      ([, heading]) => heading,
    );
    const named = ['node-checks', 'doctor-command']
      .flatMap((file) => [...readText(`cmd/walnut/doctor/${file}.ts`).matchAll(/'([A-Z][^']+)'/g)])
      .map(([, text = '']) => text)
      .filter(
        (text) =>
          !text.includes(':') &&
          !text.endsWith('.') &&
          !text.endsWith(' ') &&
          text !== 'FOUND, AND WHAT TO DO',
      )
      .filter((text) => !/^[A-Z ]+$/.test(text));
    const called = ['config-checks', 'check-config'].flatMap((file) =>
      [...readText(`cmd/walnut/doctor/${file}.ts`).matchAll(/runbook\('([^']+)'\)/g)].map(
        ([, text = '']) => text,
      ),
    );
    expect(called.length).toBeGreaterThan(4);
    expect(called.filter((text) => !headings.includes(text))).toEqual([]);
    expect(named.length).toBeGreaterThan(12);
    expect(named.filter((text) => !headings.includes(text))).toEqual([]);
  });
});

describe('doctor', () => {
  let master: FakeNode;
  let other: FakeNode;
  beforeEach(async () => {
    other = await new FakeNode({ master: '' }).start();
    master = await new FakeNode({ replicas: [{ address: other.address, state: 3 }] }).start();
    other.options.master = master.address;
    for (const node of [master, other]) node.metrics = [METRICS.join('\n')];
  });
  afterEach(() => Promise.all([master, other].map((node) => node.stop())));
  const run = (...args: string[]) => runCli(['doctor', ...args, '--address', master.address]);

  it('says that all is well, and shows it if asked', async () => {
    expect(await run()).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/^\d+ checks on 2 nodes: 0 problems, 0 warnings\n$/),
    });
    expect((await run('--verbose')).out).toMatch(
      new RegExp(`^ok +${other.address} +memory +100 B of 1.0 kB`, 'm'),
    );
  });

  it('shows what is wrong where, with the runbook, and exits 1', async () => {
    other.metrics = [
      `${METRICS.join('\n')}\nwalnut_diverged_unseen_tails 1\nwalnut_log_clock_offset_seconds 60`,
    ];
    const { code, out, err } = await run();
    expect(code).toBe(1);
    expect(out).toMatch(
      new RegExp(`^problem +${other.address} +clock +.* docs/operations.md, "A clock that is wrong"$`, 'm'),
    );
    expect(out).toMatch(
      new RegExp(`^warning +${other.address} +records set aside +1 tail .*Look: walnut diverged list$`, 'm'),
    );
    expect(err).toMatch(/1 problem; the first: .*: clock: /);
    const { problems, warnings } = JSON.parse((await run('--json')).out);
    expect([problems, warnings]).toEqual([1, 1]);
  });

  it('finds a node that does not answer, and one that shows no metrics', async () => {
    const { address } = other;
    other.metrics = [];
    expect((await run()).out).toMatch(new RegExp(`^problem +${address} +answer +.*PERMISSION_DENIED`, 'm'));
    await other.stop();
    expect((await run()).out).toMatch(new RegExp(`^problem +${address} +answer +no answer`, 'm'));
    other = await new FakeNode({}).start();
  });
});
