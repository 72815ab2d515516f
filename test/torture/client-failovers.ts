/**
 * A client over failovers of real processes: a master and a replica that change places, by
 * `walnut failover` and by SIGKILL and `walnut promote`, under load. A second client, with a
 * near cache, calls them by proxies that reset its connections again and again.
 */
import { join } from 'node:path';
import { runCli } from '#test/cli/memory-io.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TcpProxy } from '#test/doubles/tcp-proxy.ts';
import { connect } from '../../client/connect.ts';
import { createNodeSeams } from '../../client/node-seams.ts';
import { WalnutClient } from '../../client/walnut-client.ts';
import { ClientLoad, type NearRun } from './client-load.ts';
import { expectReady } from './link-group.ts';
import { NodeProcess, pause } from './node-process.ts';
import { until } from './until.ts';

export interface ClientRun {
  readonly failovers: number;
  readonly resets: number;
  readonly done: number;
  readonly unknown: number;
  readonly refused: number;
  /** The longest call of the counting client. */
  readonly longestMs: number;
  /** Counters that are not what their calls said. */
  readonly wrong: readonly string[];
  readonly near: NearRun;
}

export interface ClientRunOptions {
  readonly directory: string;
  readonly seed: number;
  /** Two failovers each. */
  readonly rounds: number;
  /** Increments of each key before, between and after failovers. */
  readonly calls: number;
  readonly onRound?: (round: number) => void;
}

/** Every call of the client is settled after this: with its repeats, and the wait for an acknowledgement. */
export const CALL_MS_MAX = 35_000;
const TIMEOUT_MS = 30_000;
const STALENESS_MS = 1_000;
const RESET_EVERY_MS = 400;
const WITHIN = { msMax: 90_000 };

export async function failOverUnderClients(options: ClientRunOptions): Promise<ClientRun> {
  const pair = new Pair(options.directory);
  try {
    await pair.start(new SeededRandom(options.seed));
    return await runRounds(pair, options);
  } finally {
    await pair.destroy();
  }
}

async function runRounds(pair: Pair, { rounds, calls, onRound }: ClientRunOptions): Promise<ClientRun> {
  const writer = connect({ addresses: pair.addresses, timeoutMs: TIMEOUT_MS });
  const reader = pair.openNear();
  const load = new ClientLoad(writer, reader, STALENESS_MS);
  const resets = pair.resetAgainAndAgain();
  const more = async (): Promise<void> => {
    const enough = load.least + calls;
    await until('calls are answered', () => load.least >= enough, WITHIN);
  };
  try {
    await more();
    for (let round = 1; round <= rounds; round++) {
      await pair.handOver();
      await more();
      await pair.kill();
      await pair.promote();
      load.isAlone = true;
      await more();
      await pair.bringBack();
      load.isAlone = false;
      await more();
      onRound?.(round);
    }
    const wrong = await load.end();
    const count = await resets.stop();
    const { longestMs, near, totals } = load;
    return { failovers: 2 * rounds, resets: count, ...totals, longestMs, wrong, near };
  } finally {
    // A run that fails ends too.
    load.stop();
    await resets.stop();
    await Promise.all([writer.close(), reader.close()]);
  }
}

interface Seat {
  readonly name: 'master' | 'slave';
  readonly port: number;
  readonly proxy: TcpProxy;
  process: NodeProcess;
}

class Pair {
  readonly #directory: string;
  readonly #seats: Seat[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  get addresses(): string[] {
    return this.#seats.map(({ process }) => process.address);
  }

  async start(random: SeededRandom): Promise<void> {
    for (const name of ['master', 'slave'] as const) {
      const proxy = await TcpProxy.open(random.fork());
      const port = await freePort();
      const seat = { name, port, proxy, process: this.#launch(name, port) };
      seat.proxy.target = seat.process;
      this.#seats.push(seat);
      await expectReady(seat.process);
    }
    await this.#untilFollowed();
  }

  /** The first seat is the master's: they change places with each failover. */
  async handOver(): Promise<void> {
    const [from, to] = this.#seats as [Seat, Seat];
    await expectDone(['failover', '--address', from.process.address, '--to', to.process.address]);
    this.#seats.reverse();
    await this.#untilFollowed();
  }

  async kill(): Promise<void> {
    await (this.#seats[0] as Seat).process.destroy();
    this.#seats.reverse();
  }

  async promote(): Promise<void> {
    await expectDone(['promote', '--address', (this.#seats[0] as Seat).process.address]);
  }

  /** The one that was killed follows the other. */
  async bringBack(): Promise<void> {
    const seat = this.#seats[1] as Seat;
    seat.process = this.#launch(seat.name, seat.port);
    seat.proxy.target = seat.process;
    await expectReady(seat.process);
    await this.#untilFollowed();
  }

  /** A client with a near cache that calls every node by its proxy. */
  openNear(): WalnutClient {
    const near = { prefix: '', maxStalenessMs: STALENESS_MS };
    const options = { addresses: this.addresses, near };
    const seams = createNodeSeams(options);
    const proxies = new Map(this.#seats.map(({ process, proxy }) => [process.address, proxy.address]));
    return new WalnutClient(options, {
      ...seams,
      open: (address) => seams.open(proxies.get(address) ?? address),
    });
  }

  /** Resets what is connected to one node after the other, until it is stopped; resolves with how often something was. */
  resetAgainAndAgain(): { stop(): Promise<number> } {
    let isOver = false;
    const running = (async () => {
      let resets = 0;
      for (let i = 0; !isOver; i++) {
        await pause(RESET_EVERY_MS);
        const { proxy } = this.#seats[i % 2] as Seat;
        if (proxy.openConnections > 0) resets++;
        proxy.reset();
      }
      return resets;
    })();
    return {
      stop: () => {
        isOver = true;
        return running;
      },
    };
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#seats.map(({ process }) => process.destroy()));
    await Promise.all(this.#seats.map(({ proxy }) => proxy.close()));
  }

  #launch(name: Seat['name'], port: number): NodeProcess {
    // Snapshots keep the recovery of a node short, whatever the load wrote.
    const sets = [`wal.directory=${join(this.#directory, name)}`, 'snapshot.every=8MiB'];
    if (name === 'slave') sets.push(`master.address=127.0.0.1:${this.#portOf('master')}`);
    return new NodeProcess({ binary: name, port, sets });
  }

  #portOf(name: Seat['name']): number | undefined {
    return this.#seats.find((seat) => seat.name === name)?.port;
  }

  async #untilFollowed(): Promise<void> {
    const follower = (this.#seats[1] as Seat).process;
    let said = '';
    const isFollowing = async (): Promise<boolean> => {
      const { body } = await follower.call('Admin/Status', {});
      said = JSON.stringify(body.reasons ?? []);
      return body.state === 'NODE_STATE_STREAMING' && body.role === 'ROLE_REPLICA';
    };
    await until(() => `the replica follows: ${said}`, isFollowing, WITHIN);
  }
}

async function expectDone(command: readonly string[]): Promise<void> {
  const { code, err } = await runCli([...command]);
  if (code !== 0) throw new Error(`${command[0]} exits ${code}: ${err}`);
}
