/**
 * Messages of Watch in JSON, from the model. An event that many watchers get is encoded
 * once, in slices, and a long message comes in pieces, so that neither an event of many
 * megabytes nor many watchers of it stall the event loop.
 */
import { toJsonString } from '@bufbuild/protobuf';
import { WatchEventSchema, WatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { WatchEvent, WatchMessage } from '#model/watch.ts';
import { runSlices, SLICE_BYTES, type SlicePace } from '#platform/slices.ts';
import { encodeJson } from '#wire/json-encode.ts';
import { fromWatchEvent, fromWatchMessage } from '#wire/watch-codec.ts';

const COMMA = Buffer.from(',');

/** What stands around the JSON of a message, by its length in bytes. */
export type JsonFrame = (jsonBytes: number) => { readonly before: Uint8Array; readonly after: Uint8Array };

/**
 * The message as `toJsonString` writes it, in its frame: one piece where it is short, and
 * pieces of at most `SLICE_BYTES` otherwise, each in the turn that `pace` gives it.
 */
export async function* watchJsonPieces(
  message: WatchMessage,
  frame: JsonFrame,
  pace: SlicePace,
): AsyncGenerator<Uint8Array> {
  const json = await partsOf(message, pace);
  const { before, after } = frame(lengthOf(json));
  const parts = [before, ...json, after];
  const bytes = lengthOf(parts);
  if (bytes <= SLICE_BYTES) {
    yield Buffer.concat(parts, bytes);
    return;
  }
  // A message of several events is short enough to be copied; a large event comes alone.
  const wholes = message.events.length > 1 ? [Buffer.concat(parts, bytes)] : parts;
  for (const whole of wholes) {
    for (let at = 0; at < whole.length; at += SLICE_BYTES) {
      await pace.pause();
      yield whole.subarray(at, at + SLICE_BYTES);
    }
  }
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

async function partsOf(message: WatchMessage, pace: SlicePace): Promise<Buffer[]> {
  const { events, wallShiftMs } = message;
  const rest = toJsonString(WatchResponseSchema, fromWatchMessage({ ...message, events: [] }));
  if (events.length === 0) return [Buffer.from(rest)];
  const parts: Buffer[] = [Buffer.from('{"events":[')];
  for (const event of events) {
    if (parts.length > 1) parts.push(COMMA);
    const bytes = eventJson(event, wallShiftMs, pace);
    parts.push(bytes instanceof Promise ? await bytes : bytes);
  }
  // The position stands in every message, so `rest` is never empty.
  parts.push(Buffer.from(`],${rest.slice(1)}`));
  return parts;
}

/** The same bytes for all who ask for the same times, also while they are being encoded. */
function eventJson(event: WatchEvent, shiftMs: number, pace: SlicePace): Buffer | Promise<Buffer> {
  if (event.json?.shiftMs === shiftMs) return event.json.bytes;
  const bytes = runSlices(encodeJson(WatchEventSchema, fromWatchEvent(event, shiftMs), {}, 0), pace);
  event.json = { shiftMs, bytes };
  return bytes;
}
