/**
 * A cluster of real processes: members of one group, coordinators, and etcd or a file as
 * their store. A proxy stands before each member and each coordinator and knows who calls,
 * so the link between any two can be cut, both ways or one way. Clients are served
 * directly.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '#test/doubles/free-ports.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { CallerProxy } from '#test/doubles/tcp-proxy.ts';
import type { EtcdProcess } from '#test/metadata/etcd-process.ts';
import { type Answer, NodeProcess, pause } from './node-process.ts';

export const GROUP = 'g1';
const MEMBERS = ['a', 'b', 'c'];
const PRELOADED = join(import.meta.dirname, 'from-address.ts');
const WAIT_MS_MAX = 60_000;
const ASK_MS_MAX = 1_000;
const LOOK_MS = 50;
/** A failure shows so many lines of the log of each process. */
const LINES_SHOWN = 12;

/** A process that others call. */
export class Party {
  readonly name: string;
  /** The address that its calls come from. */
  readonly from: string;
  readonly front: CallerProxy;
  readonly #port: number;
  readonly #binary: 'node' | 'coordinator';
  readonly #sets: readonly string[];
  process: NodeProcess;

  constructor(name: string, place: Place, sets: readonly string[]) {
    this.name = name;
    this.from = place.from;
    this.front = place.front;
    this.#port = place.port;
    this.#binary = name.startsWith('coordinator') ? 'coordinator' : 'node';
    this.#sets = [`server.advertise=${place.front.address}`, ...sets];
    this.process = this.#spawn();
  }

  /** Another process in its place; the one before must have ended. */
  restart(): void {
    this.process = this.#spawn();
  }

  /** Undefined where no answer comes within a second. */
  ask(method: string): Promise<Answer | undefined> {
    return this.process.call(method, {}, ASK_MS_MAX).catch(() => undefined);
  }

  #spawn(): NodeProcess {
    return new NodeProcess({
      binary: this.#binary,
      port: this.#port,
      sets: this.#sets,
      env: { NODE_OPTIONS: `--import=${PRELOADED}`, WALNUT_TORTURE_FROM: this.from },
    });
  }
}

interface Place {
  readonly from: string;
  readonly front: CallerProxy;
  readonly port: number;
}

export interface ProcessClusterOptions {
  /** Scratch; each process has a directory in it. */
  readonly directory: string;
  readonly random: SeededRandom;
  /** Two coordinators on it; undefined: one on a file. */
  readonly etcd: EtcdProcess | undefined;
}

export class ProcessCluster {
  readonly members: readonly Party[];
  readonly coordinators: readonly Party[];
  readonly etcd: EtcdProcess | undefined;
  /** One before each member of etcd. */
  readonly #etcdFronts: readonly CallerProxy[];
  readonly #directory: string;

  private constructor(
    members: readonly Party[],
    coordinators: readonly Party[],
    etcdFronts: readonly CallerProxy[],
    { etcd, directory }: ProcessClusterOptions,
  ) {
    this.members = members;
    this.coordinators = coordinators;
    this.etcd = etcd;
    this.#etcdFronts = etcdFronts;
    this.#directory = directory;
  }

  /** Resolves when a member takes writes. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const { directory, random, etcd } = options;
    const coordinatorNames = etcd === undefined ? ['coordinator'] : ['coordinator-1', 'coordinator-2'];
    const names = [...coordinatorNames, ...MEMBERS];
    const froms = names.map((_, index) => `127.0.0.${index + 2}`);
    const places = new Map<string, Place>();
    for (const [index, name] of names.entries()) {
      const front = await CallerProxy.open(froms, random.fork());
      const port = await freePort();
      front.target = { host: '127.0.0.1', port };
      places.set(name, { from: froms[index] as string, front, port });
    }
    const placeOf = (name: string): Place => places.get(name) as Place;
    const etcdFronts = await Promise.all(
      (etcd?.endpoints ?? []).map(async ({ host, port }) => {
        const front = await CallerProxy.open(froms, random.fork());
        front.target = { host, port };
        return front;
      }),
    );
    const metadata =
      etcd === undefined
        ? [`coordinator.metadata.file=${join(directory, 'metadata.db')}`]
        : ['kind=etcd', `endpoints=${etcdFronts.map(({ address }) => address).join()}`].map(
            (set) => `coordinator.metadata.${set}`,
          );
    const coordinators = coordinatorNames.map((name) => new Party(name, placeOf(name), metadata));
    const addresses = coordinators.map(({ front }) => front.address).join();
    const members = MEMBERS.map((name) => {
      const sets = [`wal.directory=${join(directory, name)}`, `cluster.node=${name}`];
      return new Party(name, placeOf(name), [...sets, `cluster.coordinators=${addresses}`]);
    });
    const cluster = new ProcessCluster(members, coordinators, etcdFronts, options);
    try {
      await cluster.#found();
      return cluster;
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
  }

  get parties(): readonly Party[] {
    return [...this.coordinators, ...this.members];
  }

  /** The member that takes writes; waits until there is one. */
  async master(): Promise<Party> {
    return this.#until('a member takes writes', async () => {
      const answers = await Promise.all(this.members.map((member) => member.ask('Admin/Status')));
      return this.members.find((_, index) => {
        const { role, state } = answers[index]?.body ?? {};
        return role === 'ROLE_MASTER' && state === 'NODE_STATE_SERVING';
      });
    });
  }

  /** The coordinator that acts; undefined where none does. */
  async active(): Promise<Party | undefined> {
    const answers = await Promise.all(this.coordinators.map((one) => one.ask('Coordinator/GetCluster')));
    return this.coordinators.find((_, index) => answers[index]?.body.isActive === true);
  }

  /** Starts a member on an empty directory; resolves when it counts again, as another incarnation. */
  async replaceDisk(member: Party): Promise<void> {
    const before = await this.#incarnationOf(member);
    await member.process.destroy();
    await rm(join(this.#directory, member.name), { recursive: true });
    member.restart();
    await this.#until(`${member.name} counts again`, async () => {
      const now = await this.#incarnationOf(member);
      return now === undefined || now === before ? undefined : now;
    });
  }

  /** The map states it; undefined where no coordinator answers. */
  async #incarnationOf({ name }: Party): Promise<string | undefined> {
    const active = await this.active();
    const answer = await active?.ask('Coordinator/GetShardMap');
    const groups: { voters: { node: string; incarnation: string }[] }[] = answer?.body.map?.groups ?? [];
    return groups.flatMap(({ voters }) => voters).find(({ node }) => node === name)?.incarnation;
  }

  /** Nothing that `from` sends arrives at `to`: no call of it, and no answer to a call. */
  cut(from: Party, to: Party): void {
    to.front.from(from.from).swallow('up');
    from.front.from(to.from).swallow('down');
  }

  /** What a coordinator asks of etcd does not arrive there, or is not answered as far as it hears. */
  cutFromEtcd({ from }: Party, way: 'asks' | 'hears'): void {
    for (const front of this.#etcdFronts) front.from(from).swallow(way === 'asks' ? 'up' : 'down');
  }

  heal(): void {
    for (const front of this.#fronts) for (const { from } of this.parties) front.from(from).heal();
  }

  get #fronts(): CallerProxy[] {
    return [...this.parties.map(({ front }) => front), ...this.#etcdFronts];
  }

  async destroy(): Promise<void> {
    await Promise.all(this.parties.map(({ process }) => process.destroy()));
    await Promise.all(this.#fronts.map((front) => front.close()));
  }

  /** What each process said last. */
  describe(): string {
    return this.parties
      .map(
        ({ name, process }) =>
          `${name}:\n${process.output.trim().split('\n').slice(-LINES_SHOWN).join('\n')}`,
      )
      .join('\n');
  }

  async #found(): Promise<void> {
    await this.#until('the cluster is made', async () => {
      const plan = { groups: [{ id: GROUP, nodes: MEMBERS }] };
      const active = await this.active();
      const answer = await active?.process.call('Coordinator/InitCluster', plan).catch(() => undefined);
      return answer?.status === 200 ? true : undefined;
    });
    await this.master();
    // A cut of links that nobody uses would prove nothing.
    for (const { name, from } of this.members) {
      const calls = this.coordinators.map(({ front }) => front.from(from).counts.connections);
      if (calls.every((count) => count === 0)) throw new Error(`calls of ${name} do not come from ${from}`);
    }
    const asked = this.#etcdFronts.flatMap((front) =>
      this.coordinators.map(({ from }) => front.from(from).counts.connections),
    );
    if (this.etcd !== undefined && asked.every((count) => count === 0))
      throw new Error('the calls of the coordinators do not reach etcd by its proxies');
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const endMs = Date.now() + WAIT_MS_MAX; Date.now() < endMs; await pause(LOOK_MS)) {
      const found = await look();
      if (found !== undefined) return found;
    }
    throw new Error(`not within ${WAIT_MS_MAX} ms: ${what}\n${this.describe()}`);
  }
}
