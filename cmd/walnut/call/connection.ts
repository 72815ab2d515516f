/**
 * Clients of one node, for single commands. Unary calls use the lean client. The stock
 * transport is loaded for streams only, because loading it takes longer than a whole
 * command.
 */
import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { LEADER_HINT_HEADER, NEW_NODE_HINT_HEADER, RETRY_AFTER_HEADER } from '#wire/error-codes.ts';
import { CallError, InterruptedCallError, systemCodeOf } from './call-error.ts';
import { LeanClient } from './lean-client.ts';

export interface CallOptions {
  /** How long the node may be silent. */
  readonly timeoutMs: number;
  /**
   * Gives the call up: it then rejects with `InterruptedCallError`, and its connection closes,
   * which tells the node that nobody waits. Commands pass what aborts at Ctrl-C.
   */
  readonly signal: AbortSignal | undefined;
}

export interface StreamOptions {
  /** The time limit of the whole stream; undefined: none. */
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
  /** The size limit of one message, in bytes. */
  readonly answerBytesMax?: number;
}

type UnaryCall<Method extends DescMethodUnary> = (
  request: MessageInitShape<Method['input']>,
  options: CallOptions,
) => Promise<MessageShape<Method['output']>>;

/** The unary rpcs of a service as functions that reject with `CallError`. */
export type UnaryClient<Service extends DescService> = {
  readonly [Name in keyof Service['method'] as Service['method'][Name] extends DescMethodUnary
    ? Name
    : never]: Service['method'][Name] extends DescMethodUnary ? UnaryCall<Service['method'][Name]> : never;
};

export interface NodeClients {
  readonly kv: UnaryClient<typeof KVStore>;
  readonly admin: UnaryClient<typeof Admin>;
}

/** The part of `CliIo` that ends calls. */
export interface Interruptible {
  readonly interrupted: AbortSignal;
}

/** A call that ends at once when its command is interrupted. */
type CommandCall = CallOptions & { readonly signal: AbortSignal };

export function callWithin(timeoutMs: number, { interrupted }: Interruptible): CommandCall {
  return { timeoutMs, signal: interrupted };
}
export function shortCall(io: Interruptible): CommandCall {
  return callWithin(30_000, io);
}
/** For writes and reads, which may wait up to 60 s on the node. */
export function waitingCall(io: Interruptible): CommandCall {
  return callWithin(90_000, io);
}
/** For work whose duration grows with the data. */
export function longCall(io: Interruptible): CommandCall {
  return callWithin(3_600_000, io);
}
/** The largest message of a stream: streams only report progress. */
const ANSWER_BYTES_MAX = 4_194_304;

/** Two calls for one endpoint give the same clients, and so one pool of connections. */
export function createNodeClients(address: Endpoint): NodeClients {
  const before = CLIENTS.get(address);
  if (before !== undefined) return before;
  const connections = new Connections(address);
  const clients = {
    kv: createUnaryClient(KVStore, connections),
    admin: createUnaryClient(Admin, connections),
  };
  CLIENTS.set(address, clients);
  return clients;
}

const CLIENTS = new WeakMap<Endpoint, NodeClients>();

export function createUnaryClient<Service extends DescService>(
  service: Service,
  connections: Connections,
): UnaryClient<Service> {
  const calls: Record<string, UnaryCall<DescMethodUnary>> = {};
  for (const method of service.methods) {
    if (!isUnary(method)) continue;
    calls[method.localName] = (request, options) =>
      connections.call(method, create(method.input, request), options);
  }
  return calls as UnaryClient<Service>;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

/** A pool of connections to one node. It has as many connections as there are calls at once. */
export class Connections {
  readonly #address: Endpoint;
  readonly #resting: LeanClient[] = [];

  constructor(address: Endpoint) {
    this.#address = address;
  }

  async call<Method extends DescMethodUnary>(
    method: Method,
    request: MessageShape<Method['input']>,
    { timeoutMs, signal }: CallOptions,
  ): Promise<MessageShape<Method['output']>> {
    const { text } = this.#address;
    if (signal?.aborted === true) throw new InterruptedCallError(method, text, false, request);
    const client = this.#resting.pop() ?? new LeanClient(this.#address);
    let interruption: InterruptedCallError | undefined;
    const giveUp = (): void => {
      interruption = new InterruptedCallError(method, text, client.isConnected, request);
      client.close();
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      return await client.call(method, request, timeoutMs);
    } catch (error) {
      throw interruption ?? error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
      client.rest();
      this.#resting.push(client);
    }
  }
}

/** The answers of a stream; throws `CallError`. */
export async function* callStream<Method extends DescMethodStreaming>(
  address: Endpoint,
  method: Method,
  request: MessageInitShape<Method['input']>,
  options: StreamOptions,
): AsyncGenerator<MessageShape<Method['output']>> {
  try {
    yield* openStream(address, method, request, options);
  } catch (error) {
    throw await toCallError(error);
  }
}

/** Like `callStream`, for callers that inspect Connect's errors: errors are thrown unchanged. */
export async function* openStream<Method extends DescMethodStreaming>(
  address: Endpoint,
  method: Method,
  request: MessageInitShape<Method['input']>,
  { timeoutMs, signal, answerBytesMax = ANSWER_BYTES_MAX }: StreamOptions,
): AsyncGenerator<MessageShape<Method['output']>> {
  const { createHttp1Transport } = await import('#dial/transport.ts');
  const { transport, close } = createHttp1Transport(address, answerBytesMax);
  try {
    const input = (async function* () {
      yield request;
    })();
    const { message } = await transport.stream(method, signal, timeoutMs, undefined, input);
    yield* message as AsyncIterable<MessageShape<Method['output']>>;
  } finally {
    close();
  }
}

/** Converts Connect's error of a stream to that of a call. Other errors stay as they are. */
export async function toCallError(error: unknown): Promise<unknown> {
  const [{ ConnectError }, { codeName }, { tlsFailure }] = await Promise.all([
    import('@connectrpc/connect'),
    import('#wire/error-reader.ts'),
    import('#dial/why-lost.ts'),
  ]);
  if (!(error instanceof ConnectError)) return error;
  const system = systemCodeOf(error);
  if (system !== undefined) return new CallError('lost', system, undefined, error);
  const failure = tlsFailure(error.cause);
  if (failure !== undefined) return new CallError('lost', failure, undefined, error.cause);
  const hints = {
    leaderHint: error.metadata.get(LEADER_HINT_HEADER) ?? undefined,
    ownerHint: error.metadata.get(NEW_NODE_HINT_HEADER) ?? undefined,
    retryAfter: error.metadata.get(RETRY_AFTER_HEADER) ?? undefined,
  };
  return new CallError(codeName(error.code), error.rawMessage, hints, error);
}
