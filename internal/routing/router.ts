/**
 * Carries a call to the node of a group that can answer it, and repeats what may be
 * repeated until the caller's time is over. How a node is called is the caller's matter:
 * routing sees links and the judgement of their errors.
 *
 * A call that fails throws what `Links.toError` makes of the last error and of what is
 * known about the effect of all attempts.
 */
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import { EndedAttempt, type Failure, type Outcome, type Told } from '#routing/failure.ts';
import type { Gate } from '#routing/gate.ts';
import type { GroupRoutes, Target } from '#routing/group-routes.ts';
import { nextStep } from '#routing/next-step.ts';
import { Opening, outOfTime, SILENT } from '#routing/opening.ts';
import { doubled } from '#routing/pauses.ts';

/** How nodes are called; implemented by who calls them. `L` is the way to one node. */
export interface Links<L> {
  /** Opens nothing: the first call does. */
  linkTo(address: string): L;
  /** What an error of an attempt means. */
  judge(error: unknown): Failure;
  toError(error: unknown, told: Told): Error;
  /**
   * Asks a node who the master is: itself, another address, or undefined where it does not know.
   * Throws where it does not say.
   */
  findMaster(link: L, limits: Limits): Promise<'itself' | string | undefined>;
}

export interface Limits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface RoutedCall {
  readonly target: Target;
  /** True if it may be carried out twice without harm: reads, and writes with a name. */
  readonly isRepeatable: boolean;
  /** True if it changes nothing, so that nothing of it is done wherever it fails. */
  readonly isRead?: boolean | undefined;
  /** The caller's time for all attempts, milliseconds. */
  readonly timeoutMs: number;
  /** The time of the first attempt, where there may be others; it doubles where it was too short. */
  readonly attemptMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The node to ask, and no other. Throws where it may not be asked any more. */
  readonly at?: (() => string) | undefined;
}

export interface StreamLimits {
  readonly signal: AbortSignal | undefined;
  /** How long nodes that hang are asked again for the first message, milliseconds. */
  readonly beginMs: number;
}

export interface Attempt<L> extends Limits {
  readonly link: L;
  readonly address: string;
  /** True if an earlier attempt may have been, or may still be, carried out. */
  readonly mayBeRepeat: boolean;
}

export interface RouterOptions<L> {
  readonly routes: GroupRoutes;
  readonly links: Links<L>;
  readonly clock: Clock;
  readonly random: Random;
  /** Called for each attempt that failed and is followed by another. */
  readonly onRetry?: ((told: Told, error: unknown) => void) | undefined;
  /** Undefined: every attempt goes at once. */
  readonly gate?: Gate | undefined;
  /** The longest pause between rounds over all nodes. */
  readonly pauseMsMax?: number | undefined;
}

/** Nodes that are asked who the master is have so long. */
const FIND_MS = 1_000;
const ATTEMPT_DOUBLINGS_MAX = 6;
/** How long a node has for the first message of a stream, which it tells at once; it doubles where that was too short. */
const FIRST_MS = 1_000;
const FIRST_MS_MAX = 2_000;

/** One call while it goes on. */
interface Progress {
  /** The error of the last attempt. */
  last: { readonly error: unknown; readonly address: string } | undefined;
  outcome: Outcome;
  attempts: number;
  late: number;
  rounds: number;
  hintsFollowed: number;
  readonly tried: Set<string>;
  /** Those of them that nothing but somebody's hand mends. */
  readonly unfit: Set<string>;
  readonly endMs: number;
}

export class Router<L> {
  readonly #routes: GroupRoutes;
  readonly #links: Links<L>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onRetry: ((told: Told, error: unknown) => void) | undefined;
  readonly #gate: Gate | undefined;
  readonly #pauseMsMax: number | undefined;
  #finding: Promise<void> | undefined;

  constructor({ routes, links, clock, random, onRetry, gate, pauseMsMax }: RouterOptions<L>) {
    this.#routes = routes;
    this.#links = links;
    this.#clock = clock;
    this.#random = random;
    this.#onRetry = onRetry;
    this.#gate = gate;
    this.#pauseMsMax = pauseMsMax;
  }

  async run<T>(call: RoutedCall, attempt: (attempt: Attempt<L>) => Promise<T>): Promise<T> {
    const endMs = this.#clock.monotonicMs() + call.timeoutMs;
    const progress: Progress = {
      last: undefined,
      outcome: 'not_done',
      attempts: 0,
      late: 0,
      rounds: 0,
      hintsFollowed: 0,
      tried: new Set(),
      unfit: new Set(),
      endMs,
    };
    let hint: string | undefined;
    // What one node answers of its own cursor says nothing of the group.
    const gate = call.target === 'master' && call.at === undefined ? this.#gate : undefined;
    for (;;) {
      const entering = gate?.enter(endMs - this.#clock.monotonicMs(), call.signal);
      if (entering !== undefined) await this.#entered(entering, progress, call);
      const address = call.at?.() ?? hint ?? (await this.#choose(call, progress.tried));
      if (isGivenUp(call)) {
        gate?.onGivenUp();
        throw this.#unsent(progress);
      }
      progress.tried.add(address);
      progress.attempts++;
      const startedMs = this.#clock.monotonicMs();
      const one = this.#attemptAt(address, call, progress);
      try {
        const answer = await attempt(one);
        gate?.onAnswer();
        this.#onAnswer(address, call, this.#clock.monotonicMs() - startedMs);
        return answer;
      } catch (error) {
        const failure = this.#links.judge(error);
        if (gate !== undefined) this.#tell(gate, failure, address, call);
        hint = await this.#afterFailure(error, failure, one, call, progress);
      }
    }
  }

  /**
   * Opens a stream at the node to ask, and at the next one while none of them gave a message; one of
   * the master only at who the master is by then. Where a node hangs, nodes are asked again until
   * `beginMs` are over. A stream that breaks later is the caller's to open again. `signal`: with it the
   * caller ends the stream. Where no node had its whole time, the error is that the caller's is over.
   */
  async *stream<T>(
    target: Target,
    open: (link: L, signal: AbortSignal) => AsyncIterable<T>,
    { signal, beginMs }: StreamLimits,
  ): AsyncGenerator<T, void, undefined> {
    const endMs = this.#clock.monotonicMs() + beginMs;
    const tried = new Set<string>();
    let last: Error | undefined;
    let silences = 0;
    for (;;) {
      const address = await this.#choose({ target, isRead: true }, tried);
      const leftMs = endMs - this.#clock.monotonicMs();
      if (last !== undefined && tried.has(address)) {
        if (silences === 0 || leftMs <= 0) throw last;
        tried.clear();
      }
      tried.add(address);
      const firstMs = Math.ceil(Math.min(leftMs, doubled(FIRST_MS, silences, FIRST_MS_MAX)));
      const opening = new Opening(Math.max(1, firstMs), signal, this.#clock);
      let hasBegun = false;
      try {
        for await (const message of open(this.#links.linkTo(address), opening.signal)) {
          if (!hasBegun) opening.onMessage();
          hasBegun = true;
          yield message;
        }
        return;
      } catch (thrown) {
        const { silence } = opening;
        if (silence !== undefined) silences++;
        // A node that had less than the time of a first message did not fail: the caller's time is over.
        const isCut = silence !== undefined && firstMs < FIRST_MS;
        const error = isCut ? outOfTime(beginMs) : (silence ?? thrown);
        const failure = silence === undefined ? this.#links.judge(thrown) : SILENT;
        const earlier = last;
        last = this.#links.toError(error, { outcome: 'not_done', address, attempts: tried.size });
        if (isGivenUp({ signal })) throw last;
        if (isCut) throw earlier ?? last;
        this.#routes.onFailure(address, failure, this.#clock.monotonicMs());
        const isLast = silences === 0 && !this.#routes.hasUntried(tried);
        if (hasBegun || failure.remedy === 'none' || isLast) throw last;
      } finally {
        opening.close();
      }
    }
  }

  /** A node answered, but does not have the state that a read must show: others are asked first for a while. */
  onBehind(address: string): void {
    this.#routes.onBehind(address, this.#clock.monotonicMs());
  }

  /** The node to ask. Where only the master will do and nobody knows it, nodes are asked who it is. */
  async #choose(
    { target, isRead }: Pick<RoutedCall, 'target' | 'isRead'>,
    tried: ReadonlySet<string>,
  ): Promise<string> {
    if (target === 'master' && this.#routes.master === undefined && this.#routes.addresses.length > 1) {
      this.#finding ??= this.#findMaster().finally(() => {
        this.#finding = undefined;
      });
      await this.#finding;
    }
    const { master } = this.#routes;
    // A replica refuses a write, and says who the master is; a read it would answer by an older state.
    if (target === 'master' && isRead === true && master !== undefined) return master;
    const nowMs = this.#clock.monotonicMs();
    const address = this.#routes.choose(target, nowMs, tried);
    return address ?? (this.#routes.choose(target, nowMs, new Set()) as string);
  }

  /** Asks all nodes at once, so that one that is down costs nothing; the first that knows decides. */
  async #findMaster(): Promise<void> {
    const over = new AbortController();
    const limits = { timeoutMs: FIND_MS, signal: over.signal };
    const ask = async (address: string): Promise<void> => {
      const said = await this.#links.findMaster(this.#links.linkTo(address), limits);
      const master = said === 'itself' ? address : said;
      if (master === undefined || !this.#routes.learn(master)) throw new Error('not known');
      this.#routes.setMaster(master);
    };
    await Promise.any(this.#routes.addresses.map(ask)).catch(() => undefined);
    over.abort();
  }

  /** Awaits `entering`. The error of a wait that took too long says why the last attempt failed, and what that may have done. */
  async #entered(entering: Promise<void>, progress: Progress, call: RoutedCall): Promise<void> {
    try {
      await entering;
    } catch (ended) {
      const { outcome, attempts, last } = progress;
      const { error, address } = (isGivenUp(call) ? undefined : last) ?? { error: ended, address: '' };
      throw this.#links.toError(error, { outcome, address, attempts });
    }
  }

  /** Opens the gate or holds it, by answers that say something of the group only. */
  #tell(gate: Gate, { remedy }: Failure, address: string, call: RoutedCall): void {
    const { master = address } = this.#routes;
    // One that refers to the master that is known already is a replica that was asked instead.
    const isOfReplica = remedy === 'elsewhere' && master !== address;
    if (isGivenUp(call) || remedy === 'ended') gate.onGivenUp();
    else if (isOfReplica) gate.onReplica();
    else if (remedy === 'later' || remedy === 'elsewhere' || remedy === 'others') gate.onFailure();
    else gate.onAnswer();
  }

  /** The caller gave up before this attempt was sent. */
  #unsent({ outcome, attempts, last }: Progress): Error {
    const error = new EndedAttempt('the caller gave the call up', 'cancelled');
    return this.#links.toError(error, { outcome, address: last?.address ?? '', attempts });
  }

  #attemptAt(address: string, call: RoutedCall, { outcome, late, endMs }: Progress): Attempt<L> {
    const leftMs = endMs - this.#clock.monotonicMs();
    const attemptMs = call.attemptMs * 2 ** Math.min(late, ATTEMPT_DOUBLINGS_MAX);
    return {
      link: this.#links.linkTo(address),
      address,
      // A call that is not repeated has nothing to gain by giving up early.
      timeoutMs: Math.max(1, Math.ceil(call.isRepeatable ? Math.min(attemptMs, leftMs) : leftMs)),
      signal: call.signal,
      mayBeRepeat: outcome !== 'not_done',
    };
  }

  #onAnswer(address: string, { target }: RoutedCall, tookMs: number): void {
    this.#routes.onAnswer(address, target === 'master' ? undefined : tookMs);
  }

  /** Waits as long as is right, and returns the address to ask next where a node gave it. Throws to give up. */
  async #afterFailure(
    error: unknown,
    failure: Failure,
    { address, timeoutMs }: Attempt<L>,
    call: RoutedCall,
    progress: Progress,
  ): Promise<string | undefined> {
    const nowMs = this.#clock.monotonicMs();
    progress.last = { error, address };
    if (failure.outcome === 'unknown' && call.isRead !== true) progress.outcome = 'unknown';
    // The master looked for an earlier attempt first, so that there was none.
    if (failure.remedy === 'moved') progress.outcome = 'not_done';
    // A node that had less than the time of one attempt, or whose caller went away, did not fail.
    const isCut = isGivenUp(call) || (failure.isLate === true && timeoutMs < call.attemptMs);
    if (call.at === undefined && !isCut) this.#routes.onFailure(address, failure, nowMs);
    const told = { outcome: progress.outcome, address, attempts: progress.attempts };
    if (isGivenUp(call)) throw this.#links.toError(error, told);
    if (failure.isLate === true) progress.late++;
    const hint = this.#hintOf(failure, address, call);
    const hasUntried = !isOfOne(call, failure) && this.#routes.hasUntried(progress.tried);
    if (failure.remedy === 'others') progress.unfit.add(address);
    const step = nextStep({
      ...progress,
      failure,
      isRepeatable: call.isRepeatable,
      hint,
      hasOthers: call.at === undefined && this.#routes.addresses.length > 1,
      hasUntried,
      isHopeless: !hasUntried && progress.unfit.size === progress.tried.size,
      leftMs: progress.endMs - nowMs,
      jitter: this.#random.uint32() / 2 ** 32,
      pauseMsMax: this.#pauseMsMax,
    });
    if (step.kind === 'give_up') throw this.#links.toError(error, told);
    this.#onRetry?.(told, error);
    if (step.kind === 'ask') {
      progress.hintsFollowed++;
      return step.address;
    }
    progress.hintsFollowed = 0;
    if (!hasUntried) {
      progress.rounds++;
      progress.tried.clear();
      progress.unfit.clear();
      await this.#clock.sleep(step.pauseMs, call.signal);
      if (isGivenUp(call)) throw this.#links.toError(error, told);
    }
    return undefined;
  }

  /** The master that the node named, where it is another one and may be asked. */
  #hintOf({ leaderHint }: Failure, address: string, call: RoutedCall): string | undefined {
    if (leaderHint === undefined || leaderHint === address || call.at !== undefined) return undefined;
    if (!this.#routes.learn(leaderHint)) return undefined;
    this.#routes.setMaster(leaderHint);
    // A replica that is too stale names the master; a read may still prefer another replica.
    return call.target === 'master' ? leaderHint : undefined;
  }
}

/** True if no other node can do better before a pause. */
function isOfOne({ at, target, isRead }: RoutedCall, { remedy }: Failure): boolean {
  if (at !== undefined) return true;
  if (target !== 'master') return false;
  // What a master does not have yet, a replica has not either; and no replica answers a read of the master.
  return remedy === 'not_yet' || (isRead === true && remedy === 'later');
}

function isGivenUp({ signal }: Pick<RoutedCall, 'signal'>): boolean {
  return signal?.aborted === true;
}
