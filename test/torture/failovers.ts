/**
 * A group of real processes whose master changes under load: handed over and
 * back by `walnut failover`, killed and replaced by `walnut promote`, and the
 * old one started again. What was acknowledged, and on a replica's disk where
 * the master was killed, must be on every node in the end.
 */
import { join } from 'node:path';
import { runCli } from '#test/cli/memory-io.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { expectReady } from './link-group.ts';
import { type Answer, NodeProcess, pause } from './node-process.ts';

const WRITERS = 4;
const KEYS_PER_BATCH = 500;
const WAIT_MS_MAX = 30_000;

export interface FailoverRun {
  /** Writes acknowledged, and of those not found on some node in the end. */
  readonly acked: number;
  readonly lost: number;
  /** Milliseconds that writes were refused in each planned failover. */
  readonly pausedMs: readonly number[];
  readonly promotions: number;
  /** Records that old masters set aside when they came back. */
  readonly setAside: number;
}

interface Seat {
  readonly name: string;
  process: NodeProcess;
}

export interface FailoverRunOptions {
  readonly directory: string;
  readonly rounds: number;
  readonly loadMs: number;
  readonly onRound?: (round: number) => void;
}

/** Each round: over to a replica, and then that one killed, another promoted, and the dead one back. */
export async function failAgainAndAgain(options: FailoverRunOptions): Promise<FailoverRun> {
  const group = new FailoverGroup(options.directory);
  try {
    await group.start();
    for (let round = 1; round <= options.rounds; round++) {
      await group.handOver(options.loadMs);
      await group.killAndPromote(options.loadMs);
      options.onRound?.(round);
    }
    return await group.result();
  } finally {
    await group.destroy();
  }
}

class FailoverGroup {
  readonly #directory: string;
  readonly #seats: Seat[] = [];
  /** Index of the node that writers try first. */
  #leader = 0;
  readonly #acked = new Set<string>();
  readonly #pausedMs: number[] = [];
  #keys = 0;
  #promotions = 0;
  #setAside = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async start(): Promise<void> {
    const master = this.#launch('master', await freePort(), '');
    this.#seats.push({ name: 'master', process: master });
    await expectReady(master);
    for (const name of ['one', 'two']) {
      this.#seats.push({ name, process: this.#launch(name, await freePort(), master.address) });
    }
    for (const { process } of this.#seats) await expectReady(process);
    await this.#untilLevel();
  }

  /** Under load, to the next node. */
  async handOver(loadMs: number): Promise<void> {
    const from = this.#at(this.#leader);
    const next = (this.#leader + 1) % this.#seats.length;
    const load = this.#load(0);
    await pause(loadMs);
    const args = ['failover', '--address', from.address, '--to', this.#at(next).address, '--json'];
    const { code, out, err } = await runCli(args);
    if (code !== 0) throw new Error(`failover exits ${code}: ${err}`);
    this.#pausedMs.push((JSON.parse(out) as { pausedMs: number }).pausedMs);
    this.#leader = next;
    await pause(loadMs);
    await load.stop();
    await this.#untilLevel();
  }

  /** The master dies with records that nobody else has; the others go on, and it comes back. */
  async killAndPromote(loadMs: number): Promise<void> {
    const load = this.#load(1);
    await pause(loadMs);
    await load.stop();
    const dead = this.#seats[this.#leader] as Seat;
    const others = this.#seats.filter((seat) => seat !== dead);
    await this.#untilLevel();
    const ports = this.#seats.map(({ process }) => process.port);
    for (const { process } of others) await process.destroy();
    const alone = ['alone-1', 'alone-2', 'alone-3'];
    for (const key of alone) await dead.process.call('KVStore/Set', { key, value: 'eA==' });
    const deadPort = dead.process.port;
    await dead.process.destroy();
    for (const seat of others) {
      const port = ports[this.#seats.indexOf(seat)] as number;
      // Their configuration names the first master, which may be another node than the present one.
      seat.process = this.#launch(seat.name, port, `127.0.0.1:${ports[0]}`);
    }
    for (const { process } of others) await expectReady(process);
    const promoted = others[0] as Seat;

    const { code, err } = await runCli(['promote', '--address', promoted.process.address]);
    if (code !== 0) throw new Error(`promote exits ${code}: ${err}`);
    this.#promotions++;
    this.#leader = this.#seats.indexOf(promoted);
    const after = this.#load(0);
    await pause(loadMs);
    dead.process = this.#launch(dead.name, deadPort, `127.0.0.1:${ports[0]}`);
    await expectReady(dead.process);
    await pause(loadMs);
    await after.stop();
    await this.#untilLevel();

    await this.#expectSetAside(dead, alone);
  }

  /** The same of the running node and of its directory. */
  async #expectSetAside({ name, process }: Seat, alone: readonly string[]): Promise<void> {
    const keysOf = async (where: readonly string[]): Promise<string> => {
      const listed = await runCli(['diverged', 'list', ...where, '--json']);
      const tails = JSON.parse(listed.out) as { id: number; records: number }[];
      const shown = await runCli(['diverged', 'show', String(tails.at(-1)?.id), ...where, '--json']);
      if (listed.code + shown.code !== 0) throw new Error(`diverged: ${listed.err} ${shown.err}`);
      const keys = shown.out.trim().split('\n');
      return keys.map((line) => (JSON.parse(line) as { key: string }).key).join();
    };
    const [ofNode, ofDirectory] = [
      await keysOf(['--address', process.address]),
      await keysOf([join(this.#directory, name)]),
    ];
    if (ofNode !== alone.join() || ofDirectory !== ofNode) {
      throw new Error(`set aside were ${ofNode}, by the directory ${ofDirectory}, and not ${alone}`);
    }
    this.#setAside += alone.length;
  }

  async result(): Promise<FailoverRun> {
    const keys = [...this.#acked];
    const lost = new Set<string>();
    for (const { process } of this.#seats) {
      for (let at = 0; at < keys.length; at += KEYS_PER_BATCH) {
        const batch = keys.slice(at, at + KEYS_PER_BATCH);
        const answer = await process.call('KVStore/Batch', {
          operations: batch.map((key) => ({ get: { key } })),
        });
        batch.forEach((key, i) => {
          if (answer.body.results?.[i]?.get?.found !== true) lost.add(key);
        });
      }
    }
    const { size } = this.#acked;
    return {
      acked: size,
      lost: lost.size,
      pausedMs: this.#pausedMs,
      promotions: this.#promotions,
      setAside: this.#setAside,
    };
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#seats.map(({ process }) => process.destroy()));
  }

  #at(index: number): NodeProcess {
    return (this.#seats[index] as Seat).process;
  }

  #launch(name: string, port: number, master: string): NodeProcess {
    const isMaster = name === 'master';
    return new NodeProcess({
      binary: isMaster ? 'master' : 'slave',
      sets: [
        `wal.directory=${join(this.#directory, name)}`,
        `server.port=${port}`,
        ...(isMaster ? [] : [`master.address=${master}`]),
      ],
    });
  }

  /** Writers that go to another node wherever one refuses, as clients do. */
  #load(minAcks: number): { stop(): Promise<void> } {
    let isOver = false;
    const write = async (): Promise<void> => {
      let at = this.#leader;
      while (!isOver) {
        const key = `k${this.#keys++}`;
        const command = { key, value: 'eA==', minAcks, timeoutMs: 5_000 };
        const answer: Answer | undefined = await this.#at(at)
          .call('KVStore/Set', command)
          .catch(() => undefined);
        const isAcked = answer?.status === 200 && (answer.body.replicasAcked ?? 0) >= minAcks;
        if (isAcked) this.#acked.add(key);
        else {
          at = (at + 1) % this.#seats.length;
          await pause(2);
        }
      }
    };
    const running = Array.from({ length: WRITERS }, write);
    return {
      stop: async () => {
        isOver = true;
        await Promise.all(running);
      },
    };
  }

  /** All at one position with one digest, and one of them the master. */
  async #untilLevel(): Promise<void> {
    let seen = '';
    for (const endMs = Date.now() + WAIT_MS_MAX; Date.now() < endMs; await pause(20)) {
      const answers = await Promise.all(
        this.#seats.map(async ({ process }) => {
          const status = await process.call('Admin/Status', {}).catch(() => undefined);
          const digest = await process.call('Admin/Digest', {}).catch(() => undefined);
          return {
            role: status?.body.role,
            reasons: status?.body.reasons,
            digest: JSON.stringify(digest?.body),
          };
        }),
      );
      seen = JSON.stringify(answers);
      const masters = answers.filter(({ role }) => role === 'ROLE_MASTER').length;
      if (masters === 1 && new Set(answers.map(({ digest }) => digest)).size === 1) return;
    }
    throw new Error(`not level within ${WAIT_MS_MAX} ms: ${seen}`);
  }
}
