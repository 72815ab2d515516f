/** What all HTTP/1.1 connections of a server share, as each of them sees it. */
import type { Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { AnswerBudget } from '#rpc/answer-budget.ts';
import type { AnswerHeads } from '#rpc/http1/answer-heads.ts';
import type { PhaseLimits } from '#rpc/http1/phase.ts';
import type { OpenConnection } from '#rpc/open-connections.ts';
import type { Listener } from '#rpc/request-listener.ts';
import type { Turns } from '#rpc/turns.ts';

export interface Http1Site {
  readonly clock: Clock;
  readonly listener: Pick<Listener, 'onRequest' | 'planHttp1' | 'replanHttp1' | 'onCall'>;
  readonly limits: PhaseLimits;
  readonly turns: Turns;
  readonly heads: AnswerHeads;
  readonly budget: AnswerBudget;
  /** An answer was cut off because its peer read nothing. */
  onStalled(): void;
  /** A request took too long to come. */
  onLate(): void;
  /** The socket of the connection is closed, or is another's. */
  leave(connection: OpenConnection): void;
  /** The socket is Node's from now on, with all that was not read of it. */
  readonly handOver: (socket: Socket) => void;
}
