/** HTTP/1.1 by our own reader: what all its connections share, and how they come and end. */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Connections } from '#rpc/connections.ts';
import { AnswerHeads } from '#rpc/http1/answer-heads.ts';
import { Http1Connection } from '#rpc/http1/http1-connection.ts';
import { type PhaseLimits, phaseLimits } from '#rpc/http1/phase.ts';
import type { Http1Site } from '#rpc/http1/site.ts';
import type { AnswerBudget } from '#rpc/http2/answer-budget.ts';
import type { OpenConnection } from '#rpc/http2/site.ts';
import { Turns } from '#rpc/http2/turns.ts';

const LOOK_MS = 500;

export interface Http1DriverOptions extends Pick<Http1Site, 'clock' | 'listener' | 'onStalled' | 'handOver'> {
  /** How long a request may take, from its first byte until it is whole. */
  readonly requestTimeoutMs: number;
  readonly connections: Connections;
  /** Bounds answers that wait to be read, over all connections. */
  readonly budget: AnswerBudget;
}

export class Http1Driver implements Http1Site {
  readonly clock: Clock;
  readonly listener: Http1Site['listener'];
  readonly limits: PhaseLimits;
  readonly onStalled: () => void;
  readonly handOver: (socket: Socket) => void;
  readonly budget: AnswerBudget;
  readonly turns: Turns;
  readonly heads: AnswerHeads;
  readonly #connections: Connections;
  readonly #open = new Set<OpenConnection>();
  #timer: Timer | undefined;

  constructor(options: Http1DriverOptions) {
    this.clock = options.clock;
    this.listener = options.listener;
    this.limits = phaseLimits(options.requestTimeoutMs);
    this.onStalled = options.onStalled;
    this.handOver = options.handOver;
    this.budget = options.budget;
    this.turns = new Turns(options.clock);
    this.heads = new AnswerHeads(options.clock.wallMs());
    this.#connections = options.connections;
  }

  /** The socket is a new connection's; it is not read yet. */
  accept(socket: Socket): void {
    if (this.#timer === undefined) this.#look();
    const connection = new Http1Connection(this, socket);
    this.#connections.addSession(connection);
    this.#open.add(connection);
  }

  leave(connection: OpenConnection): void {
    this.#connections.removeSession(connection);
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.heads.refresh(this.clock.wallMs());
    for (const connection of this.#open) connection.check();
    this.#timer = this.clock.after(LOOK_MS, () => this.#look());
  }
}
