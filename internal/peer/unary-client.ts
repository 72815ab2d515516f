/**
 * Unary calls to one peer in the Connect protocol (POST, protobuf, no
 * compression), straight on node:http: a push is made a hundred times a second
 * for each replica, and the general client takes twice the time for it.
 */
import type { Agent, IncomingMessage } from 'node:http';
import { type DescMethodUnary, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { codeFromHttpStatus, errorFromJsonBytes } from '@connectrpc/connect/protocol-connect';
import { type Endpoint, openUnaryRequest, UNARY_HEADERS } from '#dial/endpoint.ts';
import type { WalnutError } from '#model/errors.ts';
import { cancelledError, closedError, lateError, toPeerError } from '#peer/peer-errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { CallOptions } from '#replication/peer-link.ts';

export interface UnaryClientOptions {
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  readonly agent: Agent;
  /** Of an answer. */
  readonly bytesMax: number;
}

// biome-ignore lint/suspicious/noExplicitAny: any unary method; its shapes are inferred where it is called.
export type AnyUnary = DescMethodUnary<any, any>;
type EndCall = (error: WalnutError) => void;

export class UnaryClient {
  readonly #options: UnaryClientOptions;
  readonly #underWay = new Set<EndCall>();
  #isClosed = false;

  constructor(options: UnaryClientOptions) {
    this.#options = options;
  }

  /** Rejects with `WalnutError`, at the latest after the time limit. */
  call<M extends AnyUnary>(
    method: M,
    message: MessageShape<M['input']>,
    { timeoutMs, signal }: CallOptions,
  ): Promise<MessageShape<M['output']>> {
    const { clock, endpoint, agent } = this.#options;
    const { text: address } = endpoint;
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closedError(address));
      if (signal?.aborted === true) return reject(cancelledError(address));
      // What throws here must not leave a request behind.
      const body = toBinary(method.input, message);
      const outgoing = openUnaryRequest(endpoint, agent, method);
      const settle = (finish: () => void): void => {
        if (!this.#underWay.delete(end)) return;
        timer.cancel();
        signal?.removeEventListener('abort', onCancel);
        finish();
      };
      const end: EndCall = (error) =>
        settle(() => {
          outgoing.destroy();
          reject(error);
        });
      const fail = (error: unknown): void => end(toPeerError(error, address));
      const onCancel = (): void => end(cancelledError(address));
      const timer = clock.after(timeoutMs, () => end(lateError(address, timeoutMs)));
      this.#underWay.add(end);
      signal?.addEventListener('abort', onCancel, { once: true });
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) =>
        readAnswer(incoming, this.#options.bytesMax, fail, (bytes) => {
          try {
            const answer = readMessage(method, incoming, bytes);
            settle(() => {
              // Answered before it was all sent: the peer may never read the rest.
              if (!outgoing.writableFinished) outgoing.destroy();
              resolve(answer);
            });
          } catch (error) {
            fail(error);
          }
        }),
      );
      outgoing.end(body);
    });
  }

  /** Calls under way reject. */
  close(): void {
    this.#isClosed = true;
    for (const end of [...this.#underWay]) end(closedError(this.#options.endpoint.text));
  }
}

function readAnswer(
  incoming: IncomingMessage,
  bytesMax: number,
  fail: (error: unknown) => void,
  onBody: (body: Buffer) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) fail(new ConnectError(`the answer is over ${bytesMax} bytes`, Code.Internal));
    else chunks.push(chunk);
  });
  incoming.on('error', fail);
  incoming.on('close', () => {
    if (!incoming.complete) fail(new ConnectError('the answer was cut off', Code.Unavailable));
  });
  incoming.on('end', () => onBody(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
}

/** Throws `ConnectError` where the peer refused, and whatever decoding throws. */
function readMessage<M extends AnyUnary>(
  method: M,
  incoming: IncomingMessage,
  body: Buffer,
): MessageShape<M['output']> {
  const { statusCode = 0, headers } = incoming;
  const contentType = headers['content-type'] ?? '';
  if (statusCode === 200 && contentType === UNARY_HEADERS['content-type'])
    return fromBinary(method.output, body) as MessageShape<M['output']>;
  const code = statusCode === 200 ? Code.Internal : codeFromHttpStatus(statusCode);
  const said = `HTTP ${statusCode}${contentType === '' ? '' : ` with ${contentType}`}: is it a Walnut node?`;
  const unknown = new ConnectError(said, code);
  if (!contentType.startsWith('application/json')) throw unknown;
  const metadata = new Headers();
  for (const [name, value] of Object.entries(headers))
    if (typeof value === 'string') metadata.append(name, value);
  throw errorFromJsonBytes(body, metadata, unknown);
}
