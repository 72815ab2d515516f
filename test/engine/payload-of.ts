/** Mutations, as values, as the payload of a record. */
import { PayloadWriter } from '#engine/records/payload-writer.ts';
import type { Mutation } from '#model/entry.ts';
import { KeyBytes } from '#storage/key-bytes.ts';

export function payloadOf(mutations: readonly Mutation[]): PayloadWriter {
  const writer = new PayloadWriter();
  writeAll(mutations, writer);
  return writer;
}

/** Where each begins. */
export function writeAll(mutations: readonly Mutation[], writer: PayloadWriter): number[] {
  const key = new KeyBytes();
  return mutations.map((mutation) => {
    key.load(mutation.key);
    if (mutation.op === 'delete') return writer.delete(key, mutation.cause);
    if (mutation.op === 'touch') return writer.touch(key, mutation.expireAtMs, mutation.cause);
    if (mutation.contentType !== undefined)
      return writer.setTyped(key, mutation.value, mutation.expireAtMs, mutation.cause, mutation.contentType);
    return writer.set(key, mutation.value, 0, mutation.value.length, mutation.expireAtMs, mutation.cause);
  });
}
