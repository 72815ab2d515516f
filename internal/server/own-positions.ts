/**
 * What a session has seen of the group of one node, which that node has to show. A gateway does this
 * behind its port; a node knows positions of its own group only, and hears of no other.
 */
import type { BatchOperation, GetAnswer, GetCommand } from '#model/commands.ts';
import { notYet, WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { isAhead, type Position } from '#model/position.ts';
import { type Needed, neededOf, type Seen, seenOf } from '#model/seen.ts';
import type { WriteId } from '#model/write-id.ts';

type GetAt = Pick<GetCommand, 'key' | 'waitMs'>;

export class OwnPositions {
  readonly group: string;
  readonly #port: KeyValuePort;
  readonly #needed: Needed;

  constructor(port: KeyValuePort, group: string, seen: Seen) {
    this.group = group;
    this.#port = port;
    this.#needed = neededOf(seenOf(seen, group).map(({ epoch, lsn }) => ({ epoch, lsn })));
  }

  /** Rejects with `discarded_history` where some of it is lost. */
  async get(command: GetCommand, signal: AbortSignal | undefined): Promise<GetAnswer> {
    if (command.atLeast !== undefined) return this.#port.get(command, signal);
    try {
      await this.#prove(command, signal);
      return await this.#port.get({ ...command, atLeast: this.#needed.atLeast }, signal);
    } catch (error) {
      throw this.asLost(error);
    }
  }

  /** The operations with what they have to show, or by which they are known to be new. */
  async operations(
    operations: readonly BatchOperation[],
    signal: AbortSignal | undefined,
  ): Promise<readonly BatchOperation[]> {
    const { atLeast } = this.#needed;
    if (atLeast === undefined) return operations;
    const read = operations.find(({ kind, command }) => kind === 'get' && command.atLeast === undefined);
    if (read !== undefined)
      await this.#prove({ key: read.command.key, waitMs: 0 }, signal).catch((error: unknown) => {
        throw this.asLost(error);
      });
    return operations.map((operation): BatchOperation => {
      const { kind, command } = operation;
      if (kind === 'get') return { kind, command: { ...command, atLeast: command.atLeast ?? atLeast } };
      return { kind, command: this.named(command) } as BatchOperation;
    });
  }

  /** The write, with the position by which a named one is known to be new. */
  named<C extends { readonly id?: WriteId | undefined }>(command: C): C {
    const { id } = command;
    if (id === undefined || id.since !== undefined) return command;
    return { ...command, id: { ...id, since: this.#needed.atLeast } };
  }

  /** Throws `unavailable` for a page of an older state. */
  checkShown(asOf: Position): void {
    const { atLeast } = this.#needed;
    if (atLeast !== undefined && isAhead(atLeast, asOf))
      throw notYet('this node is behind what the session has seen of its group: try again, or another node');
  }

  asLost(error: unknown): unknown {
    if (!(error instanceof WalnutError) || error.code !== 'discarded_history') return error;
    return new WalnutError(error.code, error.message, { ...error.details, lostGroup: this.group });
  }

  async #prove({ key, waitMs }: GetAt, signal: AbortSignal | undefined): Promise<void> {
    for (const atLeast of this.#needed.earlier) await this.#port.get({ key, waitMs, atLeast }, signal);
  }
}
