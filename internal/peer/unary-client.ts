/**
 * Unary calls to one peer in the Connect protocol (POST, protobuf, no compression), by
 * our own HTTP/2: a push is made a hundred times a second for each replica, and the
 * general client takes several times as long for it. Calls of many bytes, and those whose
 * answers may be, have a connection of their own: claims and heartbeats never stand
 * behind them.
 */
import { type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { callError, unaryFields } from '#dial/http2/connect-call.ts';
import type { Http2Client } from '#dial/http2/http2-client.ts';
import { type AnyUnary, readAnswer } from '#dial/http2/unary-answer.ts';
import { UnaryCall } from '#dial/http2/unary-call.ts';
import type { BoundCall, CallsUnderWay } from '#peer/calls-under-way.ts';
import { toPeerError } from '#peer/peer-errors.ts';
import type { CallOptions } from '#replication/peer-link.ts';

export interface UnaryClientOptions {
  readonly calls: CallsUnderWay;
  readonly endpoint: Endpoint;
  /** For what is short, both ways. */
  readonly short: Http2Client;
  /** For everything else. */
  readonly bulk: Http2Client;
  /** The largest answer. */
  readonly bytesMax: number;
}

/** A request of more bytes is none of the short ones. */
const SHORT_BYTES_MAX = 16_384;

export class UnaryClient {
  readonly #options: UnaryClientOptions;

  constructor(options: UnaryClientOptions) {
    this.#options = options;
  }

  /** Rejects with `WalnutError`, at the latest after the time limit. `isBulk`: its answer may be large. */
  call<M extends AnyUnary>(
    method: M,
    message: MessageShape<M['input']>,
    options: CallOptions,
    isBulk: boolean,
  ): Promise<MessageShape<M['output']>> {
    const { calls, endpoint, short, bulk, bytesMax } = this.#options;
    return new Promise((resolve, reject) => {
      const refusal = calls.refusal(options);
      if (refusal !== undefined) return reject(refusal);
      // An error here must not leave a call behind.
      const body = toBinary(method.input, message);
      const client = isBulk || body.length > SHORT_BYTES_MAX ? bulk : short;
      const fields = unaryFields(endpoint, method, body.length);
      let outgoing: UnaryCall | undefined;
      const call: BoundCall = calls.begin(options, (error) => {
        outgoing?.cancel(error.code === 'unavailable');
        reject(error);
      });
      const fail = (error: unknown): void => call.end(toPeerError(error, endpoint.text));
      outgoing = new UnaryCall(client, fields, body, bytesMax, {
        onFailure: (failure) => fail(callError(failure)),
        onAnswer: (head, bytes) => {
          try {
            const answer = readAnswer(method, head, bytes);
            if (call.finish()) resolve(answer);
          } catch (error) {
            fail(error);
          }
        },
      });
    });
  }
}
