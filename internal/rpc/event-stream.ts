/**
 * Server-sent events: messages as they come, until the caller goes away. The last event has the
 * type `end` and says in JSON why there are no more.
 */
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import { type HttpRequest, type HttpResponse, isOver, sendProblem } from '#rpc/http-io.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { SendStream } from '#rpc/stream-answer.ts';
import { untilRetired } from '#rpc/until-retired.ts';

export const EVENT_STREAM = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

export interface EventSource<Message> {
  readonly errors: ErrorMapper;
  readonly sendStream: SendStream;
  /** What is told, until the signal aborts. May throw, or reject with, why it is refused. */
  readonly open: (signal: AbortSignal) => AsyncIterable<Message>;
  /** The event of a message, in pieces. */
  readonly toEvent: (message: Message) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** What the last event says of an error besides its code and message. */
  readonly endOf?: (error: unknown) => object;
  /** Asked after each event: what the last event says if no more may follow. */
  readonly whyOver?: () => object | undefined;
}

/** A refusal that comes before the first message is answered with the status of its error. */
export async function sendEvents<Message>(
  source: EventSource<Message>,
  request: HttpRequest,
  response: HttpResponse,
  call: Pick<RpcCall, 'principal' | 'onEnd'>,
): Promise<void> {
  const { errors, sendStream, open } = source;
  const { retired } = call.principal;
  const aborter = new AbortController();
  response.once('close', () => aborter.abort());
  try {
    const opened = open(aborter.signal);
    const told = retired === undefined ? opened : untilRetired(opened, retired);
    const messages = told[Symbol.asyncIterator]();
    const first = await messages.next();
    const body = toEvents(source, first, messages);
    await sendStream({ status: 200, header: new Headers(EVENT_STREAM), body }, response);
  } catch (error) {
    if (isOver(response)) return;
    const problem = errors.toHttpError(error);
    call.onEnd?.(problem.code);
    sendProblem(request, response, problem.httpStatus, problem, problem.headers);
  }
}

async function* toEvents<Message>(
  { errors, toEvent, endOf, whyOver }: EventSource<Message>,
  first: IteratorResult<Message, unknown>,
  messages: AsyncIterator<Message>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await messages.next()) {
      yield* toEvent(next.value);
      const why = whyOver?.();
      if (why !== undefined) return yield lastEvent(why);
    }
  } catch (error) {
    const { code, message } = errors.toHttpError(error);
    yield lastEvent({ code, message, ...endOf?.(error) });
  } finally {
    await messages.return?.();
  }
}

function lastEvent(why: object): Uint8Array {
  return Buffer.from(`event: end\ndata: ${JSON.stringify(why)}\n\n`);
}
