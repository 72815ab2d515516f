/**
 * A `KeyValuePort` for one call of a session: notes the positions of its answers, and what the
 * session has seen with them. The port behind it shows nothing older than that. Where it says that
 * some of it is lost, the error has what is left of the session.
 */
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
import { invalidArgument, notYet, WalnutError } from '#model/errors.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import { GroupSeen } from '#model/group-seen.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { isAhead, type Position } from '#model/position.ts';
import { type Seen, seenAfter, withoutGroup } from '#model/seen.ts';
import type { WatchCommand, WatchMessage, WatchOutlet } from '#model/watch.ts';
import type { BatchId, WriteId } from '#model/write-id.ts';
import { POSITIONS_HEADER } from '#wire/call-headers.ts';

/** A position that is in the log of a node, without a wait worth the name. */
const IN_LOG = { durability: 'accepted', minAcks: 0, timeoutMs: 1 } as const;

export class SessionKeys implements KeyValuePort {
  readonly #port: KeyValuePort;
  readonly #tell: (seen: Seen) => void;
  /** What the session brought: a read that names no position itself shows all of it. */
  readonly #brought: Seen;
  /** What the node behind the port has to show; undefined: the port does that itself. */
  readonly #own: GroupSeen | undefined;
  readonly #group: string | undefined;
  readonly #isAsked: boolean;
  #seen: Seen;

  /**
   * `port`: its answers name their groups. `seen`: undefined where the call brings nothing, and has no
   * session. `tell`: called with what was seen, before each answer. `group`: the group of the node behind
   * the port; undefined: the port is a gateway's.
   */
  constructor(port: KeyValuePort, seen: Seen | undefined, tell: (seen: Seen) => void, group?: string) {
    this.#port = port;
    this.#isAsked = seen !== undefined;
    this.#brought = this.#seen = seen ?? [];
    this.#group = group;
    this.#own = group === undefined ? undefined : seenOfNode(port, group, this.#brought);
    this.#tell = tell;
  }

  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer> {
    return this.#noted(
      () => this.#read(command, signal),
      ({ asOf }) => this.#note(asOf, this.#includedBy(command)),
    );
  }

  set(command: SetCommand, signal?: AbortSignal): Awaitable<WriteAnswer> {
    return this.#written(() => this.#port.set(this.#named(command), signal));
  }

  delete(command: DeleteCommand, signal?: AbortSignal): Awaitable<WriteAnswer> {
    return this.#written(() => this.#port.delete(this.#named(command), signal));
  }

  increment(command: IncrementCommand, signal?: AbortSignal): Awaitable<IncrementAnswer> {
    return this.#written(() => this.#port.increment(this.#named(command), signal));
  }

  touch(command: TouchCommand, signal?: AbortSignal): Awaitable<TouchAnswer> {
    return this.#written(() => this.#port.touch(this.#named(command), signal));
  }

  /** What a session has seen at a node is shown operation by operation, so that its caller divides. */
  get dividesBatches(): boolean {
    return this.#own === undefined && this.#port.dividesBatches === true;
  }

  checkBatch(operations: readonly BatchOperation[]): void {
    this.#port.checkBatch?.(operations);
  }

  batch(operations: readonly BatchOperation[], signal?: AbortSignal): Awaitable<BatchResult[]> {
    return this.#noted(
      async () => {
        const own = (await this.#own?.operations(operations, signal)) ?? operations;
        const results = await this.#port.batch(own, signal);
        return [...(this.#own?.results(operations, results) ?? results)];
      },
      (results) => {
        for (const [i, result] of results.entries())
          this.#noteResult(operations[i] as BatchOperation, result);
      },
    );
  }

  namedBatch(writes: readonly WriteOperation[], id: BatchId, signal?: AbortSignal): Awaitable<BatchResult[]> {
    return this.#noted(
      () => this.#port.namedBatch(writes, this.#named({ id }).id, signal),
      (results) => {
        for (const [i, result] of results.entries()) this.#noteResult(writes[i] as WriteOperation, result);
      },
    );
  }

  async atomicBatch(command: AtomicBatchCommand, signal?: AbortSignal): Promise<AtomicBatchAnswer> {
    return this.#written(async () => {
      const operations = (await this.#own?.operations(command.operations, signal)) ?? command.operations;
      try {
        return await this.#port.atomicBatch(this.#named({ ...command, operations }), signal);
      } catch (error) {
        throw this.#own?.atomicError(command.operations, error) ?? error;
      }
    });
  }

  scan(command: ScanCommand, signal?: AbortSignal): Awaitable<ScanAnswer> {
    return this.#noted(
      () => this.#page(command, signal),
      ({ asOf, asOfAll = [asOf] }) => {
        for (const position of asOfAll) this.#note(position, this.#brought);
      },
    );
  }

  async deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    return this.#written(() => this.#port.deletePrefix(command, signal));
  }

  getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer> {
    return this.#port.getUpdates(command, signal);
  }

  watch(command: WatchCommand, signal: AbortSignal, outlet?: WatchOutlet): AsyncIterable<WatchMessage> {
    if (!this.#isAsked) return this.#port.watch(command, signal, outlet);
    throw invalidArgument(
      `${POSITIONS_HEADER} is for calls that have one answer: expected after, or resume, which say where a Watch begins`,
    );
  }

  async explain(command: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer> {
    return this.#noted(
      () => this.#port.explain(command, signal),
      ({ asOf }) => this.#note(asOf),
    );
  }

  async awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer> {
    const { position } = command;
    if (this.#group !== undefined && isOfOther(position, this.#group))
      throw new WalnutError(
        'failed_precondition',
        `the position is of group ${position.group}, and this node is of group ${this.#group}: expected a node of ` +
          'that group, or a gateway',
      );
    return this.#noted(
      () => this.#port.awaitDurable(command, signal),
      ({ durable }) => this.#note(durable),
    );
  }

  #read(command: GetCommand, signal: AbortSignal | undefined): Awaitable<GetAnswer> {
    if (this.#own === undefined) return this.#port.get(command, signal);
    return this.#own.reading(command, (atLeast) => this.#port.get({ ...command, atLeast }, signal), signal);
  }

  /** The write, with the position by which a named one is known to be new. */
  #named<C extends { readonly id?: WriteId | undefined }>(command: C): C {
    const { id } = command;
    if (this.#own === undefined || id === undefined) return command;
    return { ...command, id: { ...id, since: this.#own.since(id.since) } };
  }

  #page(command: ScanCommand, signal: AbortSignal | undefined): Awaitable<ScanAnswer> {
    if (this.#own === undefined) return this.#port.scan(command, signal);
    return this.#shownPage(this.#own, command, signal);
  }

  /** Throws `unavailable` for a page of an older state. */
  async #shownPage(
    own: GroupSeen,
    command: ScanCommand,
    signal: AbortSignal | undefined,
  ): Promise<ScanAnswer> {
    const page = await this.#port.scan(command, signal);
    await own.showing(page.asOf, async (unshown) => {
      // Asks for the log alone: the caller may be allowed to read no key that this node owns.
      for (const position of unshown) await this.#port.awaitDurable({ position, ...IN_LOG }, signal);
    });
    if (own.newest !== undefined && isAhead(own.newest, page.asOf))
      throw notYet('this node is behind what the session has seen of its group: try again, or another node');
    return page;
  }

  #written<A extends { readonly position: Position }>(work: () => Awaitable<A>): Awaitable<A> {
    return this.#noted(work, ({ position }) => this.#note(position));
  }

  #noteResult({ kind, command }: BatchOperation, result: BatchResult): void {
    if (result.kind === 'error') this.#forget(result.error);
    else if (result.kind !== 'get') this.#note(result.answer.position);
    else this.#note(result.answer.asOf, kind === 'get' ? this.#includedBy(command) : []);
  }

  #includedBy({ atLeast }: GetCommand): Seen {
    return atLeast === undefined ? this.#brought : [];
  }

  #note(position: Position, included: Seen = []): void {
    this.#seen = seenAfter(this.#seen, position, included);
  }

  /** What is lost is told once. */
  #forget(error: unknown): void {
    const lostGroup = error instanceof WalnutError ? error.details.lostGroup : undefined;
    if (lostGroup !== undefined) this.#seen = withoutGroup(this.#seen, lostGroup);
  }

  #noted<A>(work: () => Awaitable<A>, note: (answer: A) => void): Awaitable<A> {
    const told = (answer: A): A => {
      note(answer);
      this.#tell(this.#seen);
      return answer;
    };
    const answer = work();
    if (!(answer instanceof Promise)) return mapAwaitable(answer, told);
    return answer.then(told, (error: unknown) => {
      throw this.#withSeen(error);
    });
  }

  #withSeen(error: unknown): unknown {
    if (!(error instanceof WalnutError) || error.details.lostGroup === undefined) return error;
    this.#forget(error);
    return new WalnutError(error.code, error.message, { ...error.details, seen: this.#seen });
  }
}

function isOfOther(position: Position | undefined, group: string): boolean {
  return position?.group !== undefined && position.group !== group;
}

/** A node has one history at a time, so its own word proves what was seen before. */
function seenOfNode(port: KeyValuePort, group: string, seen: Seen): GroupSeen {
  return new GroupSeen({
    group,
    seen,
    // A position of another group says nothing of the keys of this one.
    ownOf: (named) => (isOfOther(named, group) ? undefined : named),
    prove: async ({ key, waitMs }, { earlier }, signal) => {
      for (const atLeast of earlier) await port.get({ key, waitMs, atLeast }, signal);
    },
  });
}
