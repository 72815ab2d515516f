/** `walnut doctor`. */
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemberStatusSchema, StatusResponseSchema } from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { readText } from '#test/house/source-files.ts';
import { ALERTS } from '#test/page/alert-rules.ts';
import { CallError } from '../../cmd/walnut/call/call-error.ts';
import { describeFailure } from '../../cmd/walnut/cli-error.ts';
import { examine } from '../../cmd/walnut/doctor/examine.ts';
import { NODE_CHECKS } from '../../cmd/walnut/doctor/node-checks.ts';
import { MetricsPage } from '../../cmd/walnut/figures/metrics-page.ts';
import type { GroupReading, NodeReading, SilentNode } from '../../cmd/walnut/figures/read-figures.ts';
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
  'walnut_tls_certificate_expiry_seconds{section="server.tls",certificate="own"} 8000000',
  'walnut_tls_ok{section="server"} 1',
  'walnut_auth_file_ok 1',
  'walnut_log_clock_offset_seconds 0.1',
  'walnut_diverged_unseen_tails 0',
  'walnut_store_refused_total 0',
  'walnut_wal_records_total{result="refused"} 0',
  'walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="not_found"} 9',
  'walnut_event_loop_delay_seconds{percentile="99"} 0.01',
];

/** The lag of a replica that does not know how old its data is. */
const UNKNOWN = 2n ** 53n - 1n;

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

const silent = (code: 'lost' | 'permission_denied'): SilentNode => ({
  address: 'm:1',
  failure: describeFailure(new CallError(code, 'no answer'), 'm:1'),
});

const foundOf = (group: GroupReading, check: string) =>
  examine(group).find((finding) => finding.check === check);

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
    ['warning', 'state in memory', { integrity: { alteredFound: 1n } }, []],
    ['warning', 'state in memory', { integrity: { digestMismatches: 1n } }, []],
    ['warning', 'log', {}, ['walnut_wal_records_total{result="refused"} 2']],
    ['warning', 'store', {}, ['walnut_store_refused_total 2']],
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
    [
      'warning',
      'certificates',
      {},
      ['walnut_tls_certificate_expiry_seconds{section="peer.tls",certificate="authority"} 1000000'],
    ],
    [
      'problem',
      'certificates',
      {},
      ['walnut_tls_certificate_expiry_seconds{section="peer.tls",certificate="authority"} -1'],
    ],
    ['problem', 'files of credentials', {}, ['walnut_auth_file_ok 0']],
    ['problem', 'clock', {}, ['walnut_log_clock_offset_seconds -11']],
    ['warning', 'records set aside', {}, ['walnut_diverged_unseen_tails 2']],
    ['warning', 'calls', {}, ['walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="internal"} 1']],
    ['warning', 'event loop', {}, ['walnut_event_loop_delay_seconds{percentile="99"} 0.2']],
  ])('find a %s of %s, and nothing else', (level, check, status, metrics) => {
    expect(bad(reading(status, metrics))).toEqual([`${level}: ${check}`]);
  });

  it.each([
    [
      'data_loss',
      'discarded positions',
      '3 calls answered DATA_LOSS since its start 1m 30s ago',
      'Positions of a',
    ],
    [
      'internal',
      'calls',
      '3 of 12 calls failed by a fault of the process since its start 1m 30s ago',
      'Calls fail',
    ],
  ])('tell calls that ended with %s as what they are', (code, check, found, runbook) => {
    const metric = `walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="${code}"} 3`;
    const node = reading({ uptimeMs: 90_000n }, [metric]);
    const advice = expect.stringContaining(`"${runbook}`);
    expect(bad(node)).toEqual([`warning: ${check}`]);
    expect(foundOf({ nodes: [node], isWhole: true }, check)).toMatchObject({ found, advice });
  });

  it('count operations of Batches, which are answered OK themselves', () => {
    const metrics = ['ok', 'internal'].map(
      (code) => `walnut_batch_operations_total{method="walnut.v1.KVStore/Get",code="${code}"} 5`,
    );
    expect(
      foundOf({ nodes: [reading({ uptimeMs: 90_000n }, metrics)], isWhole: true }, 'calls'),
    ).toMatchObject({
      found:
        '5 of 9 calls and 10 operations of Batches failed by a fault of the process since its start 1m 30s ago',
    });
  });

  it.each([
    [
      'certificates',
      ['walnut_tls_certificate_expiry_seconds{section="peer.tls",certificate="own"} -90'],
      'that of peer.tls (own) expired 1m 30s ago',
    ],
    [
      'files of credentials',
      ['walnut_auth_file_ok 0', 'walnut_tls_ok{section="server"} 0'],
      'cannot be used as changed: auth.file, server',
    ],
  ])('name which of the %s they mean', (check, metrics, found) => {
    expect(foundOf({ nodes: [reading({}, metrics)], isWhole: true }, check)).toMatchObject({ found });
  });

  it.each<[string, Status, string[]]>([
    ['is level', replica({ lagMs: 5n }), []],
    ['is late', replica({ lagMs: 30_001n }), ['problem: master']],
    ['applies late as it should', { ...replica({ lagMs: 60_000n }), state: NodeState.DELAYED }, []],
    ['does not hear its master', replica({ linked: false }), ['problem: master']],
    ['has just started', { ...replica({ lagMs: UNKNOWN }), uptimeMs: 30_000n }, []],
    ['never caught up', { ...replica({ lagMs: UNKNOWN }), uptimeMs: 30_001n }, ['problem: master']],
  ])('judge a replica that %s', (_, status, expected) => {
    expect(bad(reading(status))).toEqual(['problem: one master', ...expected]);
  });

  it('name headings that docs/operations.md has', () => {
    const headings = [...readText('docs/operations.md').matchAll(/^#+ (.*)$/gm)].map(
      ([, heading]) => heading,
    );
    const named = [
      'node-checks',
      'process-checks',
      'count-checks',
      'examine',
      'examine-gateway',
      'config-checks',
      'check-config',
    ].flatMap((file) =>
      [...readText(`cmd/walnut/doctor/${file}.ts`).matchAll(/runbook\('([^']+)'\)/g)].map(
        ([, text = '']) => text,
      ),
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((text) => !headings.includes(text))).toEqual([]);
  });
});

describe('the checks of a group', () => {
  const linked = reading(replica({}));
  const one = { nodes: [linked], isWhole: true };

  it('say that a master is slow, or not reached, where a replica hears it', () => {
    const found = 'a:1 hears its master m:1, which is slow, or cannot be reached from here';
    expect(foundOf({ nodes: [silent('lost'), linked], isWhole: false }, 'one master')).toMatchObject({
      level: 'problem',
      found,
      advice: expect.stringContaining('"A node does not answer"'),
    });
  });

  it.each<[string, GroupReading, string]>([
    [
      'which nobody hears',
      { nodes: [silent('lost'), reading(replica({ linked: false }))], isWhole: false },
      'Replacing a dead master',
    ],
    [
      'of a cluster',
      { nodes: [reading({ ...replica({}), member: create(MemberStatusSchema) })], isWhole: true },
      'A cluster takes no writes',
    ],
    ['that is none', one, 'Replacing a dead master'],
  ])('name the runbook of a master %s', (_, group, heading) => {
    expect(foundOf(group, 'one master')?.advice).toContain(`"${heading}"`);
  });

  it('know the master whose metrics alone are missing', () => {
    const nodes = [{ ...silent('permission_denied'), role: Role.MASTER }, linked];
    expect(foundOf({ nodes, isWhole: true }, 'one master')).toMatchObject({ level: 'ok', found: 'm:1' });
  });

  it('say that other nodes were not looked at without the master', () => {
    expect(foundOf({ ...one, isWhole: false }, 'every node')?.level).toBe('warning');
    expect(foundOf(one, 'every node')).toBeUndefined();
  });

  it('send to the runbook where nothing answers, and repeat the advice of an answer', () => {
    const adviceOf = (code: 'lost' | 'permission_denied') =>
      foundOf({ nodes: [silent(code)], isWhole: false }, 'answer')?.advice;
    expect(adviceOf('lost')).toBe('docs/operations.md, "A node does not answer"');
    expect(adviceOf('permission_denied')).toContain('auth.file');
  });
});

const AT_GATEWAY = 'a problem of a gateway: doctor-gateway.test.ts';

/** What shows the doctor each critical alert; a text says why it cannot know. */
const CRITICAL: Readonly<Record<string, GroupReading | string>> = {
  WalnutNodeDown: { nodes: [reading(), silent('lost')], isWhole: true },
  WalnutQuarantined: stateOf(NodeState.QUARANTINED, Role.REPLICA),
  WalnutMasterFenced: stateOf(NodeState.FENCED),
  WalnutMasterWithoutLease: stateOf(NodeState.NO_LEASE),
  WalnutNoSpace: stateOf(NodeState.NO_SPACE),
  WalnutNoMaster: { nodes: [silent('lost'), reading(replica({ linked: false }))], isWhole: false },
  WalnutSeveralMasters: { nodes: [reading({ reasons: ['o:1 is a master too, of log ab'] })], isWhole: true },
  WalnutCertificateExpired: {
    nodes: [reading({}, ['walnut_tls_certificate_expiry_seconds{section="peer.tls",certificate="own"} -1'])],
    isWhole: true,
  },
  WalnutStateDiffers: 'counted since the start, it is a warning; the master tells which replica differs now',
  WalnutMemoryAltered: 'counted since the start, it is a warning; a node that recovers from it is not ready',
  WalnutWritesRefused: 'counted since the start, it is a warning; while it goes on the state is no_space',
  WalnutCallsFail: 'counted since the start, it is a warning',
  WalnutNoActiveCoordinator: AT_GATEWAY,
  WalnutGroupWithoutWrites: AT_GATEWAY,
  WalnutCoordinatorAlarm: AT_GATEWAY,
};

function stateOf(state: NodeState, role: Role = Role.MASTER): GroupReading {
  return { nodes: [reading({ state, role })], isWhole: true };
}

describe('a critical alert', () => {
  const critical = ALERTS.filter(({ labels }) => labels['severity'] === 'critical');
  it.each(critical.map((alert) => [alert.alert, alert] as const))(
    '%s is a problem',
    (name, { annotations }) => {
      const group = CRITICAL[name];
      expect(group, 'add it to CRITICAL').toBeDefined();
      if (group === undefined || typeof group === 'string') return;
      const anchors = examine(group)
        .filter(({ level }) => level === 'problem')
        .map(({ advice = '' }) => (/"(.*)"/.exec(advice)?.[1] ?? '').toLowerCase().replaceAll(' ', '-'));
      expect(anchors).toContain(annotations['runbook']?.replace(/.*#/, ''));
    },
  );
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
