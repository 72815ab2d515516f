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

/**
 * The bytes of `before`, of the message as `toJsonString` writes it, and of `after`: one
 * piece where they are short, and pieces of at most `SLICE_BYTES` otherwise, each in the
 * turn that `pace` gives it.
 */
export async function* watchJsonPieces(
  message: WatchMessage,
  before: string,
  after: string,
  pace: SlicePace,
): AsyncGenerator<Uint8Array> {
  const parts = await partsOf(message, before, after, pace);
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
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

async function partsOf(
  message: WatchMessage,
  before: string,
  after: string,
  pace: SlicePace,
): Promise<Buffer[]> {
  const { events, wallShiftMs } = message;
  const rest = toJsonString(WatchResponseSchema, fromWatchMessage({ ...message, events: [] }));
  if (events.length === 0) return [Buffer.from(`${before}${rest}${after}`)];
  const parts: Buffer[] = [Buffer.from(`${before}{"events":[`)];
  for (const event of events) {
    if (parts.length > 1) parts.push(COMMA);
    const bytes = eventJson(event, wallShiftMs, pace);
    parts.push(bytes instanceof Promise ? await bytes : bytes);
  }
  // The position stands in every message, so `rest` is never empty.
  parts.push(Buffer.from(`],${rest.slice(1)}${after}`));
  return parts;
}

/** The same bytes for all who ask for the same times, also while they are being encoded. */
function eventJson(event: WatchEvent, shiftMs: number, pace: SlicePace): Buffer | Promise<Buffer> {
  if (event.json?.shiftMs === shiftMs) return event.json.bytes;
  const bytes = runSlices(encodeJson(WatchEventSchema, fromWatchEvent(event, shiftMs), {}, 0), pace);
  event.json = { shiftMs, bytes };
  return bytes;
}
