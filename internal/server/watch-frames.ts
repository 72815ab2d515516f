/**
 * A streamed Watch: its first message and its end go the way of every stream, what is
 * between them goes as frames straight to the connection. Messages in JSON are encoded in slices
 * and sent in pieces, as those of `/v1/watch`.
 */
import type { WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { ToldMessage, WatchMessage, WatchOutlet } from '#model/watch.ts';
import type { SlicePace } from '#platform/slices.ts';
import type { FrameSink, RpcCall } from '#rpc/rpc-call.ts';
import { hasParts, toWatchParts, writeWatchFrame } from '#wire/watch-bytes.ts';
import { fromWatchMessage } from '#wire/watch-codec.ts';
import { watchJsonPieces } from '#wire/watch-json.ts';

export class FrameOutlet implements WatchOutlet {
  readonly #call: RpcCall;

  constructor(call: RpcCall) {
    this.#call = call;
  }

  get isOpen(): boolean {
    return this.#call.frames !== undefined;
  }

  send(message: ToldMessage, onReady: () => void): boolean {
    const { frames } = this.#call;
    if (!hasParts(message)) {
      const { buffer, at } = writeWatchFrame(message);
      return frames?.sendCopy(buffer, at, onReady) === true;
    }
    const parts = toWatchParts(message);
    // What `sendPart` returns may be ignored: the last part is ready only when those before it are, and no
    // message follows before that. A large message had to wait for room in memory before it came here.
    for (let i = 0; i < parts.length - 1; i++) frames?.sendPart(parts[i] as Uint8Array, NOT_AWAITED);
    return frames?.send(parts.at(-1) as Uint8Array, onReady) === true;
  }
}

const NOT_AWAITED = (): void => {};

/** The messages in the binary format that go the way of every stream. */
export async function* watchMessages(
  messages: AsyncIterable<WatchMessage>,
  outlet: WatchOutlet,
  signal: AbortSignal,
): AsyncIterable<WatchResponse> {
  for await (const message of messages) {
    if (outlet.isOpen) await untilSent((onReady) => outlet.send(message, onReady), signal);
    else yield fromWatchMessage(message);
  }
}

/** The messages in JSON that go the way of every stream. */
export async function* watchMessagesInJson(
  messages: AsyncIterable<WatchMessage>,
  call: RpcCall,
  slices: SlicePace,
  signal: AbortSignal,
): AsyncIterable<WatchResponse> {
  for await (const message of messages) {
    if (call.frames === undefined) yield fromWatchMessage(message);
    else await sendInJson(call.frames, message, slices, signal);
  }
}

async function sendInJson(
  frames: FrameSink,
  message: WatchMessage,
  slices: SlicePace,
  signal: AbortSignal,
): Promise<void> {
  let held: Uint8Array | undefined;
  for await (const piece of watchJsonPieces(message, frameOf, slices)) {
    if (held !== undefined) await sendPart(frames, held, signal);
    held = piece;
  }
  const last = held as Uint8Array;
  await untilSent((onReady) => frames.send(last, onReady), signal);
}

function sendPart(frames: FrameSink, part: Uint8Array, signal: AbortSignal): Promise<void> {
  return untilSent((onReady) => frames.sendPart(part, onReady), signal);
}

const NOTHING = new Uint8Array(0);

function frameOf(jsonBytes: number): { readonly before: Uint8Array; readonly after: Uint8Array } {
  const before = Buffer.alloc(5);
  before.writeUInt32BE(jsonBytes, 1);
  return { before, after: NOTHING };
}

/** Resolves when more may be sent, or the caller has gone. */
async function untilSent(send: (onReady: () => void) => boolean, signal: AbortSignal): Promise<void> {
  let resume = (): void => {};
  const ready = new Promise<void>((resolve) => {
    resume = resolve;
  });
  if (send(resume) || signal.aborted) return;
  signal.addEventListener('abort', resume, { once: true });
  await ready;
  signal.removeEventListener('abort', resume);
}
