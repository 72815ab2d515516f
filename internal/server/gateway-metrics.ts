/** The metrics of a gateway, read when Prometheus asks. */
import type { GatewayGroup, GatewayPort } from '#cluster/gateway-port.ts';
import type { Metrics } from '#platform/metrics.ts';

export function registerGatewayMetrics(metrics: Metrics, port: GatewayPort): void {
  const view = metrics.perScrape(() => port.view());
  metrics.gaugeFrom(
    'walnut_gateway_map_epoch',
    'The epoch of the map; 0: there is none yet.',
    () => view().mapEpoch,
  );
  metrics.gaugeFamilyFrom(
    'walnut_gateway_map_age_seconds',
    'Since a coordinator said that the map is the newest, or since the map was kept that the gateway started from; absent while there is none.',
    [],
    () => {
      const { mapAgeMs } = view();
      return mapAgeMs === undefined ? [] : [{ labels: {}, value: mapAgeMs / 1_000 }];
    },
  );
  metrics.gaugeFrom('walnut_gateway_following', '1 while changes of the map arrive as they are made.', () =>
    view().isFollowing ? 1 : 0,
  );
  metrics.gaugeFrom('walnut_gateway_groups', 'Groups of the map.', () => view().groups.length);
  metrics.gaugeFrom(
    'walnut_gateway_groups_without_leader',
    'Groups of the map that have no leader.',
    () => view().groups.filter(({ leader }) => leader === '').length,
  );
  const ofGroup = (name: string, help: string, read: (group: GatewayGroup) => number): void =>
    metrics.gaugeFamilyFrom(name, help, ['group'], () =>
      view().groups.map((group) => ({ labels: { group: group.id }, value: read(group) })),
    );
  ofGroup('walnut_gateway_calls', 'Calls to a group that are not answered.', ({ calls }) => calls);
  ofGroup(
    'walnut_gateway_call_bytes',
    'Bytes of keys and values of calls to a group that are not answered.',
    ({ bytes }) => bytes,
  );
  ofGroup(
    'walnut_gateway_group_held',
    '1 while a group does not answer and its calls wait in the gateway.',
    ({ isHeld }) => (isHeld ? 1 : 0),
  );
  metrics.counterFrom(
    'walnut_gateway_retries_total',
    'Attempts of calls that were followed by another.',
    () => view().retries,
  );
}
