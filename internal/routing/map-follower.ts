/**
 * Keeps a `MapCache` up to date: a stream of changes from one coordinator, and while none is
 * open a question to each in turn, soon again at first and then every 2 s. What is wrong with a coordinator is logged once
 * until it changes.
 */
import type { MapNews } from '#cluster/coordinator-port.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { MapCache } from '#routing/map-cache.ts';

/** The coordinators, as routing calls them; `peer` implements it. */
export interface MapSource {
  /** Rejects with what is wrong, for people, where there is no answer. */
  ask(address: string, clusterId: string, epoch: number): Promise<MapNews>;
  /** Ends or throws where the stream breaks. */
  follow(address: string, clusterId: string, epoch: number, signal: AbortSignal): AsyncIterable<MapNews>;
}

export interface MapFollowerOptions {
  /** `host:port`, at least one. */
  readonly coordinators: readonly string[];
  readonly source: MapSource;
  readonly cache: () => MapCache;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What to do where a coordinator is of another cluster than the first one. */
  readonly advice: string;
}

/** Between two rounds over all coordinators while none of them streams. */
const POLL_MS = 2_000;
/** After the first round, and twice as long after each: a coordinator that starts or changes is soon there. */
const FIRST_POLL_MS = 100;
/** Between one coordinator and the next. */
const TURN_MS = 50;
/** A coordinator says something every 5 s; the rest is for a busy machine. */
const SILENCE_MS = 6_500;
/** The first word of a stream comes at once, from memory. */
const FIRST_MS = 1_500;

export class MapFollower {
  readonly #options: MapFollowerOptions;
  readonly #stopped = new AbortController();
  /** What was logged last of each coordinator. */
  readonly #told = new Map<string, string>();
  /** Those of `#told` that answered last for another cluster. */
  readonly #foreign = new Set<string>();
  #isStreaming = false;
  /** The coordinator that answered last, which is asked first. */
  #answered = '';
  #running: Promise<void> | undefined;

  constructor(options: MapFollowerOptions) {
    this.#options = options;
  }

  /** True while changes arrive as they are made. */
  get isStreaming(): boolean {
    return this.#isStreaming;
  }

  /** What is wrong with each coordinator that does not answer, for people. */
  get problems(): readonly string[] {
    return [...this.#told].map(([address, why]) => `coordinator ${address}: ${why}`);
  }

  /** True while every coordinator that answers is of another cluster than the map. */
  get isForeign(): boolean {
    return this.#foreign.size > 0 && this.#options.coordinators.every((address) => this.#told.has(address));
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  /** Asks coordinators in turn, first the one that answered last, until one answers; rejects where none does. */
  async ask(): Promise<void> {
    const { coordinators } = this.#options;
    const first = coordinators.filter((address) => address === this.#answered);
    const others = coordinators.filter((address) => address !== this.#answered);
    for (const address of [...first, ...others]) if (await this.#askOne(address)) return;
    throw new Error('no coordinator answers');
  }

  async #run(): Promise<void> {
    const { clock, coordinators } = this.#options;
    const { signal } = this.#stopped;
    let failed = 0;
    for (let turn = 0; !signal.aborted; turn++) {
      const address = coordinators[turn % coordinators.length] as string;
      const hasStreamed = await this.#stream(address);
      failed = hasStreamed ? 0 : failed + 1;
      const rounds = failed / coordinators.length;
      const isRoundOver = rounds > 0 && Number.isInteger(rounds);
      const pauseMs = Math.min(POLL_MS, FIRST_POLL_MS * 2 ** (rounds - 1));
      await clock.sleep(isRoundOver ? pauseMs : TURN_MS, signal);
    }
  }

  async #askOne(address: string): Promise<boolean> {
    const { source, cache } = this.#options;
    const { map } = cache();
    try {
      const news = await source.ask(address, map?.clusterId ?? '', map?.epoch ?? 0);
      return await this.#take(address, news);
    } catch (error) {
      this.#tell(address, (error as Error).message);
      return false;
    }
  }

  /** Resolves when the stream is over; false: it told nothing. */
  async #stream(address: string): Promise<boolean> {
    const { source, cache, clock } = this.#options;
    const { map } = cache();
    const over = new AbortController();
    const end = (): void => over.abort();
    this.#stopped.signal.addEventListener('abort', end, { once: true });
    let why = '';
    const endSilent = (ms: number): void => {
      why = `it said nothing for ${ms / 1_000} s`;
      end();
    };
    let silent = clock.after(FIRST_MS, () => endSilent(FIRST_MS));
    let hasStreamed = false;
    try {
      for await (const news of source.follow(address, map?.clusterId ?? '', map?.epoch ?? 0, over.signal)) {
        silent.cancel();
        silent = clock.after(SILENCE_MS, () => endSilent(SILENCE_MS));
        if (!(await this.#take(address, news))) break;
        this.#isStreaming = true;
        hasStreamed = true;
      }
    } catch (error) {
      // What an abort throws says nothing of the coordinator.
      why ||= (error as Error).message;
    } finally {
      this.#isStreaming = false;
      silent.cancel();
      over.abort();
      this.#stopped.signal.removeEventListener('abort', end);
    }
    if (why !== '' && !this.#stopped.signal.aborted) this.#tell(address, why);
    return hasStreamed;
  }

  /** False where the coordinator cannot be used. Changes that are missing here are asked for as the whole map. */
  async #take(address: string, told: MapNews): Promise<boolean> {
    const cache = this.#options.cache();
    let news = told;
    let taken = cache.take(news);
    if (taken === 'gap') {
      news = await this.#options.source.ask(address, '', 0);
      taken = cache.take(news);
    }
    if (taken === 'foreign') {
      const other = news.kind === 'whole' ? news.map.clusterId : '';
      const its = other === '' ? 'none yet' : other;
      const why = `it coordinates another cluster (${its}) than the one that this process calls (${cache.map?.clusterId}): ${this.#options.advice}`;
      this.#tell(address, why);
      // One without a cluster has lost its store, and the groups of the map may serve all the same.
      if (other !== '') this.#foreign.add(address);
      return false;
    }
    if (taken === 'gap') {
      this.#tell(address, 'it told changes from an epoch that is not known here');
      return false;
    }
    this.#answered = address;
    this.#foreign.delete(address);
    if (this.#told.delete(address)) this.#options.logger.info({ address }, 'the coordinator answers again');
    return true;
  }

  #tell(address: string, why: string): void {
    this.#foreign.delete(address);
    if (this.#told.get(address) === why) return;
    this.#told.set(address, why);
    this.#options.logger.warn({ address, why }, 'no map from this coordinator');
  }
}
