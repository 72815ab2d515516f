/** What all HTTP/2 connections of a server share, as each of them sees it. */
import type { LimitName } from '#http/http2/limits.ts';
import type { OutputPool } from '#http/http2/output.ts';
import type { Clock } from '#platform/clock.ts';
import type { AnswerBudget } from '#rpc/answer-budget.ts';
import type { AnswerBlocks } from '#rpc/http2/answer-blocks.ts';
import type { Places } from '#rpc/http2/places.ts';
import type { OpenConnection } from '#rpc/open-connections.ts';
import type { Listener } from '#rpc/request-listener.ts';
import type { Turns } from '#rpc/turns.ts';

export interface SiteEvents {
  /** An answer was cut off because its peer read nothing. */
  readonly onStalled: () => void;
  /** A request took too long to come. */
  readonly onLate: () => void;
  /**
   * A peer passed a limit. `requests`: a stream was refused; any other: its connection ended.
   */
  readonly onLimit: (limit: LimitName | 'requests' | 'answers') => void;
}

export interface Site {
  readonly clock: Clock;
  readonly listener: Pick<Listener, 'onRequest' | 'planCall' | 'onCall'>;
  readonly events: SiteEvents;
  /** How long a body may take. */
  readonly bodyTimeoutMs: number;
  readonly pool: OutputPool;
  readonly turns: Turns;
  readonly blocks: AnswerBlocks;
  readonly budget: AnswerBudget;
  readonly requests: Places;
  /** The socket of the connection is closed. */
  leave(connection: OpenConnection): void;
}
