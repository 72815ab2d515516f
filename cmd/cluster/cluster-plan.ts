/**
 * Turns the configuration files of a cluster on this machine into the processes to run: where
 * each listens, where its data is, and where its coordinator is. Pure. Throws
 * `LocalRefusal` if the files cannot be used, or if the environment sets what differs from
 * process to process.
 */
import type { ConfigOf } from '#config/binaries.ts';
import { readEnvironment } from '#config/overrides.ts';
import {
  type Environment,
  hostToCall,
  type LocalFile,
  LocalRefusal,
  type LocalSource,
  type LocalSpec,
  type OtherSpec,
  portOf,
  readConfigs,
  refuseDoubles,
  refuseSecured,
} from '../local/local-files.ts';
import { startCommand } from '../local/local-script.ts';
import { type ClusterScript, nodesOf } from './cluster-scripts.ts';
import { planEtcd } from './etcd-plan.ts';

type ClusterKind = 'coordinator' | 'node' | 'gateway';
export type ClusterSpec = LocalSpec<ClusterKind> | OtherSpec;

const GATEWAY: LocalFile<ClusterKind> = {
  name: 'gateway',
  kind: 'gateway',
  entry: 'cmd/gateway.ts',
  config: 'configs/gateway.yaml',
};

/** The coordinator is the first, the gateway the last. */
export function clusterFiles(script: ClusterScript): LocalFile<ClusterKind>[] {
  const name = script.isOnEtcd ? 'coordinator-etcd' : 'coordinator';
  return [
    { name: 'coordinator', kind: 'coordinator', entry: 'cmd/coordinator.ts', config: `configs/${name}.yaml` },
    ...nodesOf(script).map((node) => ({
      name: node,
      kind: 'node' as const,
      entry: 'cmd/node.ts',
      config: `configs/${node}.yaml`,
    })),
    ...(script.hasGateway ? [GATEWAY] : []),
  ];
}

/** Throws `LocalRefusal`. The coordinator is the first, the members of etcd are the last. */
export function planCluster(script: ClusterScript, source: LocalSource): ClusterSpec[] {
  const { env, firstPort } = source;
  const again = startCommand(script, firstPort);
  refuseShared(env, script, again);
  const files = clusterFiles(script);
  const configs: ConfigOf<ClusterKind>[] = readConfigs(files, source, again);
  refuseSecured(script, files, configs);
  const elsewhere = startCommand(script, script.portExample);
  const specs = files.map((file, index) => {
    const { server } = configs[index] as ConfigOf<ClusterKind>;
    const port = portOf(file, server.port, firstPort, index, elsewhere);
    const host = hostToCall(server.address);
    const directory = `${script.place}/${file.name}`;
    return { ...file, host, port, address: `${host}:${port}`, directory, sets: [] };
  });
  refuseDoubles(specs, again);
  const etcd = script.isOnEtcd ? planEtcd(script, firstPort) : [];
  const metadata = script.isOnEtcd
    ? ['kind=etcd', `endpoints=${etcd.map(({ address }) => address).join()}`]
    : ['kind=file', `file=${specs[0]?.directory}/metadata.db`];
  const coordinator = specs[0]?.address ?? '';
  return [...specs.map((spec) => ({ ...spec, sets: setsOf(spec, coordinator, metadata) })), ...etcd];
}

function setsOf(
  { kind, name, port, host, directory }: LocalSpec<ClusterKind>,
  coordinator: string,
  metadata: readonly string[],
): string[] {
  const server = [`server.port=${port}`, `server.advertise=${host}:${port}`];
  if (kind === 'coordinator') return [...server, ...metadata.map((set) => `coordinator.metadata.${set}`)];
  if (kind === 'gateway')
    return [...server, `gateway.coordinators=${coordinator}`, `gateway.map_file=${directory}/map`];
  return [
    ...server,
    `wal.directory=${directory}`,
    `cluster.node=${name}`,
    `cluster.coordinators=${coordinator}`,
  ];
}

/** What `setsOf` sets: a variable of the environment would be ignored. */
const SET_HERE = [
  'server.port',
  'server.advertise',
  'wal.directory',
  'cluster.node',
  'cluster.coordinators',
  'coordinator.metadata.kind',
  'coordinator.metadata.file',
  'coordinator.metadata.endpoints',
  'gateway.coordinators',
  'gateway.map_file',
];

function refuseShared(env: Environment, script: ClusterScript, again: string): void {
  for (const { section, key, label } of readEnvironment(env)) {
    const name = `${section}.${key}`;
    if (!SET_HERE.includes(name)) continue;
    throw new LocalRefusal(
      `${label} is set, and ${script.command} sets ${name} of each process itself.\n` +
        `Type: env -u ${label} ${again}`,
    );
  }
}
