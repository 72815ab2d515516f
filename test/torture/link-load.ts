/** Writers that go on whatever happens to the links, and can be made to pause between two writes. */
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type NodeProcess, pause } from './node-process.ts';
import { type ProcessJournal, writeBatch, writeOne } from './process-journal.ts';

const KEYS_PER_WRITER = 200;
const OPERATIONS_PER_BATCH = 50;

export interface LinkLoadOptions {
  /** Looked up for each write: the master may be another one meanwhile. */
  readonly master: () => NodeProcess;
  readonly journal: ProcessJournal;
  readonly random: SeededRandom;
  readonly writers: number;
  /** Milliseconds each writer waits between two writes. */
  readonly pauseMs: number;
}

export class LinkLoad {
  readonly #options: LinkLoadOptions;
  readonly #running: Promise<void>[] = [];
  #isOver = false;
  #isPaused = false;
  #underWay = 0;
  /** Milliseconds that acknowledged writes took; emptied by `takeLatencies`. */
  #latencies: number[] = [];

  constructor(options: LinkLoadOptions) {
    this.#options = options;
    for (let i = 0; i < options.writers; i++) this.#running.push(this.#write(i, options.random.fork()));
  }

  /** Resolves when no write is under way any more. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    while (this.#underWay > 0) await pause(1);
  }

  resume(): void {
    this.#isPaused = false;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  takeLatencies(): number[] {
    const latencies = this.#latencies;
    this.#latencies = [];
    return latencies;
  }

  async #write(writer: number, random: SeededRandom): Promise<void> {
    const { master, journal, pauseMs } = this.#options;
    const key = () => `w${writer}-${random.below(KEYS_PER_WRITER)}`;
    while (!this.#isOver) {
      await pause(this.#isPaused ? 2 : pauseMs);
      if (this.#isPaused || this.#isOver) continue;
      this.#underWay++;
      const startMs = performance.now();
      if (random.chance(0.95)) {
        const isAcked = await writeOne(master(), journal, journal.plan(key(), random.chance(0.1)));
        if (isAcked) this.#latencies.push(performance.now() - startMs);
      } else {
        const keys = new Set(Array.from({ length: OPERATIONS_PER_BATCH }, key));
        await writeBatch(
          master(),
          journal,
          [...keys].map((each) => journal.plan(each, random.chance(0.1))),
        );
      }
      this.#underWay--;
    }
  }
}
