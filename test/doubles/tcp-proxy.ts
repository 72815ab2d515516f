/**
 * A TCP proxy on 127.0.0.1 that stands in a link between two real processes and
 * does to it what networks do. Its address stays while what is behind it may be
 * started anew elsewhere: `target` is read for each connection.
 *
 * Bytes that were swallowed leave a stream with a hole, which no TCP shows its
 * reader: `heal` resets the connections that lost any. Those that were only
 * stalled or delayed go on, as after a retransmission.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

/** `up`: from who connected to the target; `down`: back. */
export type Way = 'up' | 'down';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What is wrong now. */
interface Faults {
  /** Connections are reset as they come. */
  isCut: boolean;
  /** Bytes of this way, and the end of a connection, arrive nowhere. */
  readonly swallows: Set<Way>;
  /** Nothing is read of this way: the sender's buffers fill up. */
  readonly stalls: Set<Way>;
  delayMs: number;
  jitterMs: number;
}

/** What the faults really did: a fault that met no traffic proves nothing. */
export interface ProxyCounts {
  connections: number;
  /** Connections ended by the proxy, or refused. */
  broken: number;
  carriedBytes: number;
  swallowedBytes: number;
  delayedBytes: number;
  /** Bytes that had waited when a stall was over. */
  stalledBytes: number;
}

/** Bytes held back for a delay, per connection and way, before reading stops. */
const HELD_BYTES_MAX = 1 << 20;

export class TcpProxy {
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
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #faults: Faults = {
    isCut: false,
    swallows: new Set(),
    stalls: new Set(),
    delayMs: 0,
    jitterMs: 0,
  };

  private constructor(server: Server, random: SeededRandom) {
    this.#server = server;
    this.#random = random;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** `random` gives the jitter of delays. */
  static async open(random: SeededRandom): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new TcpProxy(server, random);
  }

  /** `host:port` to connect to instead of the target's. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return `127.0.0.1:${address.port}`;
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

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.reset();
    await closed;
  }

  #accept(near: Socket): void {
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

interface PipeParts {
  readonly faults: Faults;
  readonly counts: ProxyCounts;
  readonly random: SeededRandom;
  readonly noteHole: () => void;
}

/** One way of one connection. */
class Pipe {
  onEmpty: (() => void) | undefined;
  readonly #way: Way;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #parts: PipeParts;
  /** Delayed chunks, oldest first; an empty one is the end. */
  readonly #held: { readonly bytes: Buffer; readonly atMs: number }[] = [];
  #heldBytes = 0;
  #wasStalled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(way: Way, from: Socket, to: Socket, parts: PipeParts) {
    this.#way = way;
    this.#from = from;
    this.#to = to;
    this.#parts = parts;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => this.#take(Buffer.alloc(0)));
    to.on('drain', () => this.flow());
    this.flow();
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Reads on where nothing forbids it. */
  flow(): void {
    const isStalled = this.#parts.faults.stalls.has(this.#way);
    if (isStalled) this.#wasStalled = true;
    const isFull = this.#heldBytes >= HELD_BYTES_MAX || this.#to.writableNeedDrain;
    if (isStalled || isFull) this.#from.pause();
    else this.#from.resume();
    if (!isStalled) this.#release();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#held.length = 0;
  }

  #take(bytes: Buffer): void {
    const { faults, counts, random, noteHole } = this.#parts;
    if (this.#wasStalled) counts.stalledBytes += bytes.length;
    this.#wasStalled = faults.stalls.has(this.#way);
    if (faults.swallows.has(this.#way)) {
      counts.swallowedBytes += bytes.length;
      noteHole();
      return;
    }
    const { delayMs, jitterMs } = faults;
    if (delayMs === 0 && this.#held.length === 0) {
      this.#give(bytes);
      return;
    }
    const lastMs = this.#held.at(-1)?.atMs ?? 0;
    const dueMs = performance.now() + delayMs + (jitterMs === 0 ? 0 : random.below(jitterMs));
    this.#held.push({ bytes, atMs: Math.max(lastMs, dueMs) });
    this.#heldBytes += bytes.length;
    counts.delayedBytes += bytes.length;
    this.flow();
  }

  #give(bytes: Buffer): void {
    if (bytes.length === 0) {
      this.#to.end();
      return;
    }
    this.#parts.counts.carriedBytes += bytes.length;
    if (!this.#to.write(bytes)) this.flow();
  }

  /** Passes on what is due and sets the timer for the rest. */
  #release(): void {
    clearTimeout(this.#timer);
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      const inMs = first.atMs - performance.now();
      if (inMs > 0) {
        this.#timer = setTimeout(() => this.flow(), inMs);
        return;
      }
      this.#held.shift();
      this.#heldBytes -= first.bytes.length;
      this.#give(first.bytes);
    }
    this.onEmpty?.();
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
