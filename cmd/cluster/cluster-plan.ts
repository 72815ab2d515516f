/**
 * Turns the configuration files of `npm run cluster:ha` into the processes to run: where
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
  portOf,
  readConfigs,
  refuseDoubles,
} from '../local/local-files.ts';
import { type LocalScript, startCommand } from '../local/local-script.ts';

export const CLUSTER: LocalScript = {
  script: 'cluster:ha',
  command: 'npm run cluster:ha',
  portCount: 4,
  portExample: 9_070,
  what: 'the cluster',
  place: 'data/cluster',
  usage: `Usage: npm run cluster:ha [-- --port N]

Starts a coordinator and three nodes from configs/coordinator.yaml, node-1.yaml,
node-2.yaml and node-3.yaml, makes one group of the nodes, and shows who leads it
whenever that changes. The data is under ./data/cluster. Ctrl-C stops all four;
the next start finds the data again.

  --port N   the coordinator listens on N and the nodes on N+1, N+2 and N+3
             instead of the ports in the files

To start the processes one by one instead: docs/cluster.md
`,
};

type ClusterKind = 'coordinator' | 'node';
export type ClusterSpec = LocalSpec<ClusterKind>;

const COORDINATOR: LocalFile<ClusterKind> = {
  name: 'coordinator',
  kind: 'coordinator',
  entry: 'cmd/coordinator.ts',
  config: 'configs/coordinator.yaml',
};
export const NODE_NAMES: readonly string[] = ['node-1', 'node-2', 'node-3'];
/** The coordinator is the first. */
export const CLUSTER_FILES: readonly LocalFile<ClusterKind>[] = [
  COORDINATOR,
  ...NODE_NAMES.map((name) => ({
    name,
    kind: 'node' as const,
    entry: 'cmd/node.ts',
    config: `configs/${name}.yaml`,
  })),
];

/** Throws `LocalRefusal`. The coordinator is the first. */
export function planCluster(source: LocalSource): ClusterSpec[] {
  const { env, firstPort } = source;
  const again = startCommand(CLUSTER, firstPort);
  refuseShared(env, again);
  const configs: ConfigOf<ClusterKind>[] = readConfigs(CLUSTER_FILES, source, again);
  const elsewhere = startCommand(CLUSTER, CLUSTER.portExample);
  const specs = CLUSTER_FILES.map((file, index) => {
    const { server } = configs[index] as ConfigOf<ClusterKind>;
    const port = portOf(file, server.port, firstPort, index, elsewhere);
    const host = hostToCall(server.address);
    const directory = `${CLUSTER.place}/${file.name}`;
    return { ...file, host, port, address: `${host}:${port}`, directory, sets: [] };
  });
  refuseDoubles(specs, again);
  const coordinator = specs[0]?.address ?? '';
  return specs.map((spec) => ({ ...spec, sets: setsOf(spec, coordinator) }));
}

function setsOf({ kind, name, port, host, directory }: ClusterSpec, coordinator: string): string[] {
  const server = [`server.port=${port}`, `server.advertise=${host}:${port}`];
  if (kind === 'coordinator')
    return [
      ...server,
      'coordinator.metadata.kind=file',
      `coordinator.metadata.file=${directory}/metadata.db`,
    ];
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
];

function refuseShared(env: Environment, again: string): void {
  for (const { section, key, label } of readEnvironment(env)) {
    const name = `${section}.${key}`;
    if (!SET_HERE.includes(name)) continue;
    throw new LocalRefusal(
      `${label} is set, and ${CLUSTER.command} sets ${name} of each process itself.\n` +
        `Type: env -u ${label} ${again}`,
    );
  }
}
