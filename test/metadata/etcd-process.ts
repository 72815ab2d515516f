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
  readonly #children: ChildProcess[];
  /** The arguments of each member. */
  readonly #lines: readonly (readonly string[])[];
  readonly #directory: string;

  private constructor(
    endpoints: readonly Endpoint[],
    lines: readonly (readonly string[])[],
    directory: string,
  ) {
    this.endpoints = endpoints;
    this.#lines = lines;
    this.#children = lines.map(startMember);
    this.#directory = directory;
  }

  /** Starts the members; they may not answer yet. `more`: further flags, for files in `directory`. */
  static async start(
    members: number,
    scheme: 'http' | 'https' = 'http',
    more: (directory: string) => Promise<readonly string[]> = async () => [],
  ): Promise<EtcdProcess> {
    const directory = await fs.mkdtemp(join(tmpdir(), 'walnut-etcd-'));
    const flags = await more(directory);
    const ports = await freePorts(members * 2);
    const names = Array.from({ length: members }, (_, i) => `m${i}`);
    const url = (i: number): string => `http://127.0.0.1:${ports[i]}`;
    const clientUrl = (i: number): string => `${scheme}://127.0.0.1:${ports[i]}`;
    const cluster = names.map((name, i) => `${name}=${url(i + members)}`).join(',');
    const lines = names.map((name, i) => {
      const client = [`--listen-client-urls=${clientUrl(i)}`, `--advertise-client-urls=${clientUrl(i)}`];
      const peer = [
        `--listen-peer-urls=${url(i + members)}`,
        `--initial-advertise-peer-urls=${url(i + members)}`,
      ];
      const data = [`--name=${name}`, `--data-dir=${join(directory, name)}`, `--initial-cluster=${cluster}`];
      return [...data, ...client, ...peer, ...TIMES, ...flags];
    });
    const endpoints = names.map((_, i) => tryEndpoint(`127.0.0.1:${ports[i]}`) as Endpoint);
    return new EtcdProcess(endpoints, lines, directory);
  }

  /** Kills one member, or stops it (SIGSTOP) so that it answers nothing. */
  signal(member: number, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#children[member]?.kill(signal);
  }

  /** Starts a member that has ended, with its data or with what a restore made of it. */
  restart(member: number): void {
    const line = this.#lines[member];
    if (line !== undefined) this.#children[member] = startMember(line);
  }

  /** The value of a flag of a member, such as `data-dir`. */
  flag(member: number, name: string): string {
    const given = this.#lines[member]?.find((each) => each.startsWith(`--${name}=`));
    if (given === undefined) throw new Error(`member ${member} has no --${name}`);
    return given.slice(name.length + 3);
  }

  /** Kills a member and waits for its end. */
  async kill(member: number): Promise<void> {
    const child = this.#children[member];
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((_, member) => this.kill(member)));
    await fs.rm(this.#directory, { recursive: true, force: true });
  }
}

function startMember(line: readonly string[]): ChildProcess {
  return spawn('etcd', line, { stdio: 'ignore' });
}
