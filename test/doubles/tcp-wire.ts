/**
 * Connections to a real process that pass through this one, which does to them what
 * networks do. What is behind may be started anew elsewhere: `target` is read for each
 * connection.
 *
 * Bytes that were swallowed leave a stream with a hole, which no TCP shows its
 * reader: `heal` resets the connections that lost any. Those that were only
 * stalled or delayed go on, as after a retransmission.
 */
import { connect, type Socket } from 'node:net';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type Faults, Pipe, type ProxyCounts, type Way } from '#test/doubles/tcp-pipe.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export class TcpWire {
  target: Target | undefined;
  readonly counts: ProxyCounts = {
    connections: 0,
    broken: 0,
    carriedBytes: 0,
    swallowedBytes: 0,
    delayedBytes: 0,
    stalledBytes: 0,
  };
  readonly #random: SeededRandom;
  readonly #links = new Set<Link>();
  readonly #faults: Faults = {
    isCut: false,
    swallows: new Set(),
    stalls: new Set(),
    delayMs: 0,
    jitterMs: 0,
  };

  /** `random` gives the jitter of delays. */
  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get openConnections(): number {
    return this.#links.size;
  }

  /** Resets what is connected; later connections go through. */
  reset(): void {
    for (const link of [...this.#links]) this.#break(link);
  }

  /** Resets what is connected and everything that comes, until `heal`. */
  cut(): void {
    this.#faults.isCut = true;
    this.reset();
  }

  /** A half-open link: connections stand and are accepted, and nothing arrives that way. */
  swallow(...ways: Way[]): void {
    for (const way of ways) this.#faults.swallows.add(way);
  }

  /** Stops reading: what is under way stays under way, and back-pressure builds. */
  stall(...ways: Way[]): void {
    for (const way of ways) this.#faults.stalls.add(way);
    this.#flow();
  }

  /** Everything arrives later, in order. */
  delay(delayMs: number, jitterMs = 0): void {
    this.#faults.delayMs = delayMs;
    this.#faults.jitterMs = jitterMs;
  }

  heal(): void {
    this.#faults.isCut = false;
    this.#faults.swallows.clear();
    this.#faults.stalls.clear();
    this.delay(0);
    for (const link of [...this.#links]) if (link.hasHole) this.#break(link);
    this.#flow();
  }

  /** Takes a connection that came. */
  accept(near: Socket): void {
    this.counts.connections++;
    const { target } = this;
    near.on('error', () => undefined);
    if (this.#faults.isCut || target === undefined || target.port === 0) {
      this.counts.broken++;
      reset(near);
      return;
    }
    const far = connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
    const link = new Link(near, far, this.#faults, this.counts, this.#random);
    this.#links.add(link);
    link.onClosed = () => this.#links.delete(link);
  }

  #break(link: Link): void {
    this.counts.broken++;
    link.destroy();
  }

  #flow(): void {
    for (const link of this.#links) link.flow();
  }
}

/** One connection through the proxy. */
class Link {
  onClosed: (() => void) | undefined;
  /** Bytes, or an end, were swallowed. */
  hasHole = false;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #pipes: readonly Pipe[];
  readonly #faults: Faults;

  constructor(near: Socket, far: Socket, faults: Faults, counts: ProxyCounts, random: SeededRandom) {
    this.#near = near;
    this.#far = far;
    this.#faults = faults;
    const noteHole = () => {
      this.hasHole = true;
    };
    this.#pipes = [
      new Pipe('up', near, far, { faults, counts, random, noteHole }),
      new Pipe('down', far, near, { faults, counts, random, noteHole }),
    ];
    near.on('error', () => this.#gone('up'));
    far.on('error', () => this.#gone('down'));
    near.on('close', () => this.#gone('up'));
    far.on('close', () => this.#gone('down'));
  }

  flow(): void {
    for (const pipe of this.#pipes) pipe.flow();
  }

  destroy(): void {
    for (const pipe of this.#pipes) pipe.stop();
    reset(this.#near);
    reset(this.#far);
    this.onClosed?.();
  }

  /** One side is gone: the other hears of it, unless what would tell it is swallowed or stalled. */
  #gone(way: Way): void {
    if (this.#faults.swallows.has(way) || this.#faults.stalls.has(way)) this.hasHole = true;
    else if (this.#pipes.every((pipe) => pipe.isEmpty)) this.destroy();
    else for (const pipe of this.#pipes) pipe.onEmpty = () => this.destroy();
  }
}

/**
 * Resets a connection. Not where its end is being sent: there libuv refuses the
 * reset and Node never closes the handle (a worker thread then never ends).
 */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
