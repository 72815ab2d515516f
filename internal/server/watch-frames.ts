/**
 * A streamed Watch in the binary format: its first message and its end go through Connect,
 * what is between them goes as frames straight to the connection. JSON goes through
 * Connect as a whole.
 */
import type { WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { WatchMessage, WatchOutlet } from '#model/watch.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import { toWatchFrame } from '#wire/watch-bytes.ts';
import { fromWatchMessage } from '#wire/watch-codec.ts';

export class FrameOutlet implements WatchOutlet {
  readonly #call: RpcCall;

  constructor(call: RpcCall) {
    this.#call = call;
  }

  get isOpen(): boolean {
    return this.#call.frames !== undefined;
  }

  send(message: WatchMessage, onReady: () => void): boolean {
    return this.#call.frames?.send(toWatchFrame(message), onReady) === true;
  }
}

/** The messages that must go through Connect. `outlet`: undefined if all of them must. */
export async function* watchMessages(
  messages: AsyncIterable<WatchMessage>,
  outlet: WatchOutlet | undefined,
  signal: AbortSignal,
): AsyncIterable<WatchResponse> {
  for await (const message of messages) {
    if (outlet?.isOpen !== true) yield fromWatchMessage(message);
    else await untilSent(outlet, message, signal);
  }
}

/** Resolves when another message may be sent, or the caller has gone. */
async function untilSent(outlet: WatchOutlet, message: WatchMessage, signal: AbortSignal): Promise<void> {
  let resume = (): void => {};
  const ready = new Promise<void>((resolve) => {
    resume = resolve;
  });
  if (outlet.send(message, resume) || signal.aborted) return;
  signal.addEventListener('abort', resume, { once: true });
  await ready;
  signal.removeEventListener('abort', resume);
}
