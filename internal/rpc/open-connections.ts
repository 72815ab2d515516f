/** The connections of one driver: counted with all others, and looked at from time to time while there are any. */
import type { Clock, Timer } from '#platform/clock.ts';
import type { AnswerHolder } from '#rpc/answer-budget.ts';
import type { Connections, Session } from '#rpc/connections.ts';

export interface OpenConnection extends AnswerHolder, Session {
  /** Once a second or so: what took too long ends. */
  check(): void;
}

export interface OpenConnectionsOptions {
  readonly clock: Clock;
  readonly connections: Connections;
  readonly lookMs: number;
  /** Called before the connections are checked, and before the first one comes. */
  readonly onLook: () => void;
}

export class OpenConnections {
  readonly #options: OpenConnectionsOptions;
  readonly #open = new Set<OpenConnection>();
  #timer: Timer | undefined;

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
  }

  add(connection: OpenConnection): void {
    if (this.#timer === undefined) this.#look();
    this.#options.connections.addSession(connection);
    this.#open.add(connection);
  }

  remove(connection: OpenConnection): void {
    this.#options.connections.removeSession(connection);
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const { clock, lookMs, onLook } = this.#options;
    onLook();
    for (const connection of this.#open) connection.check();
    this.#timer = clock.after(lookMs, () => this.#look());
  }
}
