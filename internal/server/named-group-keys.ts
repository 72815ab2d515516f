/** The keys of a node of a cluster, whose answers name their group in each position, as those of a gateway do. */
import { type Awaitable, mapAwaitable } from '#model/awaitable.ts';
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DeletePrefixAnswer,
  DeletePrefixCommand,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  UpdatesAnswer,
  UpdatesCommand,
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import { mapPosition } from '#model/told-position.ts';
import type { ToldMessage, WatchCommand, WatchMessage, WatchOutlet } from '#model/watch.ts';
import type { BatchId } from '#model/write-id.ts';

export class NamedGroupKeys implements KeyValuePort {
  readonly #port: KeyValuePort;
  readonly #group: string;

  /** `group`: that of the node behind the port. */
  constructor(port: KeyValuePort, group: string) {
    this.#port = port;
    this.#group = group;
  }

  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer> {
    return this.#read(this.#port.get(command, signal));
  }

  set(command: SetCommand, signal?: AbortSignal): Awaitable<WriteAnswer> {
    return this.#written(this.#port.set(command, signal));
  }

  delete(command: DeleteCommand, signal?: AbortSignal): Awaitable<WriteAnswer> {
    return this.#written(this.#port.delete(command, signal));
  }

  increment(command: IncrementCommand, signal?: AbortSignal): Awaitable<IncrementAnswer> {
    return this.#written(this.#port.increment(command, signal));
  }

  touch(command: TouchCommand, signal?: AbortSignal): Awaitable<TouchAnswer> {
    return this.#written(this.#port.touch(command, signal));
  }

  checkBatch(operations: readonly BatchOperation[]): void {
    this.#port.checkBatch?.(operations);
  }

  batch(operations: readonly BatchOperation[], signal?: AbortSignal): Awaitable<BatchResult[]> {
    return this.#results(this.#port.batch(operations, signal));
  }

  namedBatch(writes: readonly WriteOperation[], id: BatchId, signal?: AbortSignal): Awaitable<BatchResult[]> {
    return this.#results(this.#port.namedBatch(writes, id, signal));
  }

  async atomicBatch(command: AtomicBatchCommand, signal?: AbortSignal): Promise<AtomicBatchAnswer> {
    const answer = await this.#written(this.#port.atomicBatch(command, signal));
    return { ...answer, results: answer.results.map((result) => result && this.#result(result)) };
  }

  scan(command: ScanCommand, signal?: AbortSignal): Awaitable<ScanAnswer> {
    return this.#read(this.#port.scan(command, signal));
  }

  async deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    return this.#written(this.#port.deletePrefix(command, signal));
  }

  getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer> {
    return this.#port.getUpdates(command, signal);
  }

  async *watch(
    command: WatchCommand,
    signal: AbortSignal,
    outlet?: WatchOutlet,
  ): AsyncIterable<WatchMessage> {
    const named = <M extends ToldMessage>(message: M): M => ({
      ...message,
      position: this.#named(message.position),
    });
    const own = outlet && {
      get isOpen(): boolean {
        return outlet.isOpen;
      },
      send: (message: ToldMessage, onReady: () => void) => outlet.send(named(message), onReady),
    };
    for await (const message of this.#port.watch(command, signal, own)) yield named(message);
  }

  async explain(command: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer> {
    return this.#read(this.#port.explain(command, signal));
  }

  async awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer> {
    const answer = await this.#port.awaitDurable(command, signal);
    return { ...answer, durable: this.#named(answer.durable) };
  }

  #read<A extends { readonly asOf: Position }>(answer: Awaitable<A>): Awaitable<A> {
    return mapAwaitable(answer, (read) => ({ ...read, asOf: this.#named(read.asOf) }));
  }

  #written<A extends { readonly position: Position }>(answer: Awaitable<A>): Awaitable<A> {
    return mapAwaitable(answer, (written) => ({ ...written, position: this.#named(written.position) }));
  }

  #results(results: Awaitable<BatchResult[]>): Awaitable<BatchResult[]> {
    return mapAwaitable(results, (all) => all.map((result) => this.#result(result)));
  }

  #result(result: BatchResult): BatchResult {
    return mapPosition(result, (position) => this.#named(position));
  }

  /** No position without an LSN is of a group. */
  #named({ epoch, lsn }: Position): Position {
    return lsn === 0 ? { epoch, lsn } : { epoch, lsn, group: this.#group };
  }
}
