/** `walnut cluster status`, `map`, `nodes` and `slot`. */
import type { ShardMap } from '#cluster/shard-map.ts';
import type { Endpoint } from '#dial/endpoint.ts';
import { toShardMap } from '#wire/shard-map-codec.ts';
import type { Interruptible } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type Invocation, show } from '../command-host.ts';
import type { ClusterOptions } from './cluster-options.ts';
import {
  clusterJson,
  clusterText,
  isHealthy,
  mapText,
  nodesJson,
  nodesText,
  placeOf,
} from './cluster-views.ts';
import { callCoordinators, readCall, readFromActive, withClusterFirst } from './coordinators.ts';

/** The coordinators that the user named, in the order in which they are called. Tells people of one with another metadata store. */
export async function endpointsOf(
  { reach, io, isJson }: Invocation,
  { coordinators }: ClusterOptions,
): Promise<readonly Endpoint[]> {
  const named = await Promise.all(coordinators.map((each) => reach(each)));
  const { endpoints, strays } = await withClusterFirst(named, readCall(io));
  for (const { text } of isJson ? [] : strays)
    io.note(
      `note: ${text} acts on a metadata store without a cluster: correct its coordinator.cluster or ` +
        'coordinator.metadata, or stop it\n',
    );
  return endpoints;
}

export async function runStatus(invocation: Invocation, options: ClusterOptions): Promise<ExitCode> {
  const endpoints = await endpointsOf(invocation, options);
  const { answer: view, note } = await readFromActive(endpoints, (client) =>
    client.getCluster({}, readCall(invocation.io)),
  );
  await show(
    invocation,
    () => ({ ...clusterJson(view), note }),
    () => clusterText(invocation.colors, view, note),
  );
  return isHealthy(view) ? EXIT.ok : EXIT.negative;
}

export async function runNodes(invocation: Invocation, options: ClusterOptions): Promise<ExitCode> {
  const endpoints = await endpointsOf(invocation, options);
  const { answer: view, note } = await readFromActive(endpoints, (client) =>
    client.listNodes({}, readCall(invocation.io)),
  );
  await show(
    invocation,
    () => ({ ...nodesJson(view), note }),
    () => nodesText(invocation.colors, view, note),
  );
  return note === '' ? EXIT.ok : EXIT.negative;
}

export async function runMap(invocation: Invocation, options: ClusterOptions): Promise<ExitCode> {
  const map = await readMap(await endpointsOf(invocation, options), invocation.io);
  await show(
    invocation,
    () => ({ ...map, groups: [...map.groups.values()], nodes: [...map.nodes.values()] }),
    () => mapText(invocation.colors, map),
  );
  return EXIT.ok;
}

export async function runSlot(invocation: Invocation, options: ClusterOptions): Promise<ExitCode> {
  const key = invocation.args[0] ?? '';
  const place = placeOf(await readMap(await endpointsOf(invocation, options), invocation.io), key);
  const { slot, group, leader, address } = place;
  const owner = group === '' ? 'no group owns it' : `${group}, led by ${leader || 'nobody now'} ${address}`;
  await show(
    invocation,
    () => place,
    () => `slot ${slot}: ${owner.trimEnd()}\n`,
  );
  return EXIT.ok;
}

export async function readMap(endpoints: readonly Endpoint[], io: Interruptible): Promise<ShardMap> {
  const call = readCall(io);
  const { map } = await callCoordinators(endpoints, (client) => client.getShardMap({}, call));
  return map === undefined ? NO_MAP : toShardMap(map);
}

const NO_MAP: ShardMap = { clusterId: '', epoch: 0, groups: new Map(), slots: [], nodes: new Map() };
