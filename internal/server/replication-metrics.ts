/** What a node's status says of the master that it follows, and of those that follow it, as metrics. */
import { type NodeStatus, type ReplicaStatus, UNKNOWN_LAG_MS } from '#model/status.ts';
import type { Metrics } from '#platform/metrics.ts';

export function registerReplicationMetrics(metrics: Metrics, status: () => NodeStatus): void {
  registerUpstream(metrics, status);
  registerReplicas(metrics, status);
  registerObservers(metrics, status);
}

function registerUpstream(metrics: Metrics, status: () => NodeStatus): void {
  const upstream = (
    name: string,
    help: string,
    read: (s: NonNullable<NodeStatus['upstream']>) => number,
  ): void =>
    metrics.gaugeFamilyFrom(name, help, ['master'], () => {
      const link = status().upstream;
      return link === undefined ? [] : [{ labels: { master: link.address }, value: read(link) }];
    });
  upstream('walnut_upstream_linked', 'On a replica: 1 when its master is heard.', (s) =>
    s.isLinked ? 1 : 0,
  );
  upstream('walnut_upstream_lag_records', 'On a replica: records behind its master.', (s) => s.lagRecords);
  upstream(
    'walnut_upstream_lag_seconds',
    'On a replica: time since it was last caught up; +Inf: not known, as before it was so once.',
    ({ lagMs }) => (lagMs === UNKNOWN_LAG_MS ? Number.POSITIVE_INFINITY : lagMs / 1_000),
  );
}

function registerReplicas(metrics: Metrics, status: () => NodeStatus): void {
  const samples = (read: (replica: ReplicaStatus) => number) => () =>
    status().replicas.map((replica) => ({
      labels: { node: replica.nodeId === '' ? replica.address : replica.nodeId },
      value: read(replica),
    }));
  const replicas = (name: string, help: string, read: (replica: ReplicaStatus) => number): void =>
    metrics.gaugeFamilyFrom(name, help, ['node'], samples(read));
  const replicaCounts = (name: string, help: string, read: (replica: ReplicaStatus) => number): void =>
    metrics.counterFamilyFrom(name, help, ['node'], samples(read));
  replicas('walnut_replica_streaming', 'On a master: 1 when pushes are taken.', (r) =>
    r.state === 'streaming' ? 1 : 0,
  );
  replicas(
    'walnut_replica_different',
    'On a master: 1 if the state of the replica is known to differ from its own.',
    (r) => (r.isDifferent === true ? 1 : 0),
  );
  replicas('walnut_replica_acked_lsn', 'On a master: last LSN on that disk.', (r) => r.acked.lsn);
  replicas(
    'walnut_replica_lag_records',
    'On a master: records that are durable here and not applied there.',
    (r) => r.lagRecords,
  );
  replicas(
    'walnut_replica_lag_seconds',
    'On a master: time since the replica was last caught up.',
    (r) => r.lagMs / 1_000,
  );
  replicaCounts(
    'walnut_replica_full_resyncs_total',
    'On a master: resyncs by snapshot.',
    (r) => r.fullResyncs,
  );
  replicaCounts(
    'walnut_replica_partial_resyncs_total',
    'On a master: resyncs from the log.',
    (r) => r.partialResyncs,
  );
}

function registerObservers(metrics: Metrics, status: () => NodeStatus): void {
  metrics.gaugeFrom(
    'walnut_observers',
    'On a master: embedded replicas that follow it.',
    () => status().observers?.count ?? 0,
  );
  metrics.gaugeFrom(
    'walnut_observers_lag_records_max',
    'On a master: records that the furthest of them has not applied.',
    () => status().observers?.furthest[0]?.lagRecords ?? 0,
  );
  metrics.gaugeFrom(
    'walnut_observers_different',
    'On a master: those whose state is known to differ from its own.',
    () => status().observers?.different ?? 0,
  );
}
