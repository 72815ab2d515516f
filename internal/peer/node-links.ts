/**
 * The keys of the nodes of a cluster over Connect: one transport for each address, kept until
 * `retain` no longer names it, and what errors of calls mean. The production `NodeLinks`.
 */
import { type CallOptions, type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import type { Endpoint } from '#dial/endpoint.ts';
import { failureOf } from '#dial/http2/call-failure.ts';
import { createOwnTransport, type OwnTransport } from '#dial/http2/own-transport.ts';
import { openDirectHttp2 } from '#dial/open-socket.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { type ErrorCode, OUTCOME_UNKNOWN, WalnutError } from '#model/errors.ts';
import { LinksByAddress } from '#peer/links-by-address.ts';
import { notAnAddress, type PeerWay, peerEndpoint } from '#peer/peer-endpoint.ts';
import type { Clock } from '#platform/clock.ts';
import type { Failure, Told } from '#routing/failure.ts';
import { judgeAttempt } from '#routing/judge.ts';
import type { CallLimits, NodeKeys, NodeLinks } from '#routing/node-keys.ts';
import {
  fromAtomicBatch,
  fromBatch,
  fromNamedBatch,
  toAtomicAnswer,
  toBatchResults,
} from '#wire/batch-request-codec.ts';
import { ON_BEHALF_OF_HEADER } from '#wire/call-headers.ts';
import { toError } from '#wire/error-reader.ts';
import {
  fromAwaitDurableCommand,
  fromDeleteCommand,
  fromGetCommand,
  fromIncrementCommand,
  fromSetCommand,
  fromTouchCommand,
  toDeleteAnswer,
  toDurableAnswer,
  toGetAnswer,
  toIncrementAnswer,
  toSetAnswer,
  toTouchAnswer,
} from '#wire/kv-request-codec.ts';
import {
  fromDeletePrefixCommand,
  fromExplainCommand,
  fromScanCommand,
  fromWatchCommand,
  toDeletePrefixAnswer,
  toExplainAnswer,
  toScanAnswer,
  toWatchMessage,
} from '#wire/watch-request-codec.ts';

export interface NodeLinksOptions extends PeerWay {
  readonly clock: Clock;
  /** The cluster that calls are for: a node of another one refuses them, and one with an older map asks for a newer one. */
  readonly cluster?: Endpoint['cluster'];
}

interface Link {
  readonly keys: NodeKeys;
  close(): void;
}

/** Call `close` when no call is to be made any more. */
export class ConnectNodeLinks implements NodeLinks {
  readonly #options: NodeLinksOptions;
  readonly #links = new LinksByAddress<Link>((address) => this.#dial(address));

  constructor(options: NodeLinksOptions) {
    this.#options = options;
  }

  linkTo(address: string): NodeKeys {
    return this.#links.to(address).keys;
  }

  retain(addresses: ReadonlySet<string>): void {
    this.#links.retain(addresses);
  }

  close(): void {
    this.#links.close();
  }

  judge(thrown: unknown): Failure {
    // Thrown by our own codec: the answer came and was not understood, and a repeat brings it again.
    if (thrown instanceof WalnutError) return { outcome: 'unknown', remedy: 'none' };
    const error = ConnectError.from(thrown);
    const failure = failureOf(error);
    return judgeAttempt(toError(error), {
      isUnbegun: failure?.isUnsent === true || error.code === Code.Unimplemented,
      isLost: failure !== undefined,
      isLate: error.code === Code.DeadlineExceeded,
    });
  }

  /** The caller called this process: where a group could not be reached, that is said, and not where to go instead. */
  toError(thrown: unknown, { outcome, address, attempts }: Told): WalnutError {
    const error = thrown instanceof WalnutError ? ownError(thrown) : toError(ConnectError.from(thrown));
    const { leaderHint: _, cause: __, ...details } = error.details;
    const nothingDone = outcome === 'not_done' ? (true as const) : undefined;
    const where = address === '' ? '' : `${address}: `;
    const after = attempts > 1 ? ` (after ${attempts} attempts)` : '';
    const told = outcome === 'unknown' && isUnclear(error.code) ? OUTCOME_UNKNOWN : '';
    const message = `${where}${error.message}${after}${told}`;
    return new WalnutError(toldCode(error, thrown), message, { ...details, nothingDone });
  }

  #dial(address: string): Link {
    const { clock, cluster } = this.#options;
    const endpoint = peerEndpoint(address, this.#options);
    if (endpoint === undefined) throw new ConnectError(notAnAddress(address), Code.Unavailable);
    const transport = createOwnTransport({ ...endpoint, cluster }, clock, openDirectHttp2);
    const keys = createKeys(createClient(KVStore, transport.transport), transport);
    return { keys, close: () => transport.close() };
  }
}

function createKeys(store: Client<typeof KVStore>, bytes: Pick<OwnTransport, 'pass'>): NodeKeys {
  return {
    pass: (method, message, limits, read) =>
      bytes.pass(KVStore.method[method], message, within(limits), read),
    get: async (command, limits) =>
      toGetAnswer(await store.get(fromGetCommand(command), within(limits)), command.key),
    set: async (command, limits) => toSetAnswer(await store.set(fromSetCommand(command), within(limits))),
    delete: async (command, limits) =>
      toDeleteAnswer(await store.delete(fromDeleteCommand(command), within(limits))),
    increment: async (command, limits) =>
      toIncrementAnswer(await store.increment(fromIncrementCommand(command), within(limits))),
    touch: async (command, limits) =>
      toTouchAnswer(await store.touch(fromTouchCommand(command), within(limits))),
    batch: async (operations, limits) =>
      toBatchResults(operations, await store.batch(fromBatch(operations), within(limits))),
    namedBatch: async (writes, id, limits) =>
      toBatchResults(writes, await store.batch(fromNamedBatch(writes, id), within(limits))),
    atomicBatch: async (command, limits) =>
      toAtomicAnswer(command, await store.batch(fromAtomicBatch(command), within(limits))),
    scan: async (command, limits) =>
      toScanAnswer(await store.scan(fromScanCommand(command), within(limits)), command),
    deletePrefix: async (command, limits) =>
      toDeletePrefixAnswer(await store.deletePrefix(fromDeletePrefixCommand(command), within(limits))),
    explain: async (command, limits) =>
      toExplainAnswer(await store.explain(fromExplainCommand(command), within(limits))),
    awaitDurable: async (command, limits) =>
      toDurableAnswer(await store.awaitDurable(fromAwaitDurableCommand(command), within(limits))),
    watch: async function* (command, signal, user) {
      for await (const message of store.watch(fromWatchCommand(command), { signal, ...onBehalfOf(user) }))
        yield toWatchMessage(message);
    },
  };
}

function within({ timeoutMs, signal, user }: CallLimits): CallOptions {
  return { timeoutMs, ...(signal === undefined ? {} : { signal }), ...onBehalfOf(user) };
}

/** What a node believes of a gateway only. */
function onBehalfOf(user: string | undefined): CallOptions {
  return user === undefined ? {} : { headers: { [ON_BEHALF_OF_HEADER]: user } };
}

/** No code that would send the caller of this process to a node, or tell that the caller itself gave up. */
function toldCode({ code }: WalnutError, thrown: unknown): ErrorCode {
  if (code === 'not_master') return 'unavailable';
  const isLate = thrown instanceof ConnectError && thrown.code === Code.DeadlineExceeded;
  const isLost = thrown instanceof ConnectError && failureOf(thrown) !== undefined;
  return isLate || isLost ? 'unavailable' : code;
}

/** Routing itself refused the call or stopped waiting; or our codec did not understand the answer. */
function ownError(thrown: WalnutError): WalnutError {
  if (thrown.code !== 'invalid_argument') return thrown;
  return new WalnutError('internal', `answered with invalid data: ${thrown.message}`);
}

/** After one of these the request may have been carried out. */
function isUnclear(code: ErrorCode): boolean {
  return code === 'unavailable' || code === 'internal' || code === 'cancelled' || code === 'aborted';
}
