/** The members of etcd of a cluster on this machine, with `--etcd`. */
import { spawnSync } from 'node:child_process';
import { baseUrlOf, type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import type { OtherSpec } from '../local/local-files.ts';
import { startCommand } from '../local/local-script.ts';
import { type ClusterScript, nodesOf } from './cluster-scripts.ts';

const NAMES: readonly string[] = ['etcd-1', 'etcd-2', 'etcd-3'];
/** The first of the nodes; etcd comes behind them, not on its own port, where one may be running. */
const NODES_PORT = 8_081;

/**
 * Members call each other over sockets in the directory of the run, under names that stay:
 * etcd keeps the addresses of its members with the data, and the ports may be others next
 * time. Pure.
 */
export function planEtcd(script: ClusterScript, firstPort: number | undefined): OtherSpec[] {
  const { place } = script;
  const nodes = nodesOf(script).length;
  const behind = 1 + nodes + (script.hasGateway ? 1 : 0);
  const port0 = firstPort === undefined ? NODES_PORT + nodes : firstPort + behind;
  const peerOf = (name: string): string => `unix://${name}:0`;
  const members = NAMES.map((name) => `${name}=${peerOf(name)}`).join();
  return NAMES.map((name, index) => {
    const host = '127.0.0.1';
    const port = port0 + index;
    const address = `${host}:${port}`;
    const client = baseUrlOf(tryEndpoint(address) as Endpoint);
    const flags = {
      name,
      'data-dir': name,
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peerOf(name),
      'initial-advertise-peer-urls': peerOf(name),
      'initial-cluster': members,
      logger: 'zap',
    };
    const line = ['etcd', ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)] as const;
    return {
      ...{ name, kind: 'etcd', host, port, address, line: [...line] },
      directory: `${place}/${name}`,
      workingDirectory: place,
    };
  });
}

/** What is wrong with the etcd of this machine, and what to type; undefined if it can be started. */
export function whyNoEtcd(script: ClusterScript, firstPort: number | undefined): string | undefined {
  const { error, status } = spawnSync('etcd', ['--version'], { stdio: 'ignore' });
  if (status === 0) return undefined;
  const { argument: _, ...onFile } = script;
  return (
    `${startCommand(script, undefined)} starts etcd, which is not to be found on the PATH` +
    `${error === undefined ? '' : ` (${error.message})`}.\n` +
    `Install it, on Debian by: apt-get install etcd-server\n` +
    `Or keep the cluster in a file, and type: ${startCommand(onFile, firstPort)}\n`
  );
}
