/**
 * Links between nodes of one process: calls go straight to the other node's
 * ports, copied as a wire would. Ways can be cut, delayed, stalled, or made to
 * lose answers after calls took effect. Every call ends at its time limit, when
 * its caller gives up or closes the link, as the contract of `PeerLink` says.
 * A process that died neither calls nor answers any more; one that is paused
 * does so later.
 */
import type { UpdatesAnswer } from '#model/commands.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { NodePorts } from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import type { SnapshotChunk } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { CallOptions, PeerDialer, PeerLink } from '#replication/peer-link.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

/** What can be wrong with the way from one address to another. */
interface Fault {
  isCut?: boolean;
  losesAnswers?: boolean;
  /** Calls arrive and are never answered. */
  isStalled?: boolean;
  /** Calls arrive this much later, milliseconds. */
  delayMs?: number;
  /** Each call arrives up to this much later, milliseconds: later ones overtake. */
  jitterMs?: number;
  /** Pushes and registrations arrive a second time, this much later, milliseconds. */
  duplicateMs?: number;
}

const DUPLICATED: readonly string[] = ['register', 'replicate'];

export class TestNetwork {
  readonly #clock: Clock;
  readonly #nodes = new Map<string, NodePorts>();
  readonly #faults = new Map<string, Fault>();
  /** Rises when the process at an address dies: its links are dead. */
  readonly #generations = new Map<string, number>();
  /** Those who wait for a paused process, by its address. */
  readonly #paused = new Map<string, (() => void)[]>();
  /** Ends the calls that hang. */
  readonly #stalled = new Set<() => void>();
  /** Sees the frames of every push and every answer as they are sent, before anything can happen to them. */
  onFrames: ((sender: string, after: Position, frames: Uint8Array) => void) | undefined;
  /** Calls that went through, by `method from>to`. */
  readonly calls = new Map<string, number>();
  /** Calls that failed by each kind of fault. */
  readonly failed = { cut: 0, lost: 0, stalled: 0, delayed: 0 };
  /** Calls that arrived late by chance, or twice, or at a paused process. */
  readonly shaken = { jittered: 0, duplicated: 0, paused: 0 };
  readonly #random: SeededRandom;

  constructor(clock: Clock, seed = 1) {
    this.#clock = clock;
    this.#random = new SeededRandom(seed);
  }

  attach(address: string, ports: NodePorts): void {
    this.#nodes.set(address, ports);
  }

  /** The process behind the address is gone. */
  detach(address: string): void {
    this.#nodes.delete(address);
    this.#generations.set(address, this.#generationOf(address) + 1);
  }

  /** Calls from one address to the other fail before they arrive. */
  cut(from: string, to: string): void {
    this.#fault(from, to).isCut = true;
  }

  /** Calls arrive and take effect, but the answers are lost. */
  loseAnswers(from: string, to: string): void {
    this.#fault(from, to).losesAnswers = true;
  }

  /** Calls arrive and take effect, and hang until their time limit. */
  stall(from: string, to: string): void {
    this.#fault(from, to).isStalled = true;
  }

  /** Calls arrive `ms` milliseconds after they were made, even when the caller has given up. */
  delay(from: string, to: string, ms: number): void {
    this.#fault(from, to).delayMs = ms;
  }

  /** Calls arrive up to `ms` milliseconds later, each its own time: they overtake each other. */
  jitter(from: string, to: string, ms: number): void {
    this.#fault(from, to).jitterMs = ms;
  }

  /** Pushes and registrations arrive again `ms` milliseconds after they did. */
  duplicate(from: string, to: string, ms: number): void {
    this.#fault(from, to).duplicateMs = ms;
  }

  /** The process at the address stands still: calls to it and answers to it wait. */
  pause(address: string): void {
    if (!this.#paused.has(address)) this.#paused.set(address, []);
  }

  resume(address: string): void {
    const waiting = this.#paused.get(address) ?? [];
    this.#paused.delete(address);
    for (const goOn of waiting) goOn();
  }

  /** Removes the faults of one way, or of all. Calls that hang end without an answer. */
  heal(from?: string, to?: string): void {
    if (from === undefined) this.#faults.clear();
    else this.#faults.delete(`${from}>${to}`);
    for (const end of this.#stalled) end();
    this.#stalled.clear();
  }

  /** Links of the process now starting at `from`. */
  dialer(from: string): PeerDialer {
    const generation = this.#generationOf(from);
    return { dial: (to) => this.#link(from, to, () => this.#generationOf(from) === generation) };
  }

  callCount(method: string, from: string, to: string): number {
    return this.calls.get(`${method} ${from}>${to}`) ?? 0;
  }

  #generationOf(address: string): number {
    return this.#generations.get(address) ?? 0;
  }

  #fault(from: string, to: string): Fault {
    const way = `${from}>${to}`;
    const fault = this.#faults.get(way) ?? {};
    this.#faults.set(way, fault);
    return fault;
  }

  async #untilRunning(address: string): Promise<void> {
    const waiting = this.#paused.get(address);
    if (waiting === undefined) return;
    this.shaken.paused++;
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  async #repeatLater<T>(to: string, ms: number, call: (ports: NodePorts) => T | Promise<T>): Promise<void> {
    await this.#clock.sleep(ms);
    await this.#untilRunning(to);
    const ports = this.#nodes.get(to);
    if (ports === undefined) return;
    this.shaken.duplicated++;
    await call(ports);
  }

  /** One call, without its time limit. */
  async #carry<T>(
    method: string,
    from: string,
    to: string,
    call: (ports: NodePorts) => T | Promise<T>,
  ): Promise<T> {
    const way = `${from}>${to}`;
    const fault = (): Fault => this.#faults.get(way) ?? {};
    const unreachable = (): WalnutError => unavailable(`${to} cannot be reached`);
    if (fault().isCut === true) {
      this.failed.cut++;
      throw unreachable();
    }
    const { jitterMs = 0, delayMs = 0, duplicateMs = 0 } = fault();
    if (delayMs > 0) {
      this.failed.delayed++;
      await this.#clock.sleep(delayMs);
    }
    if (jitterMs > 0) {
      this.shaken.jittered++;
      await this.#clock.sleep(this.#random.below(jitterMs));
    }
    await this.#untilRunning(to);
    const ports = this.#nodes.get(to);
    if (ports === undefined) throw unreachable();
    const generation = this.#generationOf(to);
    this.calls.set(`${method} ${way}`, (this.calls.get(`${method} ${way}`) ?? 0) + 1);
    if (duplicateMs > 0 && DUPLICATED.includes(method))
      this.#repeatLater(to, duplicateMs, call).catch(() => undefined);
    const answer = await call(ports);
    await this.#untilRunning(from);
    if (generation !== this.#generationOf(to)) throw unreachable();
    if (fault().losesAnswers === true || fault().isCut === true) {
      this.failed.lost++;
      throw unavailable(`${to} did not answer`);
    }
    if (fault().isStalled === true) {
      this.failed.stalled++;
      await new Promise<void>((resolve) => this.#stalled.add(resolve));
      throw unavailable(`${to} did not answer`);
    }
    return answer;
  }

  #link(from: string, to: string, isAlive: () => boolean): PeerLink {
    const closed = new AbortController();
    const reach = <T>(
      method: string,
      options: CallOptions,
      call: (ports: NodePorts) => T | Promise<T>,
    ): Promise<T> => {
      if (!isAlive() || closed.signal.aborted) return Promise.reject(unavailable(`${from} is gone`));
      return this.#bounded(to, options, closed.signal, this.#carry(method, from, to, call)).then((answer) => {
        if (!isAlive()) throw unavailable(`${from} is gone`);
        return answer;
      });
    };
    const isCut = (): boolean =>
      !isAlive() || this.#faults.get(`${from}>${to}`)?.isCut === true || !this.#nodes.has(to);
    return {
      register: (request, options) =>
        reach('register', options, (ports) => ports.replication.register(request, '10.0.0.1')),
      replicate: (request, options) => {
        if (isAlive()) this.onFrames?.(from, request.previous, request.frames);
        return reach('replicate', options, (ports) =>
          ports.replication.replicate({ ...request, frames: new Uint8Array(request.frames) }),
        );
      },
      observe: (request, options) => {
        const gone = AbortSignal.any([
          closed.signal,
          ...(options.signal === undefined ? [] : [options.signal]),
        ]);
        return reach('observe', options, async (ports) => {
          const push = await ports.replication.observe(request, '10.0.0.1', gone);
          if (this.#nodes.get(to) === ports) this.onFrames?.(to, push.previous, push.frames);
          return { ...push, frames: new Uint8Array(push.frames) };
        });
      },
      getUpdates: (command, options) =>
        reach('getUpdates', options, async (ports): Promise<UpdatesAnswer> => {
          const answer = await ports.keyValue.getUpdates(command);
          // One that died meanwhile sends nothing any more.
          if (this.#nodes.get(to) === ports) this.onFrames?.(to, command.after, answer.frames);
          return { ...answer, frames: new Uint8Array(answer.frames) };
        }),
      async *fetchSnapshot(request, options): AsyncGenerator<SnapshotChunk> {
        const signal = AbortSignal.any([
          closed.signal,
          ...(options.signal === undefined ? [] : [options.signal]),
        ]);
        const chunks = await reach('fetchSnapshot', options, (ports) =>
          ports.replication.fetchSnapshot(request, signal),
        );
        for await (const chunk of chunks) {
          if (isCut() || signal.aborted) throw unavailable(`${to} cannot be reached`);
          yield { ...chunk, bytes: new Uint8Array(chunk.bytes) };
        }
      },
      claim: (request, options) => reach('claim', options, (ports) => ports.replication.claim(request)),
      announce: (request, options) =>
        reach('announce', options, (ports) => ports.replication.announce(request, '10.0.0.1')),
      takeOver: (request, options) =>
        reach('takeOver', options, (ports) => ports.replication.takeOver(request)),
      status: (options) => reach('status', options, (ports) => ports.admin.status()),
      close: () => closed.abort(),
    };
  }

  #bounded<T>(to: string, options: CallOptions, closed: AbortSignal, call: Promise<T>): Promise<T> {
    const { timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      const end = (error: WalnutError): void => {
        release();
        reject(error);
      };
      const onClosed = (): void => end(unavailable(`the link to ${to} is closed`));
      const onCancel = (): void => end(new WalnutError('cancelled', `the call to ${to} was given up`));
      const timer = this.#clock.after(timeoutMs, () =>
        end(unavailable(`${to} did not answer within ${timeoutMs} ms`)),
      );
      const release = (): void => {
        timer.cancel();
        closed.removeEventListener('abort', onClosed);
        signal?.removeEventListener('abort', onCancel);
      };
      closed.addEventListener('abort', onClosed, { once: true });
      signal?.addEventListener('abort', onCancel, { once: true });
      if (signal?.aborted === true) onCancel();
      call.then(
        (answer) => {
          release();
          resolve(answer);
        },
        (error: unknown) => {
          release();
          reject(error);
        },
      );
    });
  }
}
