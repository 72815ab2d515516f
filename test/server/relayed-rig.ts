/**
 * A gateway over three fake nodes in this process, without connections: what it answers to the
 * bytes of a request as it passes them on, and by decoding and encoding each message.
 */
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  BatchRequestSchema,
  type BatchResponse,
  BatchResponseSchema,
  DeleteRequestSchema,
  DeleteResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
  TouchRequestSchema,
  TouchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import type { BatchOperation } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { RelayMethod } from '#model/relay.ts';
import { ConnectNodeLinks } from '#peer/node-links.ts';
import { earlySignal } from '#platform/early-signal.ts';
import { silentLogger } from '#platform/logger.ts';
import { ClusterKeys } from '#routing/cluster-keys.ts';
import { Groups } from '#routing/groups.ts';
import type { NodeKeys } from '#routing/node-keys.ts';
import type { Limits } from '#routing/router.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { settled } from '#test/doubles/settled.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';
import { EPOCH, FakeNode } from '#test/server/fake-node.ts';
import { BatchBytes } from '#wire/batch-bytes.ts';
import { type DescribedError, fromBatchResults, toBatchOperations } from '#wire/batch-codec.ts';
import { BatchCounts } from '#wire/batch-counts.ts';
import { toNamedWrites } from '#wire/batch-name.ts';
import { fromBatch, fromNamedBatch, toBatchResults } from '#wire/batch-request-codec.ts';
import { fromError } from '#wire/error-codec.ts';
import { type Caller, KeyValueCalls } from '#wire/kv-calls.ts';
import * as answers from '#wire/kv-codec.ts';
import * as commands from '#wire/kv-request-codec.ts';
import { ProtobufCalls } from '#wire/protobuf-calls.ts';
import { RelayedBatches } from '#wire/relayed-batches.ts';
import { RelayedCalls } from '#wire/relayed-calls.ts';

export const GROUPS = ['g1', 'g2', 'g3'];
export const LIMITS = { valueBytesMax: 400, answerBytesMax: 1_000 };
const HEADROOM = 5;
/** Somebody who waits, and does not go away. */
const CALLER: Caller = { hasDeadline: false, signal: new AbortController().signal };
const describeError = (error: unknown): DescribedError => {
  if (!(error instanceof WalnutError)) return { code: 'bug', message: '' };
  return { code: error.code, message: error.message, nothingDone: error.details.nothingDone };
};

interface Single {
  readonly schema: DescMessage;
  readonly toMessage: (command: never) => object;
  readonly toAnswer: (answer: Uint8Array, command: never) => unknown;
  readonly atNode: (node: FakeNode, request: Uint8Array) => Promise<Uint8Array>;
}

/** How a call is made by its message, and how a node answers that. */
function single<Request extends DescMessage, Response extends DescMessage>(
  method: Exclude<RelayMethod, 'batch'>,
  [request, response]: readonly [Request, Response],
  [toMessage, toCommand]: readonly [Single['toMessage'], (message: MessageShape<Request>) => object],
  [fromAnswer, toAnswer]: readonly [
    (answer: never) => object,
    (message: MessageShape<Response>, key: string) => unknown,
  ],
): Single {
  return {
    schema: request,
    toMessage,
    toAnswer: (bytes, { key }: { key: string }) => toAnswer(fromBinary(response, bytes), key),
    atNode: async (node, bytes) => {
      const command = toCommand(fromBinary(request, bytes));
      const answer = await node.ports.keyValue[method](command as never);
      return toBinary(response, fromAnswer(answer as never) as MessageShape<Response>);
    },
  };
}

const SINGLES = {
  get: single(
    'get',
    [GetRequestSchema, GetResponseSchema],
    [commands.fromGetCommand, answers.toGetCommand],
    [answers.fromGetAnswer, commands.toGetAnswer],
  ),
  set: single(
    'set',
    [SetRequestSchema, SetResponseSchema],
    [commands.fromSetCommand, (message) => answers.toSetCommand(message, LIMITS.valueBytesMax)],
    [answers.fromSetAnswer, commands.toSetAnswer],
  ),
  delete: single(
    'delete',
    [DeleteRequestSchema, DeleteResponseSchema],
    [commands.fromDeleteCommand, answers.toDeleteCommand],
    [answers.fromDeleteAnswer, commands.toDeleteAnswer],
  ),
  increment: single(
    'increment',
    [IncrementRequestSchema, IncrementResponseSchema],
    [commands.fromIncrementCommand, answers.toIncrementCommand],
    [answers.fromIncrementAnswer, commands.toIncrementAnswer],
  ),
  touch: single(
    'touch',
    [TouchRequestSchema, TouchResponseSchema],
    [commands.fromTouchCommand, answers.toTouchCommand],
    [answers.fromTouchAnswer, commands.toTouchAnswer],
  ),
} satisfies Record<Exclude<RelayMethod, 'batch'>, Single>;

async function batchAtNode(node: FakeNode, request: Uint8Array, alter: Alter): Promise<Uint8Array> {
  const large = { valueBytesMax: 400, answerBytesMax: 1_000_000 };
  const message = fromBinary(BatchRequestSchema, request);
  const parsed = toBatchOperations(message, large);
  const named = toNamedWrites(message, parsed);
  const { keyValue } = node.ports;
  const results =
    named === undefined
      ? await keyValue.batch(parsed.operations)
      : await keyValue.namedBatch(named.writes, named.id);
  const answer = fromBatchResults(parsed, results, large, describeError);
  alter(answer);
  return toBinary(BatchResponseSchema, answer);
}

type Alter = (answer: BatchResponse) => void;
/** An answer, or what it has for an operation of a Batch. */
type Positioned = Partial<Record<'position' | 'asOf', Position>>;

const ANSWERS: Readonly<Record<RelayMethod, DescMessage>> = {
  get: GetResponseSchema,
  set: SetResponseSchema,
  delete: DeleteResponseSchema,
  increment: IncrementResponseSchema,
  touch: TouchResponseSchema,
  batch: BatchResponseSchema,
};

/** The answer whose positions name these groups. */
function withGroups(
  method: RelayMethod,
  answer: Uint8Array,
  groupOf: (i: number) => string | undefined,
): Uint8Array {
  const schema = ANSWERS[method];
  const message = fromBinary(schema, answer);
  const all =
    method === 'batch'
      ? (message as BatchResponse).results.map(({ result }) => result.value as Positioned)
      : [message as Positioned];
  for (const [i, { position, asOf }] of all.entries())
    for (const one of [position, asOf]) if (one !== undefined) one.group = groupOf(i) ?? '';
  return toBinary(schema, message);
}

export class RelayedRig {
  readonly clock = new VirtualClock();
  readonly nodes = new Map(GROUPS.map((id) => [id, new FakeNode()]));
  /** How each group was called, in turn: its address, method, and whether by a message that was made anew. */
  readonly ways: string[] = [];
  /** Called before each attempt; what it throws is the node's answer. */
  onAttempt: (group: string, method: RelayMethod) => void = () => undefined;
  /** Called with each answer of a node; what it throws is what comes of it. */
  onAnswer: (group: string, method: RelayMethod) => void = () => undefined;
  /** The group that a node's answer names in its position, or in that of the result of this number. */
  namedBy: (group: string, i: number) => string | undefined = () => undefined;
  /** Groups that take calls and never answer. */
  readonly hung = new Set<string>();
  /** The time of the caller, milliseconds; undefined: it waits. */
  leftMs: number | undefined;
  /** May alter the answers of nodes to Batches. */
  alter: Alter = () => undefined;
  readonly groups: Groups;
  readonly counts = new BatchCounts();
  readonly #singles: KeyValueCalls | RelayedCalls;
  readonly #batches: BatchBytes | RelayedBatches;

  constructor(isRelayed: boolean) {
    for (const [i, node] of [...this.nodes.values()].entries()) node.epoch = EPOCH + i;
    const { clock } = this;
    this.groups = new Groups({
      links: this.#links(),
      ...{ clock, random: new SeededRandom(1), logger: silentLogger },
      limits: { callsMax: 100, bytesMax: 10_000_000 },
      ask: async () => undefined,
      onMap: () => undefined,
    });
    this.groups.cache.take({ kind: 'whole', map: mapOf(GROUPS, 1), epoch: 1 });
    const keys = new ClusterKeys({ groups: this.groups, clock, readFrom: 'master' });
    const singles = new KeyValueCalls(keys, undefined, new ProtobufCalls(LIMITS.valueBytesMax));
    const batches = new BatchBytes({
      batch: (...given) => keys.batch(...given),
      namedBatch: (...given) => keys.namedBatch(...given),
      pace: { pause: () => Promise.resolve() },
      bulk: undefined,
      limits: LIMITS,
      describe: describeError,
      counts: this.counts,
      endOf: ({ signal }) => earlySignal(signal, this.leftMs, clock),
    });
    this.#singles = isRelayed ? new RelayedCalls(keys.relay, singles, LIMITS.valueBytesMax) : singles;
    this.#batches = isRelayed ? new RelayedBatches(keys.relay, batches, LIMITS) : batches;
  }

  /** The answer in hexadecimal digits, or the code and text of the error; undefined: left to the general way. */
  async ask(method: RelayMethod, request: Uint8Array): Promise<string | undefined> {
    let isOver = false;
    const answering = this.#ask(method, request)
      .then((answer) => answer && Buffer.from(answer.subarray(HEADROOM)).toString('hex'))
      .catch((error: WalnutError) => `${error.code}: ${error.message}`)
      .finally(() => {
        isOver = true;
      });
    await this.clock.advanceUntil(() => isOver, 60_000);
    return answering;
  }

  /** What the nodes were asked to do, what they have, and what became of the operations of Batches. */
  get seen(): unknown {
    const counts = Array.from(this.counts, ({ kind, code, count }) => `${kind} ${code} ${count}`).sort();
    const nodes = [...this.nodes.values()].map(({ calls, entries }) => ({ calls, entries: [...entries] }));
    return { nodes, counts };
  }

  async #ask(method: RelayMethod, request: Uint8Array): Promise<Buffer | undefined> {
    return method === 'batch'
      ? await settled(this.#batches.batch(request, this.#caller, HEADROOM))
      : await settled(this.#singles[method](request, CALLER, HEADROOM));
  }

  get #caller(): Caller {
    if (this.leftMs === undefined) return CALLER;
    return { ...CALLER, hasDeadline: true, timeoutMs: () => this.leftMs };
  }

  #links(): ConstructorParameters<typeof Groups>[0]['links'] {
    const real = new ConnectNodeLinks({ clock: this.clock });
    return {
      linkTo: (address) => this.#linkTo(address.slice(0, address.indexOf('-'))),
      judge: (error) => real.judge(error),
      toError: (error, told) => real.toError(error, told),
      retain: () => undefined,
    };
  }

  async #noAnswer({ timeoutMs, signal }: Limits = { timeoutMs: 0, signal: undefined }): Promise<never> {
    await this.clock.sleep(timeoutMs, signal);
    throw new ConnectError('no answer', signal?.aborted === true ? Code.Canceled : Code.DeadlineExceeded);
  }

  #linkTo(group: string): NodeKeys {
    const node = this.nodes.get(group) as FakeNode;
    const send = async (
      way: string,
      method: RelayMethod,
      request: Uint8Array,
      limits?: Limits,
    ): Promise<Uint8Array> => {
      this.ways.push(`${group} ${method} as ${way}`);
      try {
        this.onAttempt(group, method);
        if (this.hung.has(group)) await this.#noAnswer(limits);
        const answer =
          method === 'batch'
            ? await batchAtNode(node, request, (one) => this.alter(one))
            : await SINGLES[method].atNode(node, request);
        this.onAnswer(group, method);
        return withGroups(method, answer, (i) => this.namedBy(group, i));
      } catch (error) {
        throw error instanceof WalnutError ? fromError(error) : error;
      }
    };
    const one = (method: keyof typeof SINGLES) => async (command: never) => {
      const { schema, toMessage, toAnswer } = SINGLES[method] as Single;
      const request = toBinary(schema, create(schema, toMessage(command) as Record<string, unknown>));
      return toAnswer(await send('command', method, request), command) as never;
    };
    const batch = async (operations: readonly BatchOperation[], limits: Limits) => {
      const request = toBinary(BatchRequestSchema, create(BatchRequestSchema, fromBatch(operations)));
      const answer = await send('command', 'batch', request, limits);
      return toBatchResults(operations, fromBinary(BatchResponseSchema, answer));
    };
    const namedBatch: NodeKeys['namedBatch'] = async (writes, id, limits) => {
      const request = toBinary(BatchRequestSchema, create(BatchRequestSchema, fromNamedBatch(writes, id)));
      const answer = await send('command', 'batch', request, limits);
      return toBatchResults(writes, fromBinary(BatchResponseSchema, answer));
    };
    const none = async (): Promise<never> => {
      throw fromError(new WalnutError('discarded_history', 'not part of this double'));
    };
    const singles = { get: one('get'), set: one('set'), delete: one('delete') };
    const others = { increment: one('increment'), touch: one('touch') };
    const rest = { atomicBatch: none, scan: none, deletePrefix: none, explain: none, awaitDurable: none };
    const pass: NodeKeys['pass'] = async (method, request, limits, read) => {
      // It is lent: what is kept of it without a copy is wrong afterwards.
      const answer = Buffer.from(await send('bytes', method, Uint8Array.from(request), limits));
      try {
        return read(answer);
      } finally {
        answer.fill(0xff);
      }
    };
    return { ...singles, ...others, ...rest, pass, batch, namedBatch, watch: () => expectNone() };
  }
}

function expectNone(): never {
  throw new Error('not part of this double');
}
