/** The members of etcd of `npm run cluster:ha -- --etcd`. */
import { spawnSync } from 'node:child_process';
import { baseUrlOf, type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import type { OtherSpec } from '../local/local-files.ts';
import { type LocalScript, startCommand } from '../local/local-script.ts';
import { CLUSTER } from './cluster-scripts.ts';

const NAMES: readonly string[] = ['etcd-1', 'etcd-2', 'etcd-3'];
/** Not etcd's own port, where one may be running. */
const PORT = 8_084;
/** The coordinator and the nodes take the ports before it. */
const PORT_INDEX = 4;

/**
 * Members call each other over sockets in the directory of the run, under names that stay:
 * etcd keeps the addresses of its members with the data, and the ports may be others next
 * time. Pure.
 */
export function planEtcd({ place }: LocalScript, firstPort: number | undefined): OtherSpec[] {
  const peerOf = (name: string): string => `unix://${name}:0`;
  const members = NAMES.map((name) => `${name}=${peerOf(name)}`).join();
  return NAMES.map((name, index) => {
    const host = '127.0.0.1';
    const port = (firstPort === undefined ? PORT : firstPort + PORT_INDEX) + index;
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
export function whyNoEtcd(script: LocalScript, firstPort: number | undefined): string | undefined {
  const { error, status } = spawnSync('etcd', ['--version'], { stdio: 'ignore' });
  if (status === 0) return undefined;
  return (
    `${startCommand(script, undefined)} starts etcd, which is not to be found on the PATH` +
    `${error === undefined ? '' : ` (${error.message})`}.\n` +
    `Install it, on Debian by: apt-get install etcd-server\n` +
    `Or keep the cluster in a file, and type: ${startCommand(CLUSTER, firstPort)}\n`
  );
}
