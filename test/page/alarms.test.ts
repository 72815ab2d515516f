/** The alarms of the page: named and weighed as the alert rules, and raised where something is wrong. */
import { describe, expect, it } from 'vitest';
import { alarmsOf, checksOf, lostAlarm, RULES, UNKNOWN_HERE } from '#page/assets/alarms.js';
import type { Snapshot } from '#page/assets/figures.js';
import { commandsIn } from '#page/assets/rule.js';
import { runbooksOf } from '#page/runbooks.ts';
import { readText } from '#test/house/source-files.ts';
import { ALERTS } from '#test/page/alert-rules.ts';
import { AT_MS, replicaOf, snapshotOf, statusOf } from '#test/page/snapshots.ts';

const SECTIONS = runbooksOf(new Map([['operations.md', readText('docs/operations.md')]]));
const ofNode = (changes: object, figures: Snapshot['figures'] = {}): Snapshot =>
  snapshotOf({ view: statusOf(changes), figures });
const ofDelay = (changes: object): Snapshot =>
  ofNode({ delay: { applyDelayMs: '3600000', held: false, waitingRecords: '8', ...changes } });
const figure = (name: string, value: number, labels = {}): Snapshot =>
  snapshotOf({ figures: { [name]: [{ labels, value }] } });
const ready = { state: 'active', isReady: true, reasons: [] };
const group = { group: { id: 'g1', voters: [{}, {}, {}] }, slots: 3, takesWrites: true, votersHeard: 3 };
const ofCoordinator = (changes: object): Snapshot => {
  const cluster = { isActive: true, activeCoordinator: 'c:1', groups: [group], alarms: [], ...changes };
  return snapshotOf({ kind: 'coordinator', view: { readiness: ready, cluster } });
};
const ofGateway = (changes: object): Snapshot => {
  const own = { id: 'g1', leader: 'a', slots: 16_384, calls: 12, bytes: 0, isHeld: false, ...changes };
  return snapshotOf({ kind: 'gateway', view: { readiness: ready, groups: [own] } });
};
const master = { address: 'm:1', linked: true, lagRecords: '9', lagMs: '40000' };
/** The lag of a replica that does not know how old its data is. */
const UNKNOWN = String(2 ** 53 - 1);
const refused = (changes: object): Snapshot => ({
  ...figure('walnut_keys_requests_total', 1, { method: 'PUT', code: 'resource_exhausted' }),
  view: statusOf(changes),
});
const stuckLeader = (): Snapshot => {
  const stuck = { ...group.group, leader: { voter: { node: 'n1' } } };
  const groups = [{ ...group, group: stuck, takesWrites: false }];
  const cluster = { isActive: true, activeCoordinator: 'c:1', groups, alarms: [] };
  const nodes = { nodes: [{ node: { name: 'n1' }, heartbeat: { whyNoWrites: 'its log is short' } }] };
  return snapshotOf({ kind: 'coordinator', view: { readiness: ready, cluster, nodes } });
};
const UNANSWERED = 'no coordinator has heard this node for 12 s: c1:1: refused; c2:1: refused';
const deafGateway = (mapAgeMs: number | undefined, changes = {}): Snapshot => {
  const readiness = { ...ready, reasons: ['coordinator c1:1: refused', 'coordinator c2:1: refused'] };
  return snapshotOf({
    kind: 'gateway',
    view: { readiness, groups: [], isFollowing: false, mapAgeMs, ...changes },
  });
};
const slow = (name: string, labels = {}): Snapshot =>
  snapshotOf({ figures: { [name]: [{ labels, buckets: [[0.25, 0.5, 9]] }] } });

const HERE = '127.0.0.1:8080';
const look = (now: Snapshot, before = now, past = before) => alarmsOf({ now, before, past, here: HERE });

const FULL = {
  ...{ entries: '10', bytes: '999000', hits: '90', misses: '10', evicted: '0', expired: '0', refused: '0' },
  ...{ maxEntries: '0', maxBytes: '1000000' },
};
const stalled = (late: number): Snapshot => snapshotOf({ stalls: { seconds: 60, late, maxMs: 300 } });
const silent = (heardAgoMs: number): Snapshot => {
  const heartbeat = { node: 'n2', address: 'n:2' };
  const cluster = { isActive: true, activeCoordinator: 'c:1', groups: [group], alarms: [] };
  const nodes = { nodes: [{ heard: true, heardAgoMs: String(heardAgoMs), heartbeat }] };
  return snapshotOf({ kind: 'coordinator', view: { readiness: ready, cluster, nodes } });
};
/** `lastMs`: of the last success; 0: there was none. Two exports failed. */
const exported = (lastMs: number, intervalS: number): Snapshot =>
  snapshotOf({
    figures: {
      walnut_otlp_last_success_timestamp_seconds: [{ labels: {}, value: lastMs / 1_000 }],
      walnut_otlp_interval_seconds: [{ labels: {}, value: intervalS }],
      walnut_otlp_exports_total: [{ labels: { result: 'failed' }, value: 2 }],
    },
  });
const waiting = (value: number): Snapshot =>
  snapshotOf({
    figures: {
      walnut_watch_waiting_bytes: [{ labels: {}, value }],
      walnut_memory_planned_bytes: [{ labels: { part: 'watch' }, value: 1_000 }],
    },
  });

describe('the rules of the page', () => {
  it.each(RULES.filter(({ severity }) => severity !== 'note').map((rule) => [rule.alert, rule] as const))(
    '%s is an alert, as severe, with its runbook',
    (name, rule) => {
      const alert = ALERTS.find((each) => each.alert === name);
      expect([rule.severity, rule.runbook]).toEqual([
        alert?.labels['severity'],
        alert?.annotations['runbook'],
      ]);
    },
  );

  it('leave out no alert without saying why', () => {
    const own = new Set([...RULES, ...UNKNOWN_HERE].map(({ alert }) => alert));
    expect(ALERTS.map(({ alert }) => alert).filter((name) => !own.has(name))).toEqual([]);
  });

  it.each([...RULES, ...UNKNOWN_HERE].map(({ alert, runbook }) => [alert, runbook]))(
    '%s has a runbook that the server brings along',
    (_, runbook) => expect([...SECTIONS.keys()]).toContain(runbook),
  );

  it('are all listed with what they find now, and what nobody here can know says so', () => {
    const checks = checksOf('node', look(figure('walnut_checkpoint_failing', 1)));
    const states = new Map(checks.map(({ alert, state }) => [alert, state]));
    expect([states.get('WalnutCheckpointsFail'), states.get('WalnutDiskSlow')]).toEqual(['warning', 'well']);
    expect(states.get('WalnutDrillOverdue')).toContain('walnut drill --from');
    expect(states.has('WalnutNodeDown')).toBe(false);
  });
});

describe('the page', () => {
  it.each([snapshotOf(), ofCoordinator({}), ofGateway({}), exported(AT_MS - 7_000_000, 3_600)])(
    'raises none where nothing is wrong: $kind',
    (snapshot) => {
      expect(look(snapshot)).toEqual([]);
    },
  );

  it.each([
    ['WalnutQuarantined', ofNode({ state: 'NODE_STATE_QUARANTINED' }), 'quarantined'],
    ['WalnutMasterFenced', ofNode({ state: 'NODE_STATE_FENCED', reasons: ['term 4 seen'] }), 'term 4 seen'],
    ['WalnutMasterWithoutLease', ofNode({ state: 'NODE_STATE_NO_LEASE' }), 'no writes'],
    ['WalnutNoSpace', ofNode({ state: 'NODE_STATE_NO_SPACE' }), 'disk space'],
    ['WalnutNodeNotReady', ofNode({ ready: false, reasons: ['replaying'] }), 'replaying'],
    [
      'WalnutSeveralMasters',
      ofNode({ reasons: ['o:9 is a master too, of log abc, and was a replica of m:1'] }),
      'Two masters take writes: o:9',
    ],
    ['WalnutFullResyncs', ofNode({ replicas: [replicaOf({ fullResyncs: 3 })] }), 'loaded 3 snapshots'],
    ['WalnutDiskFillsUp', figure('walnut_wal_disk_full_seconds', 7_200), 'full within 2 h 0 min'],
    ['WalnutEventLoopStalls', stalled(7), 'In 7 of the last 60 seconds'],
    [
      'WalnutCallsRefused',
      figure('walnut_rpc_handled_total', 3, { method: 'walnut.v1.KVStore/Set', code: 'resource_exhausted' }),
      '3 calls within a minute were refused with RESOURCE_EXHAUSTED: the message of each says which limit',
    ],
    [
      'WalnutStoreRefuses',
      ofNode({ store: { ...FULL, bytes: '700000', refused: '1' } }),
      'The store is full (684 KiB of 977 KiB), and nothing may be evicted: 1 write within a minute was refused.',
    ],
    ['WalnutWatchersSlow', figure('walnut_watch_slow_total', 2), '2 watches within a minute were ended'],
    ['WalnutNodeDown', silent(61_000), 'The node n2 has been silent for 1 min 1 s.'],
    ['Reasons', ofNode({ reasons: ['replica r:1 is known here and does not follow'] }), 'replica r:1'],
    [
      'Delayed',
      ofNode({
        reasons: ['applies 3600000 ms after its master: 8 records wait, the next for 3583664 ms'],
        delay: { applyDelayMs: '3600000', held: true, waitingRecords: '8' },
      }),
      '1 h 0 min after its master, on purpose (replication.apply_delay), and an operator has paused it: 8 records wait',
    ],
    ['Delayed', ofDelay({ waitingRecords: '1' }), ': 1 record waits.'],
    ['Evictions', ofNode({ store: { ...FULL, evicted: '12' } }), '12 entries within a minute were evicted'],
    ['HotKey', ofNode({ hottest: { share: 0.6, looks: 60 } }), 'One key gets about 60.0 % of all reads'],
    [
      'HotKey',
      snapshotOf({
        atMs: AT_MS + 20_000,
        figures: { process_cpu_seconds_total: [{ labels: {}, value: 19 }] },
      }),
      'busy 95.0 % of the time',
    ],
    ['WatchersBehind', waiting(300), '300 B of changes wait'],
    ['WalnutReplicaFarBehind', ofNode({ master }), '40 s and 9 records'],
    [
      'WalnutReplicaFarBehind',
      ofNode({ master: { ...master, lagMs: UNKNOWN }, uptimeMs: '31000' }),
      'has not caught up with its master since it started 31 s ago, and is 9 records behind',
    ],
    [
      'WalnutNoMaster',
      ofNode({ master: { ...master, lagMs: UNKNOWN, linked: false }, uptimeMs: '6000' }),
      'its master m:1 for 6.0 s',
    ],
    [
      'WalnutNoMaster',
      ofNode({ master: { ...master, lagMs: '6000', linked: false } }),
      'its master m:1 for 6.0 s',
    ],
    ['WalnutReplicaFarBehind', ofNode({ replicas: [replicaOf({ lagMs: '31000' })] }), 'r:8081'],
    [
      'WalnutReplicaFarBehind',
      ofNode({ replicas: [replicaOf({ problem: 'Its disk is full.' })] }),
      'Its disk is full.',
    ],
    ['WalnutStateDiffers', ofNode({ replicas: [replicaOf({ different: true })] }), 'r:8081'],
    ['WalnutStateDiffers', ofNode({ integrity: { digestMismatches: '1' } }), 'differed'],
    ['WalnutMemoryAltered', ofNode({ integrity: { alteredFound: '2' } }), 'since the start: 2'],
    ['WalnutDivergedRecords', figure('walnut_diverged_unseen_tails', 1), '1 tail of the log'],
    ['WalnutClockWrong', ofNode({ clock: { aheadMs: '-11000' } }), 'behind the wall clock'],
    ['WalnutWritesRefused', figure('walnut_wal_records_total', 7, { result: 'refused' }), '7 records'],
    ['WalnutCheckpointsFail', figure('walnut_checkpoint_failing', 1), 'checkpoint failed'],
    ['WalnutDiskSlow', slow('walnut_wal_fsync_duration_seconds'), 'fdatasync'],
    ['WalnutCallsFail', figure('walnut_rpc_handled_total', 3, { code: 'internal' }), '3 calls'],
    ['WalnutCallsFail', figure('walnut_batch_operations_total', 3, { code: 'internal' }), '3 calls'],
    [
      'WalnutCallsRefused',
      figure('walnut_batch_operations_total', 3, { code: 'resource_exhausted' }),
      '3 calls within a minute were refused',
    ],
    ['WalnutPositionsDiscarded', figure('walnut_keys_requests_total', 3, { code: 'data_loss' }), '3 calls'],
    ['WalnutCallsSlow', slow('walnut_keys_duration_seconds', { method: 'GET' }), 'One Get in a hundred'],
    [
      'WalnutExportFails',
      exported(AT_MS - 700_000, 15),
      'no whole export of the metrics for 11 min 40 s; 2 exports',
    ],
    ['WalnutExportFails', exported(0, 3_600), 'since it started; 2 exports'],
    ['WalnutConnectionsRefused', figure('walnut_connections_refused_total', 2), '2 connections'],
    [
      'WalnutCertificateExpires',
      figure('walnut_tls_certificate_expiry_seconds', 60, { section: 'server.tls', certificate: 'own' }),
      'server.tls (own) expires in 1 min',
    ],
    [
      'WalnutCertificateExpired',
      figure('walnut_tls_certificate_expiry_seconds', -60, { section: 'server.tls', certificate: 'own' }),
      'server.tls (own) expired 1 min 0 s ago',
    ],
    ['WalnutSecurityFileUnusable', figure('walnut_auth_file_ok', 0), 'users'],
    ['WalnutSecurityFileUnusable', figure('walnut_tls_ok', 0, { section: 'peer.tls' }), 'peer.tls'],
    ['WalnutNoActiveCoordinator', ofCoordinator({ activeCoordinator: '' }), 'No coordinator'],
    ['WalnutNoActiveCoordinator', ofNode({ reasons: [UNANSWERED] }), 'this node for 12 s: c1:1: refused'],
    ['WalnutNoActiveCoordinator', deafGateway(12_000), 'this gateway for 12 s: coordinator c1:1: refused'],
    ['WalnutNoActiveCoordinator', deafGateway(undefined), 'this gateway since it started'],
    [
      'WalnutGroupWithoutWrites',
      ofCoordinator({ groups: [{ ...group, takesWrites: false, votersHeard: 1 }] }),
      'it has no leader; 1 of its 3 voters',
    ],
    ['WalnutGroupWithoutWrites', stuckLeader(), 'its leader n1 says: its log is short; 3 of its 3 voters'],
    [
      'WalnutMasterWithoutLease',
      ofNode({ state: 'NODE_STATE_NO_LEASE', reasons: ['its log has no member list yet'] }),
      'its group is being founded',
    ],
    [
      'WalnutReplicaFarBehind',
      ofNode({ replicas: [replicaOf({ problem: 'it takes no pushes: refused', lagMs: '600' })] }),
      'takes no pushes: it is down, is just starting, or cannot be reached, and is 0.6 s',
    ],
    ['WalnutGroupWithoutWrites', ofGateway({ leader: '' }), 'no leader'],
    ['WalnutGroupWithoutWrites', ofGateway({ isHeld: true }), '12 calls wait'],
    ['WalnutGroupWithoutWrites', ofGateway({ isHeld: true, calls: 1 }), '1 call waits'],
    ['WalnutVotersSilent', ofCoordinator({ warnings: ['n3 is not heard: g1 cannot'] }), 'n3 is not heard'],
    [
      'WalnutCoordinatorAlarm',
      ofCoordinator({ alarms: [{ why: 'two disks are gone', sinceMs: '1' }] }),
      'two disks',
    ],
  ] as const)('raises %s', (alert, now, words) => {
    const before = snapshotOf({ kind: now.kind, view: now.kind === 'node' ? statusOf() : now.view });
    const alarms = look(now, before);
    expect(alarms.map((each) => each.alert)).toEqual([alert]);
    expect(alarms[0]?.text).toContain(words);
  });

  it('raises WalnutMemoryTight by use and limit', () => {
    const figures = {
      process_resident_memory_bytes: [{ labels: {}, value: 96 }],
      walnut_memory_limit_bytes: [{ labels: {}, value: 100 }],
    };
    const now = snapshotOf({ figures });
    expect(look(now).map(({ alert, text }) => [alert, text])).toEqual([
      ['WalnutMemoryTight', 'The process uses 96.0 % of the memory that it may use.'],
    ]);
  });

  it('does not count a lag that is meant, or a fault that is over', () => {
    const delayed = ofNode({
      state: 'NODE_STATE_DELAYED',
      master,
      replicas: [replicaOf({ lagMs: '99000', applyDelayMs: '3600000' })],
    });
    expect(look(delayed).map(({ alert }) => alert)).toEqual(['Delayed']);
    const failed = figure('walnut_rpc_handled_total', 3, { code: 'internal' });
    expect(look(failed)).toEqual([]);
  });

  it('does not count a slow write, whose caller decides what it waits for', () => {
    const now = slow('walnut_keys_duration_seconds', { method: 'PUT' });
    expect(look(now, snapshotOf())).toEqual([]);
  });

  it('says that there is no coordinator because there is no etcd, and asks etcd first', () => {
    const readiness = { isReady: true, reasons: ['the metadata store does not answer: refused'] };
    const cluster = { isActive: false, activeCoordinator: '', groups: [], alarms: [] };
    const [alarm] = look(snapshotOf({ kind: 'coordinator', view: { readiness, cluster } }));
    expect([alarm?.text, alarm?.type[0]]).toEqual([
      'No coordinator is active, as the metadata store (etcd) does not answer: masters go on, and one that is lost is not replaced.',
      'etcdctl endpoint health --endpoints ETCD:2379',
    ]);
  });

  it('tells a replica of another group so, and advises nothing for its master', () => {
    const why = 'quarantined: the replica has log ab, the master log cd; if the data here is right, …';
    const now = ofNode({
      ...{ state: 'NODE_STATE_QUARANTINED', replicas: [], reasons: [why] },
      master: { ...master, linked: false },
    });
    const alarms = look(now);
    expect(alarms.map(({ alert }) => alert)).toEqual(['WalnutQuarantined']);
    expect(alarms[0]?.text).toContain('names a master of another group');
  });

  it('raises no alarm of a coordinator where another one answers a gateway', () => {
    for (const now of [deafGateway(6_900), deafGateway(9_000, { isFollowing: true })])
      expect(look(now).map(({ severity }) => severity)).toEqual(['note', 'note']);
  });

  it('tells refused calls that their store is full, as its own alarm says', () => {
    const alarms = look(refused({ store: { ...FULL, refused: '1' } }), snapshotOf());
    expect(alarms.map(({ alert }) => alert).toSorted()).toEqual(['WalnutCallsRefused', 'WalnutStoreRefuses']);
    const calls = alarms.find(({ alert }) => alert === 'WalnutCallsRefused');
    expect([calls?.type, calls?.text]).toEqual([[], expect.stringContaining('the store is full, as its')]);
  });

  it('says nothing of the store where the disk is full', () => {
    const alarm = look(refused({ state: 'NODE_STATE_NO_SPACE' }), snapshotOf()).find(
      ({ alert }) => alert === 'WalnutCallsRefused',
    );
    expect([alarm?.type, alarm?.text]).toEqual([[], expect.stringContaining(': the disk is full, as')]);
  });

  it('says once that a replica is paused', () => {
    const reasons = ['paused by an operator: 8 records wait; go on with: walnut delay resume'];
    const delay = { applyDelayMs: '3600000', held: true, waitingRecords: '8' };
    expect(look(ofNode({ reasons, delay })).map(({ alert }) => alert)).toEqual(['Delayed']);
  });

  it('does not say twice that a clock is wrong', () => {
    const reasons = ["the log clock is 60s behind this machine's wall clock: check"];
    expect(look(ofNode({ reasons, clock: { aheadMs: '-60000' } })).map(({ alert }) => alert)).toEqual([
      'WalnutClockWrong',
    ]);
  });

  it('gives the reasons of a state once, also where it is not ready', () => {
    const now = ofNode({ ready: false, state: 'NODE_STATE_NO_SPACE', reasons: ['the disk is full'] });
    expect(look(now).map(({ text }) => text.includes('the disk is full'))).toEqual([true, false]);
  });

  it('tells critical ones first', () => {
    const now = ofNode({ ready: false, state: 'NODE_STATE_QUARANTINED' });
    expect(look(now).map(({ severity }) => severity)).toEqual(['critical', 'warning']);
  });

  it('counts no stall, silence or wait below its limit', () => {
    for (const now of [
      stalled(6),
      silent(59_000),
      waiting(249),
      figure('walnut_wal_disk_full_seconds', 14_401),
    ])
      expect(look(now)).toEqual([]);
    const hot = { hottest: { share: 0.25, looks: 60 } };
    expect(look(ofNode({ ...hot, replicas: [replicaOf({ fullResyncs: 2 })] }))).toEqual([]);
  });

  it('counts the resyncs of the last hour of a node that has been up for longer', () => {
    const withResyncs = (fullResyncs: number, uptimeMs: string): Snapshot =>
      ofNode({ uptimeMs, replicas: [replicaOf({ fullResyncs })] });
    const [past, now] = [withResyncs(7, '3600000'), withResyncs(9, '3700000')];
    expect(look(now, now, past)).toEqual([]);
    expect(look(withResyncs(10, '3700000'), now, past).map(({ alert }) => alert)).toEqual([
      'WalnutFullResyncs',
    ]);
    // Nobody knows what there was before a replica was listed.
    expect(look(now, now, ofNode({ uptimeMs: '3600000', replicas: [] }))).toEqual([]);
  });

  it('names the reasons of its state once', () => {
    const now = ofNode({ state: 'NODE_STATE_NO_SPACE', reasons: ['the disk is full'] });
    expect(look(now).map(({ alert }) => alert)).toEqual(['WalnutNoSpace']);
  });
});

describe('what to type', () => {
  it.each<[string, Snapshot, string[]]>([
    [
      'of a replica without its master is what the replica advises',
      ofNode({
        ...{ role: 'ROLE_SLAVE', replicas: [], master: { ...master, lagMs: '6000', linked: false } },
        reasons: [
          'no node leads this log, and r:2 is furthest, at 3-9: walnut promote --address r:2:81 --force if gone',
        ],
      }),
      ['walnut status --address m:1', 'walnut promote --address r:2:81 --force'],
    ],
    [
      'of a member is for a coordinator to decide',
      ofNode({ replicas: [], member: {}, master: { ...master, lagMs: '6000', linked: false } }),
      ['walnut cluster status --coordinators COORDINATOR:PORT'],
    ],
    [
      'of a replica that is not heard is asked there',
      ofNode({ replicas: [replicaOf({ problem: 'it takes no pushes: ECONNREFUSED' })] }),
      ['walnut status --address r:8081', `walnut status --address ${HERE}`],
    ],
    [
      'of the clock of a replica is for its master',
      ofNode({ clock: { aheadMs: '20000' }, replicas: [], master: { ...master, linked: true, lagMs: '0' } }),
      ['date -u', 'walnut clock --address m:1', 'walnut clock --apply --address m:1'],
    ],
    [
      'of a node that no coordinator answers asks those that it tried',
      ofNode({ reasons: [UNANSWERED] }),
      ['walnut cluster status --coordinators c1:1,c2:1', "systemctl status 'walnut@*'"],
    ],
    [
      'of a gateway that no coordinator answers asks those that it tried',
      deafGateway(12_000),
      ['walnut cluster status --coordinators c1:1,c2:1', "systemctl status 'walnut@*'"],
    ],
    [
      'where the store refuses writes makes room in it',
      ofNode({ store: { ...FULL, refused: '1' } }),
      [
        `walnut info store --address ${HERE}`,
        `walnut bigkeys --address ${HERE}`,
        `walnut delete-prefix PREFIX --address ${HERE}`,
      ],
    ],
    [
      'where a limit of calls refused them looks at calls',
      refused({ store: FULL }),
      [`walnut info calls --address ${HERE}`],
    ],
    [
      'at a delayed replica stops what it applies first',
      ofDelay({ held: false }),
      [`walnut delay pause --address ${HERE}`],
    ],
    [
      'at a paused replica finds the mistake, applies what stands before it, and goes on',
      ofDelay({ held: true }),
      [
        'walnut wal dump DIRECTORY --from LSN',
        `walnut delay release --to-lsn LSN --address ${HERE}`,
        `walnut delay resume --address ${HERE}`,
      ],
    ],
    [
      'at the master of a delayed replica stops what that one applies',
      ofNode({ replicas: [replicaOf({ applyDelayMs: '3600000' })] }),
      ['walnut status --address r:8081', 'walnut delay pause --address r:8081'],
    ],
  ])('%s', (_, now, commands) => expect(look(now, snapshotOf())[0]?.type).toEqual(commands));

  it('is taken from reasons up to the text that follows', () => {
    const reason =
      'if the data here is right, stop the master at m:1 and then: walnut promote --address [::1]:81 --force; ' +
      'all choices: walnut quarantine list --address h:2, or (walnut remove-replica r:3 --address h:2). See walnut status';
    const other = 'if it is gone: walnut remove-replica 127.0.0.1:81. See: walnut checkpoint tries again';
    expect(commandsIn([reason, reason, other], HERE)).toEqual([
      'walnut promote --address [::1]:81 --force',
      'walnut quarantine list --address h:2',
      'walnut remove-replica r:3 --address h:2',
      `walnut remove-replica 127.0.0.1:81 --address ${HERE}`,
    ]);
  });

  it('of a master that does not answer is the promotion of the replica that has most', () => {
    const replicas = [
      replicaOf({ acked: { epoch: '1', lsn: '7' } }),
      replicaOf({ address: 'r:2', acked: { lsn: '9' } }),
    ];
    const lost = lostAlarm('No answer.', ofNode({ replicas }), HERE);
    expect(lost.text).toContain('It was the master');
    expect(lost.type.at(-1)).toBe('walnut promote --address r:2');
    const replica = lostAlarm('No answer.', ofNode({ role: 'ROLE_SLAVE' }), HERE);
    const unseen = lostAlarm('No answer.', undefined, HERE);
    for (const { type } of [replica, unseen])
      expect(type).toEqual([`walnut status --address ${HERE}`, "systemctl status 'walnut@*'"]);
    const member = lostAlarm('No answer.', ofNode({ member: {} }), HERE);
    expect(member.type).toEqual(['walnut cluster status --coordinators COORDINATOR:PORT']);
  });
});
