/** HTTP/2 by our own codec: what all its connections share, and how they come and end. */
import type { Socket } from 'node:net';
import { OutputPool } from '#http/http2/output.ts';
import type { Clock } from '#platform/clock.ts';
import type { AnswerBudget } from '#rpc/answer-budget.ts';
import type { Connections } from '#rpc/connections.ts';
import { AnswerBlocks } from '#rpc/http2/answer-blocks.ts';
import { DrivenConnection } from '#rpc/http2/driven-connection.ts';
import { Places } from '#rpc/http2/places.ts';
import type { Site, SiteEvents } from '#rpc/http2/site.ts';
import { type OpenConnection, OpenConnections } from '#rpc/open-connections.ts';
import type { Turns } from '#rpc/turns.ts';

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
  readonly turns: Turns;
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
  readonly #open: OpenConnections;

  constructor(options: Http2DriverOptions) {
    const { clock, events, budget, requestsMax = REQUESTS_MAX } = options;
    this.clock = clock;
    this.listener = options.listener;
    this.events = events;
    this.bodyTimeoutMs = options.bodyTimeoutMs;
    this.turns = options.turns;
    this.blocks = new AnswerBlocks(clock.wallMs());
    this.budget = budget;
    this.requests = new Places(requestsMax);
    this.#open = new OpenConnections({
      clock: clock,
      connections: options.connections,
      lookMs: LOOK_MS,
      onLook: () => this.blocks.refresh(this.clock.wallMs()),
    });
  }

  /** The socket is a new HTTP/2 connection's. */
  accept(socket: Socket): void {
    this.#open.add(new DrivenConnection(this, socket));
  }

  /** Its socket is closed. */
  leave(connection: OpenConnection): void {
    this.#open.remove(connection);
  }
}
