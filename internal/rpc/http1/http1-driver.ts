/** HTTP/1.1 by our own reader: what all its connections share, and how they come and end. */
import type { Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { AnswerBudget } from '#rpc/answer-budget.ts';
import type { Connections } from '#rpc/connections.ts';
import { AnswerHeads } from '#rpc/http1/answer-heads.ts';
import { Http1Connection } from '#rpc/http1/http1-connection.ts';
import { type PhaseLimits, phaseLimits } from '#rpc/http1/phase.ts';
import type { Http1Site } from '#rpc/http1/site.ts';
import { type OpenConnection, OpenConnections } from '#rpc/open-connections.ts';
import type { Turns } from '#rpc/turns.ts';

const LOOK_MS = 500;

export interface Http1DriverOptions
  extends Pick<Http1Site, 'clock' | 'listener' | 'onStalled' | 'onLate' | 'handOver'> {
  /** How long a request may take, from its first byte until it is whole. */
  readonly requestTimeoutMs: number;
  readonly connections: Connections;
  /** Bounds answers that wait to be read, over all connections. */
  readonly budget: AnswerBudget;
  readonly turns: Turns;
}

export class Http1Driver implements Http1Site {
  readonly clock: Clock;
  readonly listener: Http1Site['listener'];
  readonly limits: PhaseLimits;
  readonly onStalled: () => void;
  readonly onLate: () => void;
  readonly handOver: (socket: Socket) => void;
  readonly budget: AnswerBudget;
  readonly turns: Turns;
  readonly heads: AnswerHeads;
  readonly #open: OpenConnections;

  constructor(options: Http1DriverOptions) {
    this.clock = options.clock;
    this.listener = options.listener;
    this.limits = phaseLimits(options.requestTimeoutMs);
    this.onStalled = options.onStalled;
    this.onLate = options.onLate;
    this.handOver = options.handOver;
    this.budget = options.budget;
    this.turns = options.turns;
    this.heads = new AnswerHeads(options.clock.wallMs());
    this.#open = new OpenConnections({
      clock: options.clock,
      connections: options.connections,
      lookMs: LOOK_MS,
      onLook: () => this.heads.refresh(this.clock.wallMs()),
    });
  }

  /** The socket is a new connection's; it is not read yet. */
  accept(socket: Socket): void {
    this.#open.add(new Http1Connection(this, socket));
  }

  leave(connection: OpenConnection): void {
    this.#open.remove(connection);
  }
}
