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
import type { CallsUnderWay } from '#peer/calls-under-way.ts';
import { toPeerError } from '#peer/peer-errors.ts';
import type { CallOptions } from '#replication/peer-link.ts';

export interface UnaryClientOptions {
  readonly calls: CallsUnderWay;
  readonly endpoint: Endpoint;
  readonly agent: Agent;
  /** The largest answer. */
  readonly bytesMax: number;
}

// biome-ignore lint/suspicious/noExplicitAny: any unary method; its shapes are inferred where it is called.
export type AnyUnary = DescMethodUnary<any, any>;

export class UnaryClient {
  readonly #options: UnaryClientOptions;

  constructor(options: UnaryClientOptions) {
    this.#options = options;
  }

  /** Rejects with `WalnutError`, at the latest after the time limit. */
  call<M extends AnyUnary>(
    method: M,
    message: MessageShape<M['input']>,
    options: CallOptions,
  ): Promise<MessageShape<M['output']>> {
    const { calls, endpoint, agent, bytesMax } = this.#options;
    return new Promise((resolve, reject) => {
      const refusal = calls.refusal(options);
      if (refusal !== undefined) return reject(refusal);
      // An error here must not leave a request behind.
      const body = toBinary(method.input, message);
      const outgoing = openUnaryRequest(endpoint, agent, method);
      const call = calls.begin(options, (error) => {
        outgoing.destroy();
        reject(error);
      });
      const fail = (error: unknown): void => call.end(toPeerError(error, endpoint.text));
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) =>
        readAnswer(incoming, bytesMax, fail, (bytes) => {
          try {
            const answer = readMessage(method, incoming, bytes);
            if (!call.finish()) return;
            // Answered before it was all sent: the peer may never read the rest.
            if (!outgoing.writableFinished) outgoing.destroy();
            resolve(answer);
          } catch (error) {
            fail(error);
          }
        }),
      );
      outgoing.end(body);
    });
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
