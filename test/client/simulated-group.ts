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

/** `lost_request`: it never comes to the node. `lost_answer`: it is carried out, and nobody is told. */
export type Fault = 'none' | 'lost_request' | 'lost_answer' | 'refused';

type State = ReadonlyMap<string, Uint8Array>;

const NOTHING_DONE = { desc: RefusalSchema, value: { nothingDone: true } } as const;
const EPOCH = 1n << 32n;

export class SimulatedGroup {
  readonly addresses: readonly string[];
  master: string;
  /** Batches by the node that they came to: the kinds of their operations. */
  readonly seen: [address: string, kinds: string][] = [];
  fault: (address: string) => Fault = () => 'none';
  /** What a Batch waits for before it is answered. */
  hold: (request: BatchRequest) => Promise<void> | undefined = () => undefined;
  /** The state after each record. */
  readonly #states: State[] = [new Map()];
  readonly #applied = new Map<string, number>();
  readonly #outcomes = new Map<string, BatchResult>();

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
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

  transportTo(address: string): Transport {
    return createRouterTransport(({ rpc }) => {
      rpc(KVStore.method.batch, (request) => this.#faulty(address, () => this.#batch(address, request)));
      rpc(KVStore.method.get, (request) => this.#faulty(address, () => this.#get(address, request)));
      rpc(Admin.method.status, () =>
        this.#faulty(address, () =>
          address === this.master
            ? { role: Role.MASTER }
            : { role: Role.REPLICA, master: { address: this.master } },
        ),
      );
    });
  }

  async #faulty<T>(address: string, work: () => T | Promise<T>): Promise<T> {
    const fault = this.fault(address);
    if (fault === 'refused') throw new ConnectError('not now', Code.Unavailable, undefined, [NOTHING_DONE]);
    if (fault === 'lost_request') throw new ConnectError('lost', Code.Unavailable);
    const answer = await work();
    if (fault === 'lost_answer') throw new ConnectError('lost', Code.Unavailable);
    return answer;
  }

  async #batch(address: string, request: BatchRequest): Promise<{ results: BatchResult[] }> {
    const { operations } = request;
    this.seen.push([address, operations.map(({ operation }) => operation.case).join(' ')]);
    if (address !== this.master && operations.some(({ operation }) => operation.case !== 'get')) {
      const hint = new Headers({ 'x-leader-hint': this.master });
      throw new ConnectError('a replica', Code.FailedPrecondition, hint, [NOTHING_DONE]);
    }
    const results = operations.map((operation) => this.#carryOut(address, operation));
    await this.hold(request);
    return { results };
  }

  #carryOut(address: string, { operation }: BatchOperation): BatchResult {
    if (operation.case === 'get') return this.#read(address, operation.value);
    const { case: kind, value } = operation;
    if (kind !== 'set' && kind !== 'increment') throw new ConnectError('not simulated', Code.Unimplemented);
    const name = `${value.clientId} ${value.sequence}`;
    const known = this.#outcomes.get(name);
    if (known !== undefined) return known;
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
      const { rawMessage: message } = ConnectError.from(error);
      return create(BatchResultSchema, {
        result: { case: 'error', value: { code: 'unavailable', message } },
      });
    }
  }

  #get(address: string, { key, atLeast }: GetRequest) {
    const lsn = address === this.master ? this.#states.length - 1 : (this.#applied.get(address) ?? 0);
    if (Number(atLeast?.lsn ?? 0) > lsn) throw new ConnectError('behind', Code.Unavailable);
    const value = this.#states[lsn]?.get(key);
    const asOf = this.#position(lsn);
    return value === undefined ? { found: false, asOf } : { found: true, value, asOf };
  }

  #position(lsn: number): Position {
    return create(PositionSchema, { epoch: EPOCH, lsn: BigInt(lsn) });
  }
}
