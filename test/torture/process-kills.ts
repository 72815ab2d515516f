/**
 * SIGKILL, again and again, at any moment of a master under load: while it
 * starts, writes, rotates, checkpoints and compacts. After each the next one
 * must come up by itself and have every acknowledged write.
 */
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { MasterProcess } from './master-process.ts';
import { pause } from './node-process.ts';
import { ProcessJournal, writeBatch, writeOne } from './process-journal.ts';

export interface KillOptions {
  readonly directory: string;
  readonly seed: number;
  /** At least so many kills, and so many acknowledged writes. */
  readonly killsMin: number;
  readonly acksMin: number;
  /** Acknowledged writes before each kill, between half of this and this. */
  readonly acksPerKill: number;
  readonly onKill?: ((kills: number, journal: ProcessJournal) => void) | undefined;
}

const WRITERS = 24;
const KEYS_PER_WRITER = 200;
const OPERATIONS_PER_BATCH = 100;
const ROUNDS_MAX = 5_000;

/** Small segments, no retention and frequent checkpoints, so that kills fall into all of them. */
const SETS = ['wal.max_file_size=300KB', 'wal.retention=0B', 'snapshot.every=1MB'];

export async function killAgainAndAgain(options: KillOptions): Promise<ProcessJournal> {
  const { directory, seed, killsMin, acksMin, onKill } = options;
  const random = new SeededRandom(seed);
  const journal = new ProcessJournal();
  let kills = 0;
  for (let round = 0; kills < killsMin || journal.acked < acksMin; round++) {
    if (round >= ROUNDS_MAX)
      throw new Error(`after ${round} rounds only ${journal.acked} writes are acknowledged`);
    const master = new MasterProcess({ directory, sets: SETS });
    try {
      // Every tenth dies while it starts, the first one aside: a killed owner must not block the next.
      if (round > 0 && random.chance(0.1)) {
        await Promise.race([pause(random.between(100, 600)), master.exited]);
        expectAlive(master);
      } else {
        if (!(await master.ready())) throw new Error(`it does not start: ${master.output}`);
        await journal.verify(master);
        await load(master, journal, random, options.acksPerKill);
      }
    } finally {
      await master.destroy();
    }
    kills++;
    onKill?.(kills, journal);
  }
  const last = new MasterProcess({ directory, sets: SETS });
  if (!(await last.ready())) throw new Error(`it does not start: ${last.output}`);
  await journal.verify(last);
  await last.destroy();
  return journal;
}

function expectAlive(master: MasterProcess): void {
  if (master.exit !== undefined)
    throw new Error(`it ended by itself with ${master.exit.code}: ${master.output}`);
}

/** Writers go on until the kill, which they learn of by their connection. */
async function load(
  master: MasterProcess,
  journal: ProcessJournal,
  random: SeededRandom,
  acksPerKill: number,
): Promise<void> {
  let isOver = false;
  const writers = Array.from({ length: WRITERS }, (_, writer) => {
    const own = random.fork();
    return (async () => {
      while (!isOver && (await writeSome(master, journal, own, writer)));
    })();
  });
  const after = journal.acked + random.between(acksPerKill >> 1, acksPerKill);
  // By acknowledged writes rather than by time: a slow machine gets as much done.
  for (let i = 0; i < 2_000 && journal.acked < after && master.exit === undefined; i++) await pause(5);
  expectAlive(master);
  master.kill('SIGKILL');
  await master.exited;
  isOver = true;
  await Promise.all(writers);
}

async function writeSome(
  master: MasterProcess,
  journal: ProcessJournal,
  random: SeededRandom,
  writer: number,
): Promise<boolean> {
  const key = () => `w${writer}-${random.below(KEYS_PER_WRITER)}`;
  if (random.chance(0.95)) return writeOne(master, journal, journal.plan(key(), random.chance(0.1)));
  const keys = new Set(Array.from({ length: OPERATIONS_PER_BATCH }, key));
  const writes = [...keys].map((each) => journal.plan(each, random.chance(0.1)));
  return writeBatch(master, journal, writes);
}
