/** The keys of one group: its nodes, the order of calls, the session, and the near cache. */
import type {
  AwaitDurableResponse,
  BatchRequest,
  BatchResponse,
  ExplainResponse,
  GetResponse,
  GetUpdatesResponse,
  WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import type { GroupRoutes } from '#routing/group-routes.ts';
import type { LongAttempts } from '#routing/long-attempts.ts';
import { type Links, Router } from '#routing/router.ts';
import { Caller, type CallKind } from './caller.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Keys, KeysOptions, Value } from './keys.ts';
import { NearCache, type NearStats } from './near-cache.ts';
import type { NodeStub } from './node-links.ts';
import {
  type AwaitDurableOptions,
  type CallOptions,
  type GetOptions,
  type GetUpdatesOptions,
  type Operation,
  operationOf,
} from './operations.ts';
import type { Ownership } from './ownership.ts';
import {
  countPages,
  type DeletePrefixOptions,
  deletePages,
  type ScanOptions,
  scanPages,
} from './paged-calls.ts';
import type { Session } from './session.ts';
import { waitDurable } from './wait-durable.ts';
import { openWatch, type WatchOptions, type WatchTarget } from './watch.ts';

/** What of a client is of one group. */
export interface GroupParts {
  readonly routes: GroupRoutes;
  readonly links: Links<NodeStub> & { close(): void };
  readonly session: Session;
  /** In a cluster: which keys are the group's. Undefined: all are. */
  readonly ownership?: Ownership | undefined;
  /** See `CallerOptions`. */
  readonly attempts?: LongAttempts<NodeStub> | undefined;
  /** See `RouterOptions`. */
  readonly pauseMsMax?: number | undefined;
}

const READ: Pick<CallKind, 'isRepeatable' | 'isRead' | 'waitMs'> = {
  isRepeatable: true,
  isRead: true,
  waitMs: 0,
};

export class GroupKeys implements Keys {
  readonly #options: KeysOptions;
  readonly #parts: GroupParts;
  readonly #caller: Caller;
  readonly #router: Router<NodeStub>;
  readonly #calls: Dispatcher;
  readonly #near: NearCache | undefined;

  constructor(options: KeysOptions, parts: GroupParts) {
    const { clock, random, limits, readFrom, timeoutMs, attemptMs, waitMs, namesWrites, near } = options;
    const { routes, links, session, ownership, attempts, pauseMsMax } = parts;
    this.#options = options;
    this.#parts = parts;
    const router = new Router({ routes, links, clock, random, onRetry: options.onRetry, pauseMsMax });
    const caller = new Caller({
      ...{ clock, router, session, timeoutMs, attemptMs },
      ...{ namesWrites, ownership, attempts },
    });
    const countsWrites = near !== undefined;
    this.#router = router;
    this.#caller = caller;
    this.#calls = new Dispatcher({ caller, random, limits, readFrom, waitMs, countsWrites });
    const read = (key: string): Promise<GetResponse> => caller.ask(key, readFrom);
    const client = { watch: this.watch.bind(this), read };
    this.#near = near && new NearCache(client, clock, near, options.closed);
  }

  get nearStats(): NearStats | undefined {
    return this.#near?.stats;
  }

  /** The newest position of the group that the session has seen. */
  get session(): Session {
    return this.#parts.session;
  }

  sessionOf(): Session {
    return this.#parts.session;
  }

  get(key: string, options: GetOptions & CallOptions): Promise<GetResponse> {
    const near = this.#near;
    // A read that asks for more than the value, or comes after a write that is not answered, goes to a node.
    if (near?.covers(key) !== true || !isPlain(options) || this.#calls.hasWrite(key))
      return this.#read(key, options);
    const { session } = this.#parts;
    // The watch of a near cache is of one group.
    const isProven = session.unproven.length === 0 && !session.isOfGroups;
    const read = (): Promise<GetResponse> => this.#read(key, options);
    return isProven ? near.get(key, session.required, read) : read();
  }

  call(operation: Operation, signal: AbortSignal | undefined): Promise<Value> {
    return this.#calls.call(operation, signal);
  }

  atomic(request: BatchRequest, signal: AbortSignal | undefined): Promise<BatchResponse> {
    return this.#calls.atomic(request, signal);
  }

  deletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions): Promise<number> {
    return this.#calls.afterEarlier(() => deletePages(this.#caller, prefix, options), options.signal);
  }

  count(prefix: string, options: CallOptions): Promise<number> {
    const count = () => countPages(this.#caller, this.#options.readFrom, prefix, options);
    return this.#calls.afterEarlier(count, options.signal);
  }

  async *scan(prefix: string, options: ScanOptions & CallOptions): AsyncGenerator<Entry, void, undefined> {
    await this.afterEarlier(options.signal);
    yield* scanPages(this.#caller, this.#options.readFrom, prefix, options);
  }

  awaitDurable(options: AwaitDurableOptions & CallOptions): Promise<AwaitDurableResponse> {
    return this.#calls.afterEarlier(() => waitDurable(this.#caller, options), options.signal);
  }

  async getUpdates(options: GetUpdatesOptions & CallOptions): Promise<GetUpdatesResponse> {
    const { signal, ...fields } = options;
    const kind = { ...READ, rpc: 'GetUpdates', target: this.#options.readFrom, signal };
    return this.#caller.run(kind, ({ link, options: sent }) => link.store.getUpdates(fields, sent));
  }

  /** Rejects as a node does that does not serve the key. It says nothing of what the session has seen. */
  async checkOwned(key: string, signal: AbortSignal | undefined): Promise<void> {
    const kind = { ...READ, rpc: 'Get', target: this.#options.readFrom, signal };
    await this.#caller.run(kind, ({ link, options: sent }) => link.store.get({ key }, sent));
  }

  explain(key: string, changes: number, signal: AbortSignal | undefined): Promise<ExplainResponse> {
    const kind = { ...READ, rpc: 'Explain', target: this.#options.readFrom, signal };
    return this.#caller.run(kind, ({ link, options: sent }) => link.store.explain({ key, changes }, sent));
  }

  watch(what: WatchTarget, options: WatchOptions): AsyncIterable<WatchResponse> {
    const { clock, readFrom, closed, timeoutMs: beginMs } = this.#options;
    return openWatch({ router: this.#router, clock, readFrom, beginMs }, what, options, closed);
  }

  /** Resolves when what was called before is settled, but for calls that may wait. */
  afterEarlier(signal?: AbortSignal): Promise<void> {
    return this.#calls.afterEarlier(async () => undefined, signal);
  }

  async settled(): Promise<void> {
    await this.#calls.settled();
    await this.#near?.ended();
  }

  async close(): Promise<void> {
    this.#parts.links.close();
  }

  #read(key: string, options: GetOptions & CallOptions): Promise<GetResponse> {
    const operation = operationOf('get', options, key);
    return this.#calls.call(operation, options.signal) as Promise<GetResponse>;
  }
}

/** True for a Get of nothing but the value. */
function isPlain(options: GetOptions & CallOptions): boolean {
  for (const name in options) if (name !== 'signal') return false;
  return true;
}
