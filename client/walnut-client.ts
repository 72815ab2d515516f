/**
 * A client that batches calls by itself. Calls of one turn of the event loop, and
 * calls made while a Batch is under way, are sent together in the next Batch. One
 * Batch is under way at a time, so operations take effect in the order of their
 * calls, and a Get sees the Sets called before it. A Batch is not atomic: each call
 * has its own result or error.
 *
 * The client never retries a write: if its Batch failed, the write may have been
 * applied or not. Errors are `ConnectError`s.
 */
import { create } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  type AwaitDurableResponse,
  BatchRequestSchema,
  type BatchResponse,
  type BatchResult,
  type DeleteResponse,
  DeleteRequestSchema as DeleteSchema,
  type ExplainResponse,
  type GetRequest,
  type GetResponse,
  GetRequestSchema as GetSchema,
  type GetUpdatesResponse,
  type IncrementResponse,
  IncrementRequestSchema as IncrementSchema,
  KVStore,
  type SetResponse,
  SetRequestSchema as SetSchema,
  type TouchResponse,
  TouchRequestSchema as TouchSchema,
  type WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { BatchQueue, type PendingAtomic, type PendingOperation } from './batch-queue.ts';
import { limitsOf, openTransport, type WalnutClientOptions } from './client-options.ts';
import {
  type AtomicOperation,
  type AtomicOptions,
  type AwaitDurableOptions,
  checkText,
  type DeleteOptions,
  errorOf,
  type GetOptions,
  type GetUpdatesOptions,
  type IncrementOptions,
  invalid,
  isEncodable,
  isGet,
  type Operation,
  type SetOptions,
  sizeOf,
  type TouchOptions,
  toMessage,
  waitMsOf,
} from './operations.ts';
import { type DeletePrefixOptions, deletePages, type ScanOptions, scanPages } from './paged-calls.ts';
import { Places } from './places.ts';
import { Session } from './session.ts';
import { openWatch, type WatchOptions, type WatchTarget } from './watch.ts';

const TIMEOUT_MS = 10_000;
const WAIT_MS = 1_000;
/** Gets that may wait for a fill lease at once. A connection has 256 streams, and the Set that they wait for needs one. */
const FILLS_MAX = 64;
/** How long a node waits in AwaitDurable by default, milliseconds. */
const AWAIT_MS = 5_000;

export type { WalnutClientOptions } from './client-options.ts';

export class WalnutClient {
  readonly session: Session;
  readonly #store: Client<typeof KVStore>;
  readonly #queue: BatchQueue;
  readonly #fills = new Places(FILLS_MAX);
  readonly #timeoutMs: number;
  readonly #waitMs: number;
  readonly #disconnect: () => void;
  #sending: Promise<void> | undefined;
  readonly #closed = new AbortController();
  #isClosed = false;

  constructor(options: WalnutClientOptions) {
    const { session = new Session(), timeoutMs = TIMEOUT_MS, waitMs = WAIT_MS } = options;
    this.session = session;
    this.#timeoutMs = timeoutMs;
    this.#waitMs = waitMs;
    this.#queue = new BatchQueue(limitsOf(options));
    const { transport, close } = openTransport(options);
    this.#disconnect = close;
    this.#store = createClient(KVStore, transport);
  }

  /**
   * Reads one key from a state that includes everything the session has seen;
   * `found: false` if the key is missing. Rejects with UNAVAILABLE if the node does
   * not reach that state in time, and with DATA_LOSS if it never will.
   *
   * With `fillLeaseMs` the call is sent alone, after what was called before: it may wait
   * for another caller, and 64 such calls are under way at once. Where the answer has `fillLease`, this caller is to fill the key,
   * by a `set` with the condition `ifFillLease`.
   */
  get(key: string, options: GetOptions = {}): Promise<GetResponse> {
    const value = create(GetSchema, { ...options, key });
    if (value.fillLeaseMs > 0) return this.#fills.run(() => this.#getAlone(value));
    return this.#call({ case: 'get', value }, 'get') as Promise<GetResponse>;
  }

  /** Writes one key; `applied: false` if a condition was not met. Do not change `value` before the call is settled. */
  set(key: string, value: Uint8Array, options: SetOptions = {}): Promise<SetResponse> {
    const operation = { case: 'set', value: create(SetSchema, { ...options, key, value }) } as const;
    return this.#call(operation, 'set') as Promise<SetResponse>;
  }

  /** Deletes one key; `deleted: false` if it was missing or a condition was not met. */
  delete(key: string, options: DeleteOptions = {}): Promise<DeleteResponse> {
    const value = create(DeleteSchema, { ...options, key });
    return this.#call({ case: 'delete', value }, 'delete') as Promise<DeleteResponse>;
  }

  /**
   * Adds `delta`, 1 by default, to the number that the value is. Rejects with
   * FAILED_PRECONDITION if it is no number, with OUT_OF_RANGE if the sum exceeds 64 bits.
   */
  increment(key: string, options: IncrementOptions = {}): Promise<IncrementResponse> {
    const value = create(IncrementSchema, { ...options, key });
    return this.#call({ case: 'increment', value }, 'increment') as Promise<IncrementResponse>;
  }

  /** Gives an entry another deadline and leaves its value and version; `touched: false` if the key is missing. */
  touch(key: string, options: TouchOptions): Promise<TouchResponse> {
    const value = create(TouchSchema, { ...options, key });
    return this.#call({ case: 'touch', value }, 'touch') as Promise<TouchResponse>;
  }

  /**
   * Runs all operations or none, in the order of the calls of this client. `committed:
   * false` if a condition was not met: then only those operations have a result.
   * Rejects, with nothing written, if one is refused; the message names its index.
   */
  atomic(operations: readonly AtomicOperation[], options: AtomicOptions = {}): Promise<BatchResponse> {
    return new Promise((resolve, reject) => {
      const request = create(BatchRequestSchema, {
        ...options,
        atomic: true,
        operations: operations.map(toMessage),
      });
      if (!request.requestId.isWellFormed()) throw invalid('ill-formed text: request_id has lone surrogates');
      const settle = (response: BatchResponse): void => {
        this.session.observe(response.position);
        resolve(response);
      };
      const bytes = request.operations.reduce((sum, one) => sum + sizeOf(one.operation), 0);
      this.#push({ kind: 'atomic', request, bytes, settle, fail: reject });
    });
  }

  /**
   * Deletes every entry whose key begins with `prefix`, call after call, after what was
   * called before. Resolves with how many there were; keys written meanwhile may stay.
   */
  async deletePrefix(prefix: string, options: DeletePrefixOptions = {}): Promise<number> {
    const timeoutMs = this.#timeoutMs + (options.timeoutMs ?? 0);
    await this.#ready();
    return deletePages(this.#store, prefix, options, this.session, timeoutMs);
  }

  /**
   * Gives every entry whose key begins with `prefix`, in no order, a page per call and
   * after what was called before; entries written meanwhile may be missing. `limit` is
   * the length of a page.
   */
  async *scan(prefix: string, options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    await this.#ready();
    yield* scanPages(this.#store, prefix, options, this.session, this.#timeoutMs);
  }

  /**
   * Waits until a position is as durable as requested: `options.position`, or else the
   * position of the session, after what was called before. Running out of time is no
   * error: the answer says what was reached. Rejects with INVALID_ARGUMENT if the session
   * has no position, and with DATA_LOSS if the position belongs to a discarded history.
   */
  async awaitDurable(options: AwaitDurableOptions = {}): Promise<AwaitDurableResponse> {
    await this.#ready();
    const { position = this.session.token } = options;
    if (position === undefined)
      throw invalid('no position: expected one in the options, or a call of this session before');
    const timeoutMs = this.#timeoutMs + (options.timeoutMs || AWAIT_MS);
    return this.#store.awaitDurable({ ...options, position }, { timeoutMs });
  }

  /**
   * One page of the log: the durable records after `options.after`, or from the beginning.
   * Continue with `last` of the answer. Rejects with OUT_OF_RANGE if the log no longer has
   * them. `watch` gives changes as they happen.
   */
  async getUpdates(options: GetUpdatesOptions = {}): Promise<GetUpdatesResponse> {
    this.#checkOpen();
    return this.#store.getUpdates(options, { timeoutMs: this.#timeoutMs });
  }

  /** What the node knows of a key, and what became of it; `changes`: how many of the last ones. */
  explain(key: string, changes = 0): Promise<ExplainResponse> {
    return this.#store.explain({ key, changes }, { timeoutMs: this.#timeoutMs });
  }

  /**
   * Tells every change of `what` once and in order, from now on unless `options.from`
   * says otherwise, and goes on by itself; each message ends at the end of a record.
   * Ends when `signal` aborts, and with `close`. Throws what going on cannot mend
   * (`resuming-watch.ts`).
   */
  watch(what: WatchTarget, options: WatchOptions = {}): AsyncIterable<WatchResponse> {
    return openWatch(this.#store, what, options, this.#closed.signal);
  }

  /** Refuses further calls, ends watches, and resolves when all earlier ones are settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closed.abort();
    await this.#sending;
    this.#disconnect();
  }

  #call(operation: Operation, expected: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      checkText(operation);
      const settle = (result: BatchResult['result']): void => {
        if (result.case === expected) resolve(this.#observed(result.value));
        else reject(errorOf(result));
      };
      this.#push({ kind: 'operation', operation, bytes: sizeOf(operation), settle, fail: reject });
    });
  }

  /** Resolves when the calls before are settled. */
  async #ready(): Promise<void> {
    this.#checkOpen();
    await this.#sending;
  }

  async #getAlone(request: GetRequest): Promise<GetResponse> {
    checkText({ case: 'get', value: request });
    await this.#ready();
    const { token } = this.session;
    const atLeast = request.atLeast ?? token;
    const timeoutMs = this.#timeoutMs + request.waitMs;
    const sent = atLeast === undefined ? request : { ...request, atLeast };
    return this.#observed(await this.#store.get(sent, { timeoutMs })) as GetResponse;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ConnectError('this client is closed', Code.Canceled);
  }

  #push(pending: PendingOperation | PendingAtomic): void {
    this.#checkOpen();
    this.#queue.push(pending);
    this.#sending ??= this.#send();
  }

  #observed(answer: GetResponse | SetResponse | DeleteResponse | unknown): unknown {
    const { asOf, position } = answer as Partial<GetResponse & SetResponse>;
    this.session.observe(asOf ?? position);
    return answer;
  }

  /** Sends Batches, one after the other, until no operation waits. Never rejects. */
  async #send(): Promise<void> {
    await endOfTurn();
    while (this.#queue.length > 0) {
      const next = this.#queue.take();
      await (Array.isArray(next) ? this.#sendBatch(next) : this.#sendAtomic(next));
      // Callers that just got an answer can still add a call to the next Batch.
      await endOfTurn();
    }
    this.#sending = undefined;
  }

  async #sendAtomic({ request, settle, fail }: PendingAtomic): Promise<void> {
    try {
      for (const one of request.operations) one.operation = this.#withToken(one.operation);
      const waitsMs = request.operations.map(({ operation }) => waitMsOf(operation));
      const timeoutMs = this.#timeoutMs + Math.max(request.timeoutMs, ...waitsMs);
      settle(await this.#store.batch(request, { timeoutMs }));
    } catch (error) {
      // If it cannot be encoded nothing was sent, and the caller is told why.
      if (request.operations.every(({ operation }) => isEncodable({ operation, fail })))
        fail(ConnectError.from(error));
    }
  }

  async #sendBatch(batch: readonly PendingOperation[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      await this.#carryOut(batch);
    } catch (error) {
      // If an operation cannot be encoded nothing was sent: fail that one and send the others.
      const fitting = batch.filter(isEncodable);
      if (fitting.length < batch.length) return this.#sendBatch(fitting);
      const reason = ConnectError.from(error);
      // A replica refuses a whole Batch if it contains a write, and applies nothing: send the Gets again.
      const isRefused = reason.code === Code.FailedPrecondition && !batch.every(isGet);
      const gets = isRefused ? batch.filter(isGet) : [];
      for (const pending of batch) if (!isRefused || !isGet(pending)) pending.fail(reason);
      if (gets.length > 0) await this.#sendBatch(gets);
    }
  }

  async #carryOut(batch: readonly PendingOperation[]): Promise<void> {
    const operations = batch.map((pending) => ({ operation: this.#withToken(pending.operation) }));
    const timeoutMs = this.#timeoutMs + Math.max(...operations.map(({ operation }) => waitMsOf(operation)));
    const { results } = await this.#store.batch({ operations }, { timeoutMs });
    if (results.length !== batch.length) {
      throw new ConnectError(`${results.length} results for ${batch.length} operations`, Code.Internal);
    }
    const tooLarge: PendingOperation[] = [];
    for (const [i, { result }] of results.entries()) {
      const pending = batch[i] as PendingOperation;
      const isTooLarge =
        result.case === 'error' && result.value.code === 'resource_exhausted' && isGet(pending);
      if (isTooLarge && batch.length > 1) tooLarge.push(pending);
      else pending.settle(result);
    }
    // An answer is limited in bytes of values; a Get that did not fit is repeated alone.
    for (const pending of tooLarge) await this.#sendBatch([pending]);
  }

  #withToken(operation: Operation): Operation {
    const { token } = this.session;
    if (operation.case !== 'get' || token === undefined || operation.value.atLeast !== undefined)
      return operation;
    const waitMs = operation.value.waitMs === 0 ? this.#waitMs : operation.value.waitMs;
    return { case: 'get', value: { ...operation.value, atLeast: token, waitMs } };
  }
}

/** Resolves after all callbacks of pending promises have run. */
async function endOfTurn(): Promise<void> {
  await undefined;
  await new Promise<void>((resolve) => process.nextTick(resolve));
}
