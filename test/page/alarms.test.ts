/** The alarms of the page: named and weighed as the alert rules, and raised where something is wrong. */
import { describe, expect, it } from 'vitest';
import { alarmsOf, RULES } from '#page/assets/alarms.js';
import type { Snapshot } from '#page/assets/figures.js';
import { ALERTS } from '#test/page/alert-rules.ts';
import { replicaOf, snapshotOf, statusOf } from '#test/page/snapshots.ts';

const ofNode = (changes: object, figures: Snapshot['figures'] = {}): Snapshot =>
  snapshotOf({ view: statusOf(changes), figures });
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
const slow = (name: string, labels = {}): Snapshot =>
  snapshotOf({ figures: { [name]: [{ labels, buckets: [[0.25, 0.5, 9]] }] } });

describe('the rules of the page', () => {
  it.each(RULES.map((rule) => [rule.alert, rule] as const))(
    '%s is an alert, as severe, with its runbook',
    (name, rule) => {
      const alert = ALERTS.find((each) => each.alert === name);
      expect([rule.severity, rule.runbook]).toEqual([
        alert?.labels['severity'],
        alert?.annotations['runbook'],
      ]);
    },
  );

  it('leave out only alerts that one process cannot know', () => {
    const own = new Set(RULES.map(({ alert }) => alert));
    expect(ALERTS.map(({ alert }) => alert).filter((name) => !own.has(name))).toEqual([
      'WalnutNodeDown',
      'WalnutSeveralMasters',
      'WalnutFullResyncs',
      'WalnutDrillOverdue',
      'WalnutDiskFillsUp',
      'WalnutEventLoopStalls',
    ]);
  });
});

describe('the page', () => {
  it.each([snapshotOf(), ofCoordinator({}), ofGateway({})])(
    'raises none where nothing is wrong: $kind',
    (snapshot) => {
      expect(alarmsOf(snapshot, snapshot)).toEqual([]);
    },
  );

  it.each([
    ['WalnutQuarantined', ofNode({ state: 'NODE_STATE_QUARANTINED' }), 'quarantined'],
    ['WalnutMasterFenced', ofNode({ state: 'NODE_STATE_FENCED', reasons: ['term 4 seen'] }), 'term 4 seen'],
    ['WalnutMasterWithoutLease', ofNode({ state: 'NODE_STATE_NO_LEASE' }), 'no writes'],
    ['WalnutNoSpace', ofNode({ state: 'NODE_STATE_NO_SPACE' }), 'disk space'],
    ['WalnutNodeNotReady', ofNode({ ready: false, reasons: ['replaying'] }), 'replaying'],
    ['WalnutReplicaFarBehind', ofNode({ master }), '40 s and 9 records'],
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
    ['WalnutMemoryAltered', ofNode({ integrity: { alteredFound: '2' } }), '2 altered entries'],
    ['WalnutDivergedRecords', figure('walnut_diverged_unseen_tails', 1), '1 tail of the log'],
    ['WalnutClockWrong', ofNode({ clock: { aheadMs: '-11000' } }), 'behind the wall clock'],
    ['WalnutWritesRefused', figure('walnut_wal_records_total', 7, { result: 'refused' }), '7 records'],
    ['WalnutCheckpointsFail', figure('walnut_checkpoint_failing', 1), 'checkpoint failed'],
    ['WalnutDiskSlow', slow('walnut_wal_fsync_duration_seconds'), 'fdatasync'],
    ['WalnutCallsFail', figure('walnut_rpc_handled_total', 3, { code: 'data_loss' }), '3 calls'],
    ['WalnutCallsSlow', slow('walnut_keys_duration_seconds', { method: 'GET' }), 'One Get in a hundred'],
    ['WalnutExportFails', figure('walnut_otlp_exports_total', 2, { result: 'failed' }), '2 exports'],
    ['WalnutConnectionsRefused', figure('walnut_connections_refused_total', 2), '2 connections'],
    [
      'WalnutCertificateExpires',
      figure('walnut_tls_certificate_expiry_seconds', 60, { section: 'server.tls', certificate: 'own' }),
      'server.tls',
    ],
    ['WalnutSecurityFileUnusable', figure('walnut_auth_file_ok', 0), 'users'],
    ['WalnutSecurityFileUnusable', figure('walnut_tls_ok', 0, { section: 'peer.tls' }), 'peer.tls'],
    ['WalnutNoActiveCoordinator', ofCoordinator({ activeCoordinator: '' }), 'No coordinator'],
    [
      'WalnutGroupWithoutWrites',
      ofCoordinator({ groups: [{ ...group, takesWrites: false, votersHeard: 1 }] }),
      '1 of its 3 voters',
    ],
    ['WalnutGroupWithoutWrites', ofGateway({ leader: '' }), 'no leader'],
    ['WalnutGroupWithoutWrites', ofGateway({ isHeld: true }), '12 calls wait'],
    [
      'WalnutCoordinatorAlarm',
      ofCoordinator({ alarms: [{ why: 'two disks are gone', sinceMs: '1' }] }),
      'two disks',
    ],
  ] as const)('raises %s', (alert, now, words) => {
    const before = snapshotOf({ kind: now.kind, view: now.kind === 'node' ? statusOf() : now.view });
    const alarms = alarmsOf(now, before);
    expect(alarms.map((each) => each.alert)).toEqual([alert]);
    expect(alarms[0]?.text).toContain(words);
  });

  it('raises WalnutMemoryTight by use and limit', () => {
    const figures = {
      process_resident_memory_bytes: [{ labels: {}, value: 96 }],
      walnut_memory_limit_bytes: [{ labels: {}, value: 100 }],
    };
    const now = snapshotOf({ figures });
    expect(alarmsOf(now, now).map(({ alert, text }) => [alert, text])).toEqual([
      ['WalnutMemoryTight', 'The process uses 96.0 % of the memory that it may use.'],
    ]);
  });

  it('does not count a lag that is meant, or a fault that is over', () => {
    const delayed = ofNode({
      state: 'NODE_STATE_DELAYED',
      master,
      replicas: [replicaOf({ lagMs: '99000', applyDelayMs: '3600000' })],
    });
    expect(alarmsOf(delayed, delayed)).toEqual([]);
    const failed = figure('walnut_rpc_handled_total', 3, { code: 'data_loss' });
    expect(alarmsOf(failed, failed)).toEqual([]);
  });

  it('does not count a slow write, whose caller decides what it waits for', () => {
    const now = slow('walnut_keys_duration_seconds', { method: 'PUT' });
    expect(alarmsOf(now, snapshotOf())).toEqual([]);
  });

  it('tells critical ones first', () => {
    const now = ofNode({ ready: false, state: 'NODE_STATE_QUARANTINED' });
    expect(alarmsOf(now, now).map(({ severity }) => severity)).toEqual(['critical', 'warning']);
  });
});
