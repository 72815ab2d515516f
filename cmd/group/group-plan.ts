/**
 * Turns the configuration files of `npm start` into the nodes to run: where each listens,
 * which node it follows, and which keys are overridden. Pure. Throws `LocalRefusal` if the
 * files do not make a group, or if one value is given to three nodes that cannot share it.
 */
import type { MasterConfig, NodeConfig, NodeKind, SlaveConfig } from '#config/binaries.ts';
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
  refuseSecured,
} from '../local/local-files.ts';
import { type LocalScript, startCommand } from '../local/local-script.ts';

export const GROUP: LocalScript = {
  script: 'start',
  command: 'npm start',
  options: ['port'],
  portCount: 3,
  portExample: 9_080,
  what: 'the group',
  place: 'data',
  usage: `Usage: npm start [-- --port N]

Starts one master and two replicas from configs/master.yaml, slave-1.yaml and
slave-2.yaml, with their data under ./data. Ctrl-C stops all three; the next
start finds the data again.

  --port N   listen on N, N+1 and N+2 instead of the ports in the files

To start the nodes one by one instead:
  npm run master -- --config configs/master.yaml
  npm run slave -- --config configs/slave-1.yaml
`,
};

export const GROUP_FILES: readonly LocalFile<NodeKind>[] = [
  { name: 'master', kind: 'master', entry: 'cmd/master.ts', config: 'configs/master.yaml' },
  { name: 'slave-1', kind: 'slave', entry: 'cmd/slave.ts', config: 'configs/slave-1.yaml' },
  { name: 'slave-2', kind: 'slave', entry: 'cmd/slave.ts', config: 'configs/slave-2.yaml' },
];

export type MemberSpec = LocalSpec<NodeKind>;

/** Throws `LocalRefusal`. */
export function planGroup(source: LocalSource): MemberSpec[] {
  const { env, firstPort } = source;
  const again = startCommand(GROUP, firstPort);
  refuseShared(env, again);
  const configs: NodeConfig[] = readConfigs(GROUP_FILES, source, again);
  refuseSecured(GROUP, GROUP_FILES, configs);
  const elsewhere = startCommand(GROUP, GROUP.portExample);
  const specs = GROUP_FILES.map((file, index) => {
    const config = configs[index] as NodeConfig;
    const port = portOf(file, config.server.port, firstPort, index, elsewhere);
    const host = hostToCall(config.server.address);
    const { directory } = config.wal;
    return { ...file, host, port, address: `${host}:${port}`, directory, sets: [] as string[] };
  });
  refuseDoubles(specs, again);
  for (const [index, config] of configs.entries()) {
    const spec = specs[index] as (typeof specs)[number];
    const { advertise } = config.server;
    // After a failover any node may be the master, and the files may have been edited since
    // a node remembered its addresses.
    const others = specs.filter((other) => other !== spec).map(({ address }) => address);
    if (config.replication.replicas.length === 0 || firstPort !== undefined)
      spec.sets.push(`replication.replicas=${others.join(',')}`);
    if (firstPort !== undefined) spec.sets.push(`server.port=${spec.port}`);
    if (firstPort !== undefined && advertise !== undefined)
      spec.sets.push(`server.advertise=${advertise.replace(/\d+$/, String(spec.port))}`);
    if (config.kind !== 'slave') continue;
    const upstream = specs[indexOfUpstream(configs, index, again)] as MemberSpec;
    if (firstPort !== undefined) spec.sets.push(`master.address=${upstream.address}`);
  }
  return specs;
}

/**
 * Keys whose value differs from node to node. A variable of the environment would give all
 * three nodes the same one.
 */
const SHARED_BY_NONE = ['server.port', 'server.advertise', 'wal.directory'];

function refuseShared(env: Environment, again: string): void {
  for (const { section, key, text, label } of readEnvironment(env)) {
    const name = `${section}.${key}`;
    if (!SHARED_BY_NONE.includes(name) && section !== 'master') continue;
    const command =
      name === 'server.port' && again === startCommand(GROUP, undefined)
        ? startCommand(GROUP, /^\d+$/.test(text) ? Number(text) : GROUP.portExample)
        : again;
    throw new LocalRefusal(
      `${label} is set, and npm start runs three nodes that cannot share one ${name}.\n` +
        `Set it in the files under configs, and type: env -u ${label} ${command}`,
    );
  }
}

/** All nodes are on this machine, so the port identifies the node. */
function indexOfUpstream(configs: readonly NodeConfig[], own: number, again: string): number {
  const { address } = (configs[own] as SlaveConfig).master;
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const index = configs.findIndex((config) => config.server.port === port);
  if (index >= 0 && index !== own) return index;
  const [first] = configs as [MasterConfig];
  const expected = `${hostToCall(first.server.address)}:${first.server.port}`;
  throw new LocalRefusal(
    `${GROUP_FILES[own]?.config}: master.address is ${address}, where no other node of this group listens; ` +
      `${GROUP_FILES[0]?.config} listens on ${expected}.\nMake it "${expected}", and type: ${again}`,
  );
}
