/**
 * A group of nodes inside this process, as a client sees it: one master, replicas that
 * apply when they are told to, named writes that are carried out once, and faults on the
 * way to and from each node.
 */
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createRouterTransport, type Transport } from '@connectrpc/connect';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { RefusalSchema } from '#gen/walnut/v1/errors_pb.ts';
import {
  type BatchOperation,
  type BatchRequest,
  type BatchResult,
  BatchResultSchema,
  type GetRequest,
  KVStore,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { type Position, PositionSchema, Role } from '#gen/walnut/v1/types_pb.ts';
import { WalnutError } from '#model/errors.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import { fromError } from '#wire/error-codec.ts';

/** `lost_request`: it never comes to the node. `lost_answer`: it is carried out, and nobody is told. */
export type Fault = 'none' | 'lost_request' | 'lost_answer' | 'refused';

type State = ReadonlyMap<string, Uint8Array>;

const NOTHING_DONE = { desc: RefusalSchema, value: { nothingDone: true } } as const;
const TERM = 1n << 32n;

export class SimulatedGroup {
  readonly addresses: readonly string[];
  master: string;
  /** Batches by the node that they came to: the kinds of their operations. */
  readonly seen: [address: string, kinds: string][] = [];
  fault: (address: string, rpc: string) => Fault = () => 'none';
  scans = 0;
  /** The keys that a Scan finds. */
  entries: readonly string[] = [];
  /** Gets are denied. */
  isUnreadable = false;
  /** Gets that came outside of a Batch. */
  gets = 0;
  /** Who owns a key instead of this group. */
  moved: (key: string) => ShardOwner | undefined = () => undefined;
  /** What a Batch waits for before it is answered. */
  hold: (request: BatchRequest) => Promise<void> | undefined = () => undefined;
  /** What a Batch is answered instead of the result of an operation; undefined: its result. */
  instead: (operation: BatchOperation) => BatchResult | undefined = () => undefined;
  /** The state after each record. */
  #states: State[] = [new Map()];
  /** Where each history begins, the oldest first. */
  #epochs: { readonly epoch: bigint; readonly firstLsn: number }[];
  readonly #applied = new Map<string, number>();
  readonly #outcomes = new Map<string, BatchResult>();

  /** `nonce` tells the histories of several groups apart. */
  constructor(addresses: readonly string[], nonce = 0) {
    this.addresses = addresses;
    this.#epochs = [{ epoch: TERM + BigInt(nonce), firstLsn: 1 }];
    this.master = addresses[0] as string;
    for (const address of addresses) this.#applied.set(address, 0);
  }

  get state(): State {
    return this.#states.at(-1) as State;
  }

  /** The replica applies everything. */
  sync(address: string): void {
    this.#applied.set(address, this.#states.length - 1);
  }

  /** A forced promotion: the records after the first `kept` are discarded, and a new history begins. */
  promote(address: string, kept: number): void {
    const last = this.#epochs.at(-1) as { epoch: bigint };
    this.#states = this.#states.slice(0, kept + 1);
    for (const [name, { result }] of this.#outcomes) {
      const lsn = result.case === 'set' || result.case === 'increment' ? result.value.position?.lsn : 0n;
      if (Number(lsn) > kept) this.#outcomes.delete(name);
    }
    this.#epochs = this.#epochs.filter(({ firstLsn }) => firstLsn <= kept);
    // A master begins its history with a record.
    this.#epochs.push({ epoch: last.epoch + TERM, firstLsn: kept + 1 });
    this.#states.push(this.state);
    this.master = address;
    for (const each of this.addresses) this.sync(each);
  }

  transportTo(address: string): Transport {
    return createRouterTransport(({ rpc }) => {
      rpc(KVStore.method.batch, (request) =>
        this.#faulty(address, 'batch', () => this.#batch(address, request)),
      );
      rpc(KVStore.method.get, (request) => {
        this.gets++;
        return this.#faulty(address, 'get', () => {
          if (request.linearizable && address !== this.master) throw this.#notMaster();
          return this.#get(address, request);
        });
      });
      rpc(KVStore.method.scan, () => {
        this.scans++;
        return this.#faulty(address, 'scan', () => ({
          asOf: this.#at(address),
          entries: this.entries.map((key) => ({ key })),
          count: this.entries.length,
        }));
      });
      rpc(KVStore.method.deletePrefix, ({ cursor }) =>
        this.#faulty(address, 'deletePrefix', () => ({
          deleted: 1,
          nextCursor: cursor === '' ? 'next' : '',
        })),
      );
      rpc(KVStore.method.awaitDurable, ({ position }) =>
        this.#faulty(address, 'awaitDurable', () => {
          if (position !== undefined && this.#isDiscarded(position))
            throw new ConnectError('gone', Code.DataLoss);
          return {};
        }),
      );
      rpc(Admin.method.status, () =>
        this.#faulty(address, 'status', () =>
          address === this.master
            ? { role: Role.MASTER }
            : { role: Role.REPLICA, master: { address: this.master } },
        ),
      );
    });
  }

  async #faulty<T>(address: string, rpc: string, work: () => T | Promise<T>): Promise<T> {
    const fault = this.fault(address, rpc);
    if (fault === 'refused') throw new ConnectError('not now', Code.Unavailable, undefined, [NOTHING_DONE]);
    if (fault === 'lost_request') throw new ConnectError('lost', Code.Unavailable);
    const answer = await work();
    if (fault === 'lost_answer') throw new ConnectError('lost', Code.Unavailable);
    return answer;
  }

  async #batch(address: string, request: BatchRequest): Promise<{ results: BatchResult[] }> {
    const { operations } = request;
    this.seen.push([address, operations.map(({ operation }) => operation.case).join(' ')]);
    if (address !== this.master && operations.some(({ operation }) => operation.case !== 'get'))
      throw this.#notMaster();
    if (operations.some(({ operation: { case: kind, value } }) => kind === 'get' && value.linearizable))
      throw new ConnectError('linearizable in a Batch', Code.InvalidArgument);
    for (const { operation } of operations) this.#checkOwned(operation.value?.key ?? '');
    const results = operations.map((operation) => this.#carryOut(address, operation));
    await this.hold(request);
    return { results: results.map((result, i) => this.instead(operations[i] as BatchOperation) ?? result) };
  }

  #notMaster(): ConnectError {
    const hint = new Headers({ 'x-leader-hint': this.master });
    return new ConnectError('a replica', Code.FailedPrecondition, hint, [NOTHING_DONE]);
  }

  #carryOut(address: string, { operation }: BatchOperation): BatchResult {
    if (operation.case === 'get') return this.#read(address, operation.value);
    const { case: kind, value } = operation;
    if (kind !== 'set' && kind !== 'increment') throw new ConnectError('not simulated', Code.Unimplemented);
    const name = `${value.clientId} ${value.sequence}`;
    const known = this.#outcomes.get(name);
    if (known !== undefined) return known;
    if (value.since !== undefined && this.#isDiscarded(value.since))
      return errorResult('aborted', 'since is of a discarded history');
    const isSum = kind === 'increment';
    const sum = isSum ? Number(Buffer.from(this.state.get(value.key) ?? []).toString() || '0') + 1 : 0;
    const bytes = isSum ? Buffer.from(String(sum)) : value.value;
    this.#states.push(new Map(this.state).set(value.key, bytes));
    const answer = isSum ? { value: BigInt(sum) } : { applied: true };
    const position = this.#position(this.#states.length - 1);
    const result = create(BatchResultSchema, {
      result: { case: kind, value: { ...answer, position } } as never,
    });
    if (value.clientId !== 0n) this.#outcomes.set(name, result);
    return result;
  }

  #read(address: string, request: GetRequest): BatchResult {
    try {
      return create(BatchResultSchema, { result: { case: 'get', value: this.#get(address, request) } });
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      return errorResult(code === Code.DataLoss ? 'data_loss' : 'unavailable', rawMessage);
    }
  }

  /** A Batch with one key of another group is refused whole. */
  #checkOwned(key: string): void {
    const shard = this.moved(key);
    if (shard !== undefined)
      throw fromError(new WalnutError('shard_moved', 'moved', { shard, nothingDone: true }));
  }

  #get(address: string, { key, atLeast }: GetRequest) {
    if (this.isUnreadable) throw new ConnectError('no right to read', Code.PermissionDenied);
    this.#checkOwned(key);
    if (atLeast !== undefined && this.#isDiscarded(atLeast)) throw new ConnectError('gone', Code.DataLoss);
    const asOf = this.#at(address);
    const lsn = Number(asOf.lsn);
    if (Number(atLeast?.lsn ?? 0) > lsn) throw new ConnectError('behind', Code.Unavailable);
    const value = this.#states[lsn]?.get(key);
    return value === undefined ? { found: false, asOf } : { found: true, value, asOf };
  }

  #at(address: string): Position {
    return this.#position(
      address === this.master ? this.#states.length - 1 : (this.#applied.get(address) ?? 0),
    );
  }

  #isDiscarded({ epoch, lsn }: Position): boolean {
    const i = this.#epochs.findIndex((one) => one.epoch === epoch);
    const end = (this.#epochs[i + 1]?.firstLsn ?? this.#states.length) - 1;
    return i < 0 || Number(lsn) > end;
  }

  #position(lsn: number): Position {
    const { epoch } =
      this.#epochs.findLast(({ firstLsn }) => firstLsn <= lsn) ?? (this.#epochs[0] as { epoch: bigint });
    return create(PositionSchema, { epoch, lsn: BigInt(lsn) });
  }
}

export function errorResult(code: string, message: string, nothingDone = false): BatchResult {
  return create(BatchResultSchema, { result: { case: 'error', value: { code, message, nothingDone } } });
}
