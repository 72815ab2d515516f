/**
 * The metadata store in etcd, by gRPC. One member is asked at a time; after a call
 * without an answer the next one is. Reads and renewals are repeated there, once for
 * each member; transactions never are, because they may have been done.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import type { Endpoint } from '#dial/endpoint.ts';
import { createGrpcHttp2Transport } from '#dial/transport.ts';
import { Auth, KV, Lease, Watch, type WatchRequestSchema } from '#gen/etcd/etcd_pb.ts';
import { EtcdLogin, type EtcdUser, isTokenOver } from '#metadata/etcd/etcd-login.ts';
import { toRange, toStoreChanges, toStoreView, toTxnRequest } from '#metadata/etcd/etcd-messages.ts';
import type {
  MetadataStore,
  Outcome,
  StoreChanges,
  StoreLease,
  StoreView,
  Transaction,
} from '#metadata/metadata-store.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { messageOf } from '#platform/thrown.ts';

/** How long a member may take for an answer, milliseconds. */
const CALL_MS = 1_000;
/** Far above what the map of a cluster needs. */
const READ_BYTES_MAX = 16 * 1_024 * 1_024;
/** Makes a member without a leader end a watch, instead of going silent. */
const HAS_LEADER = { hasleader: 'true' };
/** Answers of a member that works: another one would say the same. */
const REFUSALS: readonly unknown[] = [
  Code.NotFound,
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.Unauthenticated,
  Code.PermissionDenied,
];

interface Member {
  readonly endpoint: Endpoint;
  readonly connection: ClosableTransport;
  readonly kv: Client<typeof KV>;
  readonly watch: Client<typeof Watch>;
  readonly lease: Client<typeof Lease>;
  readonly auth: Client<typeof Auth>;
}

type Headers = Readonly<Record<string, string>>;
type Call<T> = (
  member: Member,
  options: { readonly timeoutMs: number; readonly headers: Headers },
) => Promise<T>;

export interface EtcdOptions {
  /** The client addresses of the members, at least one. */
  readonly endpoints: readonly Endpoint[];
  /** How long a member may take for an answer, milliseconds. Default: 1,000. */
  readonly callMs?: number;
  /** Undefined: calls bring no token. */
  readonly user?: EtcdUser | undefined;
  readonly monotonicMs: () => number;
}

export class EtcdStore implements MetadataStore {
  readonly #members: Member[];
  readonly #callMs: number;
  readonly #login: EtcdLogin | undefined;
  #current = 0;
  #isClosed = false;

  /** Connects at the first call. */
  constructor({ endpoints, callMs = CALL_MS, user, monotonicMs }: EtcdOptions) {
    if (endpoints.length === 0) throw new RangeError('etcd needs the address of at least one member');
    this.#members = endpoints.map(connectTo);
    this.#callMs = callMs;
    this.#login = user && new EtcdLogin(user, monotonicMs);
  }

  async read(prefix: string): Promise<StoreView> {
    return toStoreView(await this.#repeat(({ kv }, options) => kv.range(toRange(prefix), options)));
  }

  async transact(transaction: Transaction): Promise<Outcome> {
    const request = toTxnRequest(transaction);
    const answer = await this.#ask(({ kv }, options) => kv.txn(request, options));
    return { isDone: answer.succeeded, revision: Number(answer.header?.revision) };
  }

  async *watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StoreChanges> {
    const member = this.#member;
    const ended = new AbortController();
    const value = { ...toRange(prefix), startRevision: BigInt(afterRevision + 1) };
    const requests = openRequests({ requestUnion: { case: 'createRequest', value } }, ended.signal);
    try {
      const headers = { ...HAS_LEADER, ...(await this.#headers(member)) };
      const options = { signal: AbortSignal.any([signal, ended.signal]), headers };
      for await (const answer of member.watch.watch(requests, options)) {
        if (answer.canceled) return;
        if (answer.events.length > 0) yield toStoreChanges(answer);
      }
    } catch {
      // The end of a watch says that the caller must read anew, whatever the reason.
      if (!signal.aborted) this.#giveUp(member);
    } finally {
      ended.abort();
    }
  }

  async grantLease(ttlMs: number): Promise<StoreLease> {
    const ttl = BigInt(Math.ceil(ttlMs / 1_000));
    // A repeated grant leaves a lease without keys behind, which is over by itself.
    const granted = await this.#repeat(({ lease }, options) => lease.leaseGrant({ ttl }, options));
    return { id: String(granted.id), ttlMs: Number(granted.ttl) * 1_000 };
  }

  keepAlive({ id }: StoreLease): Promise<number> {
    return this.#repeat(async ({ lease }, options) => {
      for await (const { ttl } of lease.leaseKeepAlive(once({ id: BigInt(id) }), options))
        return Math.max(0, Number(ttl)) * 1_000;
      throw unavailable('the stream ended without an answer');
    });
  }

  async revoke({ id }: StoreLease): Promise<void> {
    try {
      await this.#repeat(({ lease }, options) => lease.leaseRevoke({ id: BigInt(id) }, options));
    } catch (error) {
      const { cause } = error as Error;
      if (!(cause instanceof ConnectError && cause.code === Code.NotFound)) throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { connection } of this.#members) connection.close();
  }

  get #member(): Member {
    return this.#members[this.#current] as Member;
  }

  /** Asks each member once, until one answers. */
  async #repeat<T>(call: Call<T>): Promise<T> {
    for (let left = this.#members.length - 1; left > 0; left--) {
      try {
        return await this.#ask(call);
      } catch (error) {
        if (isRefusal((error as Error).cause)) throw error;
      }
    }
    return this.#ask(call);
  }

  async #ask<T>(call: Call<T>): Promise<T> {
    if (this.#isClosed) throw unavailable('the connection to etcd is closed');
    const member = this.#member;
    try {
      return await this.#askAsUser(member, call);
    } catch (error) {
      if (!isRefusal(error)) this.#giveUp(member);
      const why = `etcd at ${member.endpoint.text}: ${messageOf(error)}`;
      throw new WalnutError('unavailable', why, { cause: error });
    }
  }

  async #askAsUser<T>(member: Member, call: Call<T>): Promise<T> {
    const timeoutMs = this.#callMs;
    const headers = await this.#headers(member);
    try {
      return await call(member, { timeoutMs, headers });
    } catch (error) {
      const { token } = headers;
      if (token === undefined || !isTokenOver(error)) throw error;
      await this.#login?.forget(token);
      // Nothing was done, so that a transaction may be repeated too.
      return call(member, { timeoutMs, headers: await this.#headers(member) });
    }
  }

  /** The user's token, which is asked for where there is none. */
  async #headers({ auth }: Member): Promise<Headers> {
    const token = await this.#login?.token(auth, this.#callMs);
    return token === undefined ? {} : { token };
  }

  /** Goes on with the next member, and with a new connection when it is this one's turn again. */
  #giveUp(member: Member): void {
    const index = this.#members.indexOf(member);
    if (index < 0 || this.#isClosed) return;
    member.connection.close();
    this.#members[index] = connectTo(member.endpoint);
    if (index === this.#current) this.#current = (index + 1) % this.#members.length;
  }
}

function connectTo(endpoint: Endpoint): Member {
  const connection = createGrpcHttp2Transport(endpoint, READ_BYTES_MAX);
  const { transport } = connection;
  return {
    endpoint,
    connection,
    kv: createClient(KV, transport),
    watch: createClient(Watch, transport),
    lease: createClient(Lease, transport),
    auth: createClient(Auth, transport),
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof ConnectError && REFUSALS.includes(error.code);
}

async function* once<T>(message: T): AsyncIterable<T> {
  yield message;
}

/** One message, after which the stream stays open until the signal aborts. */
async function* openRequests<T extends MessageInitShape<typeof WatchRequestSchema>>(
  request: T,
  signal: AbortSignal,
): AsyncIterable<T> {
  yield request;
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
