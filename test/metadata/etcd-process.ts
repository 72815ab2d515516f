/** A real etcd of one or three members on this machine, with its data in a directory of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { freePorts } from '#test/doubles/free-ports.ts';

export const HAS_ETCD = spawnSync('etcd', ['--version']).status === 0;

/** Short, so that an election takes no second, and a lease may be as short as one. */
const TIMES = ['--heartbeat-interval=20', '--election-timeout=200'];

export class EtcdProcess {
  readonly endpoints: readonly Endpoint[];
  readonly #children: readonly ChildProcess[];
  readonly #directory: string;

  private constructor(endpoints: readonly Endpoint[], children: readonly ChildProcess[], directory: string) {
    this.endpoints = endpoints;
    this.#children = children;
    this.#directory = directory;
  }

  /** Starts the members; they may not answer yet. */
  static async start(members: number): Promise<EtcdProcess> {
    const directory = await fs.mkdtemp(join(tmpdir(), 'walnut-etcd-'));
    const ports = await freePorts(members * 2);
    const names = Array.from({ length: members }, (_, i) => `m${i}`);
    const url = (i: number): string => `http://127.0.0.1:${ports[i]}`;
    const cluster = names.map((name, i) => `${name}=${url(i + members)}`).join(',');
    const children = names.map((name, i) => {
      const client = [`--listen-client-urls=${url(i)}`, `--advertise-client-urls=${url(i)}`];
      const peer = [
        `--listen-peer-urls=${url(i + members)}`,
        `--initial-advertise-peer-urls=${url(i + members)}`,
      ];
      const data = [`--name=${name}`, `--data-dir=${join(directory, name)}`, `--initial-cluster=${cluster}`];
      return spawn('etcd', [...data, ...client, ...peer, ...TIMES], { stdio: 'ignore' });
    });
    const endpoints = names.map((_, i) => tryEndpoint(`127.0.0.1:${ports[i]}`) as Endpoint);
    return new EtcdProcess(endpoints, children, directory);
  }

  /** Kills one member, or stops it (SIGSTOP) so that it answers nothing. */
  signal(member: number, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#children[member]?.kill(signal);
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await fs.rm(this.#directory, { recursive: true, force: true });
  }
}
