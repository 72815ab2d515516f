/**
 * A fake node for tests of the command line tool: a Map with exact LRU behind the stock
 * Connect adapter. It follows the wire contract as far as the tool uses it, and fails on
 * request.
 */
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, type ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  Admin,
  type ControlDelayRequest,
  type ScrubResponseSchema,
  type SlowCallSchema,
  type StatusResponseSchema,
  type StoreStatusSchema,
} from '#gen/walnut/v1/admin_pb.ts';
import {
  BatchResultSchema,
  type DeleteRequest,
  DeleteResponseSchema,
  type GetRequest,
  GetResponseSchema,
  KVStore,
  type SetRequest,
  SetResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import {
  Cause,
  Durability,
  type Entry,
  EntrySchema,
  NodeState,
  Op,
  PositionSchema,
  Role,
} from '#gen/walnut/v1/types_pb.ts';

export interface FakeNodeOptions {
  readonly entriesMax?: number;
  /** `host:port` of the master. If set, this node is a replica. */
  master?: string | undefined;
  /** `host:port` of the master of the group that owns every key, if that is another group. */
  owner?: string | undefined;
  readonly replicas?: NonNullable<MessageInitShape<typeof StatusResponseSchema>['replicas']>;
  readonly observers?: MessageInitShape<typeof StatusResponseSchema>['observers'];
  readonly reasons?: string[];
  /** What Gets say of their age; default 0. */
  readonly stalenessMs?: bigint;
  /** A replica shares the data of its master. */
  readonly data?: Map<string, Entry>;
}

/** `silent`: no answer for as long as the caller waits. */
type Fault = 'serve' | 'silent' | 'cut' | 'cut after' | 'unavailable' | 'overloaded';

export const EPOCH = 4_294_967_303n;

export class FakeNode {
  readonly options: FakeNodeOptions;
  readonly data: Map<string, Entry>;
  readonly server: http.Server;
  /** Rpcs by method name. */
  readonly calls: Record<string, number> = {};
  /** Every key that was read, set or deleted, in order of arrival. */
  readonly keys: string[] = [];
  readonly setRequests: SetRequest[] = [];
  readonly delayRequests: ControlDelayRequest[] = [];
  /** The expected offset in each MendClock request. */
  readonly mended: (bigint | undefined)[] = [];
  /** Called with what an AwaitDurable may wait, before it is answered. */
  onAwait: (timeoutMs: number) => void = () => undefined;
  /** How far the wall clock of this node is ahead of the test's, in milliseconds. */
  wallAheadMs = 0;
  /** `to timeout_ms` of each Failover request. */
  readonly failovers: string[] = [];
  /** The reason why a diverged tail cannot be read to its end. */
  divergedDamage = '';
  slowCalls: MessageInitShape<typeof SlowCallSchema>[] = [];
  slowThresholdMs = 100n;
  /** What Status says of the store beside the number of entries. */
  store: MessageInitShape<typeof StoreStatusSchema> = {};
  /** Keys that are used, with the looks that saw each. */
  hotKeys = new Map<string, number>();
  /** The pages of `/metrics`, one for each time it is asked, the last again and again. */
  metrics: string[] = [];
  lsn = 0n;
  digest = 'd'.repeat(32);
  digestsFromLsn = 0n;
  scrubAnswers: MessageInitShape<typeof ScrubResponseSchema>[] = [];
  /** Called before each rpc; decides how to treat it. */
  fault: (method: string, call: number) => Fault = () => 'serve';
  /** False: as a node of an older release. */
  saysLengths = true;
  /** Connections that were opened. */
  connections = 0;
  #calls = 0;

  constructor(options: FakeNodeOptions = {}) {
    this.options = options;
    this.data = options.data ?? new Map();
    const handler = connectNodeAdapter({ routes: (router) => this.#routes(router) });
    this.server = http.createServer((request, response) => {
      if (request.url === '/metrics') return this.#showMetrics(response);
      const method = (request.url ?? '').split('/').at(-1) ?? '';
      this.calls[method] = (this.calls[method] ?? 0) + 1;
      const fault = this.fault(method, ++this.#calls);
      if (fault === 'silent') return;
      if (fault === 'cut') return request.socket.destroy();
      if (fault === 'unavailable') {
        response.writeHead(503, { 'content-type': 'application/json' });
        return response.end('{"code":"unavailable","message":"loading"}');
      }
      if (fault === 'overloaded') {
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '0' });
        return response.end('{"code":"resource_exhausted","message":"no room for the body"}');
      }
      // The request is carried out, but the answer is never sent.
      if (fault === 'cut after') response.write = response.end = () => response.destroy() as never;
      return handler(request, response);
    });
    this.#countConnections();
  }

  #countConnections(): void {
    this.server.on('connection', () => {
      this.connections++;
    });
  }

  #showMetrics(response: http.ServerResponse): void {
    const [page, ...later] = this.metrics;
    if (later.length > 0) this.metrics = later;
    if (page === undefined) response.writeHead(403, { 'content-type': 'application/json' });
    response.end(page ?? '{"code":"permission_denied","message":"no role grants it"}');
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  position(lsn = this.lsn) {
    return create(PositionSchema, { epoch: EPOCH, lsn });
  }

  get(request: GetRequest) {
    this.#refuseForOwner();
    if (request.linearizable) this.#refuseOnReplica();
    this.keys.push(request.key);
    const entry = this.data.get(request.key);
    const freshness = { asOf: this.position(), stalenessMs: this.options.stalenessMs ?? 0n };
    if (entry === undefined) return create(GetResponseSchema, freshness);
    this.data.delete(request.key);
    this.data.set(request.key, entry);
    const { value, version, expireAtMs, contentType } = entry;
    return create(GetResponseSchema, {
      found: true,
      value,
      contentType,
      expireAtMs,
      ...freshness,
      ...(version === undefined ? {} : { version }),
      ...(request.withModified ? { modifiedMs: 1_700_000_000_000n } : {}),
    });
  }

  set(request: SetRequest) {
    this.#refuseOnReplica();
    this.#refuseForOwner();
    this.keys.push(request.key);
    this.setRequests.push(request);
    if (request.value.length === 666) throw new ConnectError('full by bytes', Code.ResourceExhausted);
    const before = this.data.get(request.key);
    const { condition } = request;
    const isMet =
      condition.case === undefined ||
      (condition.case === 'ifAbsent' && before === undefined) ||
      (condition.case === 'ifPresent' && before !== undefined) ||
      (condition.case === 'ifVersion' && before?.version?.lsn === condition.value.lsn);
    const current = before === undefined ? {} : { current: before };
    if (!isMet) return create(SetResponseSchema, { applied: false, position: this.position(), ...current });
    this.lsn++;
    const expireAtMs = request.expiry.case === 'expireAtMs' ? request.expiry.value : 0n;
    const entry = {
      key: request.key,
      value: Buffer.from(request.value),
      version: this.position(),
      expireAtMs,
      contentType: request.contentType,
    };
    this.data.delete(request.key);
    this.data.set(request.key, create(EntrySchema, entry));
    const oldest = this.data.keys().next().value;
    if (oldest !== undefined && this.data.size > (this.options.entriesMax ?? Number.POSITIVE_INFINITY)) {
      this.data.delete(oldest);
    }
    return create(SetResponseSchema, {
      applied: true,
      position: this.position(),
      durabilityReached: 1,
      ...(request.returnPrevious && before !== undefined ? { previous: before } : {}),
    });
  }

  delete(request: DeleteRequest) {
    this.#refuseOnReplica();
    this.keys.push(request.key);
    const before = this.data.get(request.key);
    const { condition } = request;
    const isMet =
      before !== undefined && (condition.case === undefined || before.version?.lsn === condition.value.lsn);
    if (isMet) {
      this.data.delete(request.key);
      this.lsn++;
    }
    return create(DeleteResponseSchema, {
      deleted: isMet,
      position: this.position(),
      ...(before !== undefined && !isMet ? { current: before } : {}),
      ...(before !== undefined && isMet && request.returnPrevious ? { previous: before } : {}),
    });
  }

  #refuseForOwner(): void {
    const { owner } = this.options;
    if (owner === undefined) return;
    throw new ConnectError('the key belongs to g2', Code.FailedPrecondition, { 'x-new-node-hint': owner });
  }

  #refuseOnReplica(): void {
    const { master } = this.options;
    if (master === undefined) return;
    throw new ConnectError('a replica takes no writes', Code.FailedPrecondition, { 'x-leader-hint': master });
  }

  #batchOne(operation: { case: string | undefined; value?: unknown }) {
    try {
      if (operation.case === 'get') {
        return create(BatchResultSchema, {
          result: { case: 'get', value: this.get(operation.value as GetRequest) },
        });
      }
      if (operation.case === 'set') {
        return create(BatchResultSchema, {
          result: { case: 'set', value: this.set(operation.value as SetRequest) },
        });
      }
      const value = this.delete(operation.value as DeleteRequest);
      return create(BatchResultSchema, { result: { case: 'delete', value } });
    } catch (error) {
      const { rawMessage: message } = error as ConnectError;
      return create(BatchResultSchema, {
        result: { case: 'error', value: { code: 'resource_exhausted', message } },
      });
    }
  }

  #routes(router: ConnectRouter): void {
    router.service(KVStore, {
      get: (request) => this.get(request),
      set: (request) => this.set(request),
      delete: (request) => this.delete(request),
      batch: ({ operations }) => {
        if (operations.some(({ operation }) => operation.case !== 'get')) this.#refuseOnReplica();
        return { results: operations.map(({ operation }) => this.#batchOne(operation)) };
      },
      awaitDurable: (request) => {
        this.onAwait(request.timeoutMs);
        if (request.minAcks > 0) this.#refuseOnReplica();
        if ((request.position?.lsn ?? 0n) > this.lsn) throw new ConnectError('not here', Code.Unavailable);
        return { durabilityReached: Durability.LOCAL, replicasAcked: 1, durable: this.position() };
      },
      scan: ({ prefix, cursor, limit, keysOnly }) => {
        const all = [...this.data.values()].filter(({ key }) => key.startsWith(prefix));
        const from = Number(cursor || '0');
        const to = from + Math.min(limit || 100, 7);
        return {
          entries: keysOnly ? withoutValues(all.slice(from, to), this.saysLengths) : all.slice(from, to),
          nextCursor: to < all.length ? String(to) : '',
          asOf: this.position(),
        };
      },
    });
    const { scrubAnswers } = this;
    router.service(Admin, {
      status: () => this.#status(),
      digest: ({ at }) => {
        if ((at?.lsn ?? 0n) > this.lsn) throw new ConnectError('not reached', Code.Unavailable);
        if (at !== undefined && at.lsn < this.digestsFromLsn) {
          throw new ConnectError('longer ago', Code.OutOfRange);
        }
        return { position: at ?? this.position(), entries: BigInt(this.data.size), digest: this.digest };
      },
      scrub: async function* (this: void) {
        for (const progress of scrubAnswers) yield progress;
      },
      addReplica: ({ address }) => ({
        warning: address.startsWith('nowhere') ? 'no node answers there' : '',
      }),
      removeReplica: () => ({}),
      checkpoint: () => ({
        position: this.position(),
        entries: BigInt(this.data.size),
        snapshotBytes: 12_345n,
        deletedSegments: 2,
      }),
      rotateWal: () => ({ segmentSeq: 3n, firstLsn: this.lsn + 1n }),
      quarantineList: () => ({
        quarantines: [{ reason: 'foreign log', sinceMs: 1_700_000_000_000n, upstream: '127.0.0.1:9' }],
      }),
      quarantineRelease: () => ({}),
      ...this.#leaderHandlers(),
      ...this.#clockHandlers(),
      controlDelay: (request) => {
        this.delayRequests.push(request);
        const { action } = request;
        const held = action.case === 'pause' || (action.case === 'releaseTo' && !action.value.goOn);
        const delay = {
          applyDelayMs: 60_000n,
          held,
          waitingRecords: 4n,
          nextDueInMs: held ? undefined : 1_500n,
        };
        return { position: this.position(), durableLsn: 9n, delay };
      },
    });
  }

  /** The admin rpcs of a log clock that is ten hours ahead, of slow calls and of the configuration. */
  #clockHandlers(): Pick<
    Partial<ServiceImpl<typeof Admin>>,
    'mendClock' | 'getSlowLog' | 'getConfig' | 'setConfig' | 'hotKeys'
  > {
    return {
      hotKeys: ({ durationMs, limit }) => {
        const keys = [...this.hotKeys].map(([key, looks]) => ({ key, looks }));
        const looks = keys.reduce((sum, each) => sum + each.looks, 0);
        const distinct = keys.length;
        return { keys: keys.slice(0, limit), looks, accesses: 2_000n, durationMs, distinct };
      },
      getConfig: () => ({ settings: [{ key: 'log.level', value: 'info', origin: 'default' }] }),
      setConfig: ({ set }) => {
        if (set['wal.fsync'] !== undefined)
          throw new ConnectError('wal.fsync needs a restart', Code.FailedPrecondition);
        const value = set['log.level'] ?? 'info';
        return { settings: [{ key: 'log.level', value, origin: 'default' }] };
      },
      getSlowLog: ({ limit, afterId }) => {
        const calls = this.slowCalls.filter(({ id = 0n }) => id > afterId).slice(0, limit);
        return { calls, thresholdMs: this.slowThresholdMs, total: 7n };
      },
      mendClock: ({ apply, expectedAheadMs }) => {
        if (apply) this.mended.push(expectedAheadMs);
        const aheadMs = 36_000_000n;
        const logMs = BigInt(Date.now() + this.wallAheadMs) + aheadMs;
        const clock = { logMs, aheadMs, wallOffsetMs: 0n, shiftMs: -aheadMs };
        return { clock, wallOffsetMs: -aheadMs, applied: apply, position: this.position() };
      },
    };
  }

  /** The rpcs of failover, promote and diverged. */
  #leaderHandlers(): Pick<
    Partial<ServiceImpl<typeof Admin>>,
    'promote' | 'failover' | 'divergedList' | 'divergedShow' | 'divergedSeen'
  > {
    return {
      promote: ({ force }) => {
        if (!force) throw new ConnectError('the master 127.0.0.1:1 answers', Code.FailedPrecondition);
        return { term: 2, position: this.position(), promoted: true };
      },
      failover: ({ to, timeoutMs }) => {
        this.failovers.push(`${to} ${timeoutMs}`);
        return { term: 3, position: this.position(), pausedMs: 42n };
      },
      divergedList: () => ({
        tails: [
          {
            id: 1,
            firstLsn: 5n,
            last: { epoch: EPOCH, lsn: 6n },
            reason: 'another history',
            sinceMs: 1_700_000_000_000n,
            upstream: '127.0.0.1:9',
            files: ['aside/1/x.wal'],
            bytes: 90n,
          },
        ],
      }),
      divergedSeen: ({ id }) => {
        if (id !== 1) throw new ConnectError(`no tail ${id} was set aside here`, Code.NotFound);
        return {};
      },
      divergedShow: ({ afterLsn }) => {
        const position = { epoch: EPOCH, lsn: afterLsn === 0n ? 5n : 6n };
        const entry = {
          position,
          op: Op.SET,
          cause: Cause.CLIENT,
          key: `k${position.lsn}`,
          value: Buffer.from('v'),
        };
        return { entries: [entry], lastLsn: position.lsn, end: afterLsn !== 0n, damage: this.divergedDamage };
      },
    };
  }

  #status(): MessageInitShape<typeof StatusResponseSchema> {
    const { master, replicas, observers, reasons = [] } = this.options;
    return {
      nodeId: 'a'.repeat(32),
      role: master === undefined ? Role.MASTER : Role.REPLICA,
      state: master === undefined ? NodeState.SERVING : NodeState.STREAMING,
      ready: true,
      reasons,
      position: this.position(),
      store: { entries: BigInt(this.data.size), ...this.store },
      ...(master === undefined ? {} : { master: { address: master, linked: true } }),
      ...(replicas === undefined ? {} : { replicas }),
      ...(observers === undefined ? {} : { observers }),
    };
  }
}

function withoutValues(entries: readonly Entry[], sayLengths: boolean): Entry[] {
  return entries.map((entry) => ({
    ...entry,
    value: new Uint8Array(),
    ...(sayLengths ? { valueBytes: BigInt(entry.value.length) } : {}),
  }));
}
