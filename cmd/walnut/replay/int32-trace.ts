/**
 * Reads a binary trace: one little-endian signed 32-bit key per access. Every access is a
 * get. Fails if bytes remain after the last whole key.
 */
import { defaultValueBytes, type TraceOperation } from './trace-operation.ts';

const KEY_BYTES = 4;

export async function* readInt32Trace(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TraceOperation[]> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of bytes) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = data.length - (data.length % KEY_BYTES);
    if (whole > 0) yield decodeKeys(data, whole);
    rest = data.subarray(whole);
  }
  if (rest.length > 0)
    throw new Error(`cut short: ${rest.length} bytes after the last whole key of ${KEY_BYTES}`);
}

function decodeKeys(data: Uint8Array, length: number): TraceOperation[] {
  const view = new DataView(data.buffer, data.byteOffset, length);
  const operations: TraceOperation[] = [];
  for (let at = 0; at < length; at += KEY_BYTES) {
    const key = view.getInt32(at, true);
    operations.push({ kind: 'get', key: String(key), valueBytes: defaultValueBytes(key), ttlMs: 0 });
  }
  return operations;
}
