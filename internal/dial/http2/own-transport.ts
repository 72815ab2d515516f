/**
 * A Connect transport over our own HTTP/2: unary calls straight from the message to the
 * wire and back, streams through Connect's own client. Unary calls have a connection of
 * their own, since a stream whose reader is slow takes the window of its connection.
 * Errors are `ConnectError`s, with the codes that connect-node gives.
 */
import { create, type DescMessage, type DescMethodUnary, toBinary } from '@bufbuild/protobuf';
import {
  type CallOptions,
  Code,
  ConnectError,
  type Transport,
  type UnaryResponse,
} from '@connectrpc/connect';
import type { UniversalClientRequest, UniversalClientResponse } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { ANSWER_BYTES_MAX, type ClosableTransport, REQUEST_BYTES_MAX } from '#dial/closable-transport.ts';
import { baseUrlOf, type Endpoint } from '#dial/endpoint.ts';
import { AnswerStream } from '#dial/http2/answer-stream.ts';
import {
  callError,
  callerFields,
  clusterFields,
  pseudoFields,
  unaryFields,
} from '#dial/http2/connect-call.ts';
import { Http2Client } from '#dial/http2/http2-client.ts';
import { type AnyUnary, headersOf, messageIn, readAnswer } from '#dial/http2/unary-answer.ts';
import { type AnswerHead, UnaryCall } from '#dial/http2/unary-call.ts';
import type { OpenHttp2 } from '#dial/open-socket.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';
import { WalnutError } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';

export interface OwnTransport extends ClosableTransport {
  /**
   * Sends the bytes of a message and resolves with what `read` makes of those of the answer, which are
   * valid until it returns. Rejects with `ConnectError`, and with a `WalnutError` that `read` throws.
   */
  pass<T>(
    method: AnyUnary,
    message: Uint8Array,
    options: CallOptions,
    read: (answer: Uint8Array) => T,
  ): Promise<T>;
}

export function createOwnTransport(endpoint: Endpoint, clock: Clock, open?: OpenHttp2): OwnTransport {
  const [unary, streams] = [new Http2Client(endpoint, clock, open), new Http2Client(endpoint, clock, open)];
  const general = createTransport({
    httpClient: (request) => ask(streams, request),
    baseUrl: baseUrlOf(endpoint),
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: ANSWER_BYTES_MAX,
    writeMaxBytes: REQUEST_BYTES_MAX,
  });
  const transport: Transport = {
    unary: async (method, signal, timeoutMs, header, input) => {
      const message = '$typeName' in input ? input : create(method.input, input);
      const body = toBinary(method.input, message as never);
      const fields = fieldsOf(endpoint, method, body.length, timeoutMs, header);
      const read = (head: AnswerHead, bytes: Uint8Array): never =>
        new OwnResponse(method, head, readAnswer(method as AnyUnary, head, bytes)) as never;
      return callOnce(unary, fields, body, new Limits(clock, signal, timeoutMs), { read, mayBorrow: false });
    },
    stream: (...given) => general.stream(...given),
  };
  return {
    transport,
    pass: async (method, message, { timeoutMs, signal, headers }, read) => {
      const fields = fieldsOf(endpoint, method, message.length, timeoutMs, headers);
      return callOnce(unary, fields, message, new Limits(clock, signal, timeoutMs), {
        read: (head, bytes) => read(messageIn(head, bytes)),
        mayBorrow: true,
      });
    },
    close: () => {
      unary.close();
      streams.close();
    },
  };
}

interface Reading<T> {
  read(head: AnswerHead, bytes: Uint8Array): T;
  /** True: the bytes are valid until `read` returns. Else they are its own. */
  readonly mayBorrow: boolean;
}

/** Resolves with what `read` makes of the answer. */
function callOnce<T>(
  client: Http2Client,
  fields: FieldList,
  body: Uint8Array,
  limits: Limits,
  { read, mayBorrow }: Reading<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      limits.end();
      reject(error instanceof WalnutError ? error : ConnectError.from(error, Code.Internal));
    };
    if (limits.isGivenUp) return fail(givenUp());
    const call = new UnaryCall(client, fields, body, ANSWER_BYTES_MAX, {
      mayBorrow,
      onFailure: (failure) => fail(callError(failure)),
      onAnswer: (head, bytes) => {
        try {
          resolve(read(head, bytes));
          limits.end();
        } catch (error) {
          fail(error);
        }
      },
    });
    limits.begin((error, isLate) => {
      call.cancel(isLate);
      fail(error);
    });
  });
}

/** Headers are made when they are asked for. */
class OwnResponse implements UnaryResponse {
  readonly stream = false;
  readonly method: DescMethodUnary<DescMessage, DescMessage>;
  readonly message: UnaryResponse['message'];
  readonly #head: AnswerHead;

  constructor(method: AnyUnary, head: AnswerHead, message: UnaryResponse['message']) {
    this.method = method;
    this.message = message;
    this.#head = head;
  }

  get service(): UnaryResponse['service'] {
    return this.method.parent;
  }

  get header(): Headers {
    const { fields } = this.#head;
    return headersOf({ fields: fields.filter(({ name }) => !name.startsWith(TRAILER)) });
  }

  get trailer(): Headers {
    const trailers = new Headers();
    for (const { name, value } of this.#head.fields)
      if (name.startsWith(TRAILER)) trailers.append(name.slice(TRAILER.length), value);
    return trailers;
  }
}

const TRAILER = 'trailer-';

/** What may end a call before its answer. */
class Limits {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number | undefined;
  #timer: Timer | undefined;
  #onEnd: ((error: ConnectError, isLate: boolean) => void) | undefined;
  #isOver = false;

  constructor(clock: Clock, signal: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#clock = clock;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
  }

  get isGivenUp(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Nothing once the call is over. */
  begin(onEnd: (error: ConnectError, isLate: boolean) => void): void {
    if (this.#isOver) return;
    this.#onEnd = onEnd;
    this.#signal?.addEventListener('abort', this, { once: true });
    if (this.#timeoutMs === undefined || this.#timeoutMs <= 0) return;
    const late = (): void => onEnd(new ConnectError('the operation timed out', Code.DeadlineExceeded), true);
    this.#timer = this.#clock.after(this.#timeoutMs, late);
  }

  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#signal?.removeEventListener('abort', this);
  }

  handleEvent(): void {
    this.#onEnd?.(givenUp(), false);
  }
}

function givenUp(): ConnectError {
  return new ConnectError('the call was given up', Code.Canceled);
}

function fieldsOf(
  endpoint: Endpoint,
  method: DescMethodUnary,
  bodyBytes: number,
  timeoutMs: number | undefined,
  header: ConstructorParameters<typeof Headers>[0],
): FieldList {
  const fields = unaryFields(endpoint, method, bodyBytes, timeoutMs);
  if (header === undefined) return fields;
  return [...fields, ...callerFields(endpoint, new Headers(header))];
}

/** One request of Connect's client: its body whole, its answer in pieces. */
async function ask(client: Http2Client, request: UniversalClientRequest): Promise<UniversalClientResponse> {
  const { url, header, signal } = request;
  const body = await wholeOf(request);
  const { endpoint } = client;
  const fields = [...pseudoFields(endpoint, new URL(url).pathname), ...callerFields(endpoint, header)];
  const credential = endpoint.authorization?.();
  if (credential !== undefined) fields.push('authorization', credential);
  const cluster = endpoint.cluster?.();
  if (cluster !== undefined) fields.push(...clusterFields(cluster));
  signal?.throwIfAborted();
  const answer = new AnswerStream(client, fields, body);
  signal?.addEventListener('abort', () => answer.cancel(signal.reason), { once: true });
  const head = await answer.head;
  return { status: head.status, header: headersOf(head), body: answer, trailer: answer.trailer };
}

/** Walnut has no rpc that takes a stream, so a request is one message. */
async function wholeOf({ body }: UniversalClientRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > REQUEST_BYTES_MAX)
      throw new ConnectError(
        `a request of more than ${REQUEST_BYTES_MAX} bytes: expected fewer`,
        Code.ResourceExhausted,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
