/** HTTP/2 by our own codec: what all its connections share, and how they come and end. */
import type { Socket } from 'node:net';
import { OutputPool } from '#http/http2/output.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Connections } from '#rpc/connections.ts';
import { AnswerBlocks } from '#rpc/http2/answer-blocks.ts';
import type { AnswerBudget } from '#rpc/http2/answer-budget.ts';
import { DrivenConnection } from '#rpc/http2/driven-connection.ts';
import { Places } from '#rpc/http2/places.ts';
import type { OpenConnection, Site, SiteEvents } from '#rpc/http2/site.ts';
import { Turns } from '#rpc/http2/turns.ts';

/** Streams of messages and other requests through Connect's handlers at once, over all connections: see `Places`. */
export const REQUESTS_MAX = 4_096;
const LOOK_MS = 1_000;

export interface Http2DriverOptions {
  readonly clock: Clock;
  readonly listener: Site['listener'];
  readonly connections: Connections;
  readonly events: SiteEvents;
  readonly bodyTimeoutMs: number;
  /** Bounds answers that wait to be read, over all connections. */
  readonly budget: AnswerBudget;
  /** For tests. */
  readonly requestsMax?: number;
}

export class Http2Driver implements Site {
  readonly clock: Clock;
  readonly listener: Site['listener'];
  readonly events: SiteEvents;
  readonly bodyTimeoutMs: number;
  readonly pool = new OutputPool();
  readonly turns: Turns;
  readonly blocks: AnswerBlocks;
  readonly budget: AnswerBudget;
  readonly requests: Places;
  readonly #connections: Connections;
  readonly #open = new Set<OpenConnection>();
  #timer: Timer | undefined;

  constructor(options: Http2DriverOptions) {
    const { clock, events, budget, requestsMax = REQUESTS_MAX } = options;
    this.clock = clock;
    this.listener = options.listener;
    this.events = events;
    this.bodyTimeoutMs = options.bodyTimeoutMs;
    this.turns = new Turns(clock);
    this.blocks = new AnswerBlocks(clock.wallMs());
    this.budget = budget;
    this.requests = new Places(requestsMax);
    this.#connections = options.connections;
  }

  /** The socket is a new HTTP/2 connection's. */
  accept(socket: Socket): void {
    if (this.#timer === undefined) this.#look();
    const connection = new DrivenConnection(this, socket);
    this.#connections.addSession(connection);
    this.#open.add(connection);
  }

  /** Its socket is closed. */
  leave(connection: OpenConnection): void {
    this.#connections.removeSession(connection);
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.blocks.refresh(this.clock.wallMs());
    for (const connection of this.#open) connection.check();
    this.#timer = this.clock.after(LOOK_MS, () => this.#look());
  }
}
