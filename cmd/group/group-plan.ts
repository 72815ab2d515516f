/**
 * Turns the configuration files of `npm start` into the nodes to run: where each listens,
 * which node it follows, and which keys are overridden. Pure. Throws `GroupRefusal` if the
 * files do not make a group, or if one value is given to three nodes that cannot share it.
 */
import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import type { MasterConfig, NodeConfig, NodeKind, SlaveConfig } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { loadConfig } from '#config/load-config.ts';
import { readEnvironment } from '#config/overrides.ts';
import { startCommand } from './start-command.ts';

export interface GroupFile {
  readonly name: string;
  readonly kind: NodeKind;
  /** The program, from the root of the project. */
  readonly entry: string;
  /** The configuration, from the working directory. */
  readonly config: string;
}

export const GROUP_FILES: readonly GroupFile[] = [
  { name: 'master', kind: 'master', entry: 'cmd/master.ts', config: 'configs/master.yaml' },
  { name: 'slave-1', kind: 'slave', entry: 'cmd/slave.ts', config: 'configs/slave-1.yaml' },
  { name: 'slave-2', kind: 'slave', entry: 'cmd/slave.ts', config: 'configs/slave-2.yaml' },
];

export interface MemberSpec extends GroupFile {
  /** `host:port` that reaches the node on this machine. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** `wal.directory`. */
  readonly directory: string;
  /** `section.key=value` for its `--set`. */
  readonly sets: readonly string[];
}

/** The message says what was expected and what to type next. Exit code 2. */
export class GroupRefusal extends Error {
  override readonly name = 'GroupRefusal';
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface GroupSource {
  /** The text of each of `GROUP_FILES`, or the error that reading it gave. */
  readonly texts: readonly (string | ConfigError)[];
  readonly env: Environment;
  /** The value of `--port`. The nodes listen on this port and the two after it, whatever the files say. */
  readonly firstPort: number | undefined;
}

/** Throws `GroupRefusal`. */
export function planGroup({ texts, env, firstPort }: GroupSource): MemberSpec[] {
  const again = startCommand(firstPort);
  refuseShared(env, again);
  const configs = readConfigs(texts, env, again);
  const specs = GROUP_FILES.map((file, index) => {
    const config = configs[index] as NodeConfig;
    const port = firstPort === undefined ? config.server.port : firstPort + index;
    if (port === 0)
      throw new GroupRefusal(
        `${file.config}: server.port is 0, and the other nodes must know it.\n` +
          `Name a port there, or type: ${startCommand(9_080)}`,
      );
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
      name === 'server.port' && again === startCommand(undefined)
        ? startCommand(/^\d+$/.test(text) ? Number(text) : 9_080)
        : again;
    throw new GroupRefusal(
      `${label} is set, and npm start runs three nodes that cannot share one ${name}.\n` +
        `Set it in the files under configs, and type: env -u ${label} ${command}`,
    );
  }
}

function readConfigs(texts: GroupSource['texts'], env: Environment, again: string): NodeConfig[] {
  const problems: string[] = [];
  const configs = GROUP_FILES.flatMap(({ kind, config: file }, index) => {
    try {
      const text = texts[index];
      if (text instanceof ConfigError) throw text;
      return [loadConfig({ kind, file, text: text ?? '', env })];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return [];
    }
  });
  if (problems.length === 0) return configs;
  throw new GroupRefusal(
    `${problems.join('\n')}\nCorrect that, and type: ${again}\n` +
      'Or take the files as they came with the project: git checkout -- configs',
  );
}

function refuseDoubles(specs: readonly MemberSpec[], again: string): void {
  for (const [index, spec] of specs.entries()) {
    for (const other of specs.slice(0, index)) {
      const isPort = other.port === spec.port;
      if (!isPort && resolve(other.directory) !== resolve(spec.directory)) continue;
      const what = isPort ? `server.port ${spec.port}` : `wal.directory ${spec.directory}`;
      throw new GroupRefusal(
        `${other.config} and ${spec.config} have the same ${what}: each node needs its own.\n` +
          `Correct one of them, and type: ${again}`,
      );
    }
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
  throw new GroupRefusal(
    `${GROUP_FILES[own]?.config}: master.address is ${address}, where no other node of this group listens; ` +
      `${GROUP_FILES[0]?.config} listens on ${expected}.\nMake it "${expected}", and type: ${again}`,
  );
}

function hostToCall(bound: string): string {
  if (bound === '0.0.0.0') return '127.0.0.1';
  if (bound === '::') return '[::1]';
  return isIPv6(bound) ? `[${bound}]` : bound;
}
