/** A proxy on 127.0.0.1 with an address of its own, which stays: see `TcpWire`. */
import { createServer, type Server } from 'node:net';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type Target, TcpWire } from '#test/doubles/tcp-wire.ts';

export class TcpProxy extends TcpWire {
  readonly #server: Server;

  private constructor(server: Server, random: SeededRandom) {
    super(random);
    this.#server = server;
    server.on('connection', (socket) => this.accept(socket));
  }

  /** `random` gives the jitter of delays. */
  static async open(random: SeededRandom): Promise<TcpProxy> {
    return new TcpProxy(await listen(), random);
  }

  /** `host:port` to connect to instead of the target's. */
  get address(): string {
    return addressOf(this.#server);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.reset();
    await closed;
  }
}

/**
 * A proxy that tells its callers apart by the address that they call from, and has a wire
 * for each.
 */
export class CallerProxy {
  readonly #server: Server;
  readonly #wires = new Map<string, TcpWire>();
  readonly #others: TcpWire;

  private constructor(server: Server, callers: readonly string[], random: SeededRandom) {
    this.#server = server;
    for (const caller of callers) this.#wires.set(caller, new TcpWire(random.fork()));
    this.#others = new TcpWire(random.fork());
    server.on('connection', (socket) => {
      const wire = this.#wires.get(socket.remoteAddress ?? '') ?? this.#others;
      wire.accept(socket);
    });
  }

  /** `callers`: addresses such as 127.0.0.2. Others have one wire, with which nothing is wrong. */
  static async open(callers: readonly string[], random: SeededRandom): Promise<CallerProxy> {
    return new CallerProxy(await listen(), callers, random);
  }

  /** `host:port` to connect to instead of the target's. */
  get address(): string {
    return addressOf(this.#server);
  }

  set target(target: Target) {
    for (const wire of this.#all) wire.target = target;
  }

  from(caller: string): TcpWire {
    const wire = this.#wires.get(caller);
    if (wire === undefined) throw new Error(`${caller} is no caller of this proxy`);
    return wire;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const wire of this.#all) wire.reset();
    await closed;
  }

  get #all(): TcpWire[] {
    return [...this.#wires.values(), this.#others];
  }
}

async function listen(): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
  return `127.0.0.1:${address.port}`;
}
