/** The metrics of a coordinator, read when Prometheus asks. */
import type { ClusterView, CoordinatorPort } from '#cluster/coordinator-port.ts';
import type { Metrics } from '#platform/metrics.ts';

export function registerCoordinatorMetrics(metrics: Metrics, port: CoordinatorPort): void {
  const { gaugeOfMap, gaugeOfHeard } = createGauges(metrics, port);
  metrics.gaugeFrom('walnut_coordinator_active', '1 while this coordinator is the active one.', () =>
    port.readiness().state === 'active' ? 1 : 0,
  );
  metrics.gaugeFrom('walnut_coordinator_following', '1 while changes of the metadata store arrive.', () =>
    port.isFollowing() ? 1 : 0,
  );
  gaugeOfMap('walnut_coordinator_map_epoch', 'The epoch of the map.', ({ epoch }) => epoch);
  gaugeOfMap('walnut_coordinator_groups', 'Groups of the map.', ({ groups }) => groups.length);
  gaugeOfHeard(
    'walnut_coordinator_groups_without_writes',
    'Groups whose leader does not say that it takes writes; on the active coordinator.',
    ({ groups }) => groups.filter(({ isTakingWrites }) => !isTakingWrites).length,
  );
  gaugeOfHeard(
    'walnut_coordinator_voters_silent',
    'Voters that were not heard for 1.5 s, or have another disk than listed; on the active coordinator.',
    ({ groups }) =>
      groups.reduce((sum, { group, votersHeard }) => sum + group.voters.length - votersHeard, 0),
  );
  gaugeOfHeard(
    'walnut_coordinator_alarms',
    'What operators must know; on the active coordinator.',
    ({ alarms }) => alarms.length,
  );
  metrics.counterFrom(
    'walnut_coordinator_heartbeats_total',
    'Heartbeats of nodes that were heard.',
    () => port.counts().heartbeats,
  );
  metrics.counterFrom(
    'walnut_coordinator_leases_total',
    'Heartbeats that were leased.',
    () => port.counts().leases,
  );
  metrics.counterFrom(
    'walnut_coordinator_failovers_total',
    'Terms that were given because a leader was down or did not take over.',
    () => port.counts().failovers,
  );
}

type MapGauge = (name: string, help: string, read: (view: ClusterView) => number) => void;

function createGauges(
  metrics: Metrics,
  port: CoordinatorPort,
): { gaugeOfMap: MapGauge; gaugeOfHeard: MapGauge } {
  const viewOfScrape = metrics.perScrape(() => tryView(port));
  const gauge =
    (isShown: (view: ClusterView) => boolean): MapGauge =>
    (name, help, read) =>
      metrics.gaugeFamilyFrom(name, help, [], () => {
        const view = viewOfScrape();
        return view !== undefined && isShown(view) ? [{ labels: {}, value: read(view) }] : [];
      });
  return { gaugeOfMap: gauge(() => true), gaugeOfHeard: gauge(({ isActive }) => isActive) };
}

/** Undefined until the store was read. */
function tryView(port: CoordinatorPort): ClusterView | undefined {
  return port.readiness().state === 'loading' ? undefined : port.cluster();
}
