/**
 * An embedded replica in a program of its own: how fast it is read, beside a Map with the
 * same keys and values and a redis-server on this machine. And how much replication delays
 * the event loop of a program, while the master is written to: of one without that Map, whose
 * millions of objects delay it by themselves whenever they are marked. A program with nothing
 * in it tells in the same seconds how much of that is the machine, whose processors master and
 * load share.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fill, keyOf } from '../memory/fill.ts';
import { runLoad } from '../replication.ts';
import type { Figure, Pair, SuiteReport } from '../report.ts';
import { isInstalled, startRedis, startWalnut } from '../unary/processes.ts';
import { cutRedis, Pipe } from '../wire/pipe.ts';
import { command, type Kind, openSpeaker } from '../wire/speakers.ts';
import type { Order } from './embedded-child.ts';

export interface EmbeddedBench {
  readonly rounds: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
  readonly entries: number;
  /** Writes per second while the event loop is watched. */
  readonly rate: number;
}

interface Rate {
  readonly rate: number;
  readonly cpuRate: number;
}
interface Delay {
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly records: number;
}
/** The delays of one round: with a replica inside, and with nothing. */
interface Delays {
  readonly replica: Delay;
  readonly nothing: Delay;
}

/**
 * GETs of one redis client under way at once: a program that awaits each before the next, as it
 * has each value from the replica before the next, and one that awaits a few dozen together.
 */
const DEPTHS = [
  { depth: 1, versus: 'redis, one GET after the other', aim: 20 },
  { depth: 64, versus: 'redis, 64 GETs under way', aim: undefined },
];

interface Rates {
  readonly get: Rate[];
  readonly map: Rate[];
  /** One for each of `DEPTHS`; none without redis. */
  readonly redis: readonly Rate[][];
}

export async function benchEmbedded(options: EmbeddedBench): Promise<SuiteReport> {
  const { rounds, seconds, entries, rate } = options;
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const master = await startWalnut(join(directory, 'master'));
  const address = `127.0.0.1:${master.port}`;
  const redis = isInstalled('redis-server') ? await startRedis(directory) : undefined;
  if (redis === undefined) process.stderr.write('redis-server is not installed: not compared\n');
  let program: Program | undefined;
  let nothing: Program | undefined;
  try {
    await fillWith('walnut', master.port, entries);
    if (redis !== undefined) await fillWith('redis', redis.port, entries);
    program = await Program.start([address, join(directory, 'replica'), String(entries)]);
    const rates: Rates = { get: [], map: [], redis: redis === undefined ? [] : DEPTHS.map(() => []) };
    for (let round = -1; round < rounds; round++) {
      for (const kind of ['get', 'map'] as const) {
        const measured = await program.ask<Rate>({ kind, seconds });
        // One round warms up.
        if (round >= 0) rates[kind].push(measured);
      }
      if (round < 0) continue;
      if (redis !== undefined)
        for (const [i, { depth }] of DEPTHS.entries())
          rates.redis[i]?.push(await readRedis(redis.port, entries, seconds, depth));
      process.stderr.write(`reads: round ${round + 1} of ${rounds}\n`);
    }
    await program.stop();
    program = await Program.start([address, join(directory, 'replica'), '0']);
    nothing = await Program.start([]);
    const delays: Delays[] = [];
    for (let round = 0; round < rounds; round++) {
      delays.push(await watchLoops({ replica: program, nothing }, address, rate, seconds));
      process.stderr.write(`delay: round ${round + 1} of ${rounds}\n`);
    }
    return { suite: 'embedded', how: describe(options), ...reported(rates, delays, rate) };
  } finally {
    await program?.stop();
    await nothing?.stop();
    await redis?.stop();
    await master.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function describe({ entries, seconds, rate }: EmbeddedBench): string {
  return (
    `${entries.toLocaleString('en')} entries of 16 + 100 bytes, read by string keys in no order for ${seconds} s; ` +
    `then ${rate.toLocaleString('en')} Sets in a second at the master for as long; all processes on one machine`
  );
}

function reported(
  rates: Rates,
  delays: readonly Delays[],
  rate: number,
): Pick<SuiteReport, 'pairs' | 'figures'> {
  const cpu = (of: readonly Rate[]): number[] => of.map(({ cpuRate }) => cpuRate);
  const map = { versus: 'a Map of Buffers', unit: '1/CPU s', better: 'higher', aim: 0.4 } as const;
  const pairs: Pair[] = [{ what: 'get', ...map, values: cpu(rates.get), others: cpu(rates.map) }];
  const wall = (of: readonly Rate[]): number[] => of.map((one) => one.rate);
  for (const [i, redis] of rates.redis.entries()) {
    const { versus, aim } = DEPTHS[i] as (typeof DEPTHS)[number];
    const [values, others] = [wall(rates.get), wall(redis)];
    pairs.push({ what: 'get', versus, unit: '1/s', better: 'higher', aim, values, others });
  }
  const during = `at ${rate.toLocaleString('en')} Sets in a second`;
  const figures: Figure[] = [
    { what: 'get', unit: '1/CPU s', values: cpu(rates.get), aim: 'at least 1,000,000' },
    { what: 'a Map of Buffers', unit: '1/CPU s', values: cpu(rates.map) },
    {
      what: `delay of the event loop ${during}, p99.9`,
      unit: 'ms',
      values: delays.map(({ replica }) => replica.p999Ms),
      aim: 'at most 5',
    },
    {
      what: 'the same in a program with nothing in it',
      unit: 'ms',
      values: delays.map(({ nothing }) => nothing.p999Ms),
    },
    {
      what: `delay of the event loop ${during}, longest`,
      unit: 'ms',
      values: delays.map(({ replica }) => replica.maxMs),
    },
    { what: `records applied ${during}`, unit: '1/s', values: delays.map(({ replica }) => replica.records) },
  ];
  return { pairs, figures };
}

async function fillWith(kind: Kind, port: number, entries: number): Promise<void> {
  const speaker = await openSpeaker(kind, port);
  await fill(speaker, entries);
  speaker.close();
}

/** How late the event loops of the programs ran while the master was written to. */
async function watchLoops(
  programs: Readonly<Record<keyof Delays, Program>>,
  master: string,
  rate: number,
  seconds: number,
): Promise<Delays> {
  const look = async (): Promise<Delays> => {
    const [replica, nothing] = await Promise.all([
      programs.replica.ask<Delay>({ kind: 'delay' }),
      programs.nothing.ask<Delay>({ kind: 'delay' }),
    ]);
    return { replica, nothing };
  };
  let before: Promise<Delays> | undefined;
  let after: Promise<Delays> | undefined;
  const order = { master, replicas: [], rate, seconds, connections: 64, depth: 1 };
  const { seconds: took } = await runLoad(order, (mark) => {
    if (mark === 'measuring') before = look();
    else after = look();
  });
  if (before === undefined || after === undefined) throw new Error('the load did not say what it does');
  const from = (await before).replica.records;
  const { replica, nothing } = await after;
  return { replica: { ...replica, records: (replica.records - from) / took }, nothing };
}

async function readRedis(port: number, entries: number, seconds: number, depth: number): Promise<Rate> {
  const pipe = await Pipe.open(port, cutRedis);
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  let reads = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - startMs < seconds * 1_000) {
      await pipe.ask(command(['GET', keyOf((reads++ * 7_919_011) % entries)]));
    }
  };
  await Promise.all(Array.from({ length: depth }, worker));
  pipe.close();
  const { user, system } = process.cpuUsage(cpu);
  return { rate: reads / ((performance.now() - startMs) / 1_000), cpuRate: reads / ((user + system) / 1e6) };
}

/** The program with the replica inside; one order at a time is asked, answers come in order. */
class Program {
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: AsyncIterator<string>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(child: ReturnType<typeof spawn>) {
    this.#child = child;
    if (child.stdout === null) throw new Error('the program has no output');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async start(argv: readonly string[]): Promise<Program> {
    const file = join(import.meta.dirname, 'embedded-child.ts');
    const child = spawn(process.execPath, [file, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    const program = new Program(child);
    await program.#line();
    return program;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the program ended');
    return value;
  }

  ask<T>(order: Order): Promise<T> {
    const turn = this.#turn.then(async () => {
      this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
      return JSON.parse(await this.#line()) as T;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}
