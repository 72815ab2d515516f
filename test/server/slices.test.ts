/**
 * No message takes the event loop for long: what is done with it is done in slices. Work
 * is counted, not timed: the bytes that a slice reads, writes or copies.
 */
import { type DescMessage, toBinary, toJsonString } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BATCH_OPERATIONS_MAX, SCAN_LIMIT_MAX, VALUE_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';
import { encodeLargeBinary } from '#rpc/unary/large-binary.ts';
import { decodeJsonMessage, encodeJsonMessage } from '#rpc/unary/message-codec.ts';
import { largestOf } from '#test/server/largest-messages.ts';
import { methodsWithin } from '#test/server/modules.ts';

const MIB = 1_024 * 1_024;
const UNARY = methodsWithin(VALUE_BYTES_MAX_DEFAULT, 32 * MIB).filter(
  ([, { methodKind }]) => methodKind === 'unary',
);
const JSON_OPTIONS = {
  ignoreUnknownFields: false,
  textDecoder: new TextDecoder('utf-8', { fatal: true }),
};
/** One element or piece more than a slice, at most. */
const LONGEST = 2 * SLICE_BYTES;

interface Worked<T> {
  readonly result: T;
  readonly longest: number;
  readonly all: number;
}

function work<T>(slices: Slices<T>): Worked<T> {
  let longest = 0;
  let all = 0;
  for (;;) {
    const step = slices.next();
    if (step.done === true) return { result: step.value, longest, all };
    longest = Math.max(longest, step.value);
    all += step.value;
  }
}

const hasList = ({ fields }: DescMessage): boolean =>
  fields.some(({ fieldKind, message }) => fieldKind === 'list' && message !== undefined);
/** The rpcs whose binary answers may be larger than a megabyte. */
const LARGE_ANSWERS = UNARY.filter(([, { output }]) => hasList(output));
const COUNTS = [4, BATCH_OPERATIONS_MAX, SCAN_LIMIT_MAX];

describe('the slices of the largest message', () => {
  it.each(UNARY)('of %s in JSON are short', (path, { input }, { readMaxBytes, fieldsMax }) => {
    const isBatch = path.endsWith('/Batch') || path.endsWith('/Restore');
    const elements = isBatch ? BATCH_OPERATIONS_MAX : 4;
    const message = largestOf(input, { elements, valueBytes: Math.floor(readMaxBytes * 0.73) });
    const json = Buffer.from(toJsonString(input, message));
    const { result, longest, all } = work(decodeJsonMessage(input, json, fieldsMax, JSON_OPTIONS));
    expect(toJsonString(input, result) === json.toString()).toBe(true);
    expect(longest).toBeLessThanOrEqual(LONGEST);
    expect(all + LONGEST).toBeGreaterThan(json.length);
  });

  it.each(LARGE_ANSWERS)('of the answers of %s in protobuf are short', (_path, { output }) => {
    for (const elements of COUNTS) {
      const message = largestOf(output, { elements, valueBytes: 32 * MIB });
      const expected = Buffer.from(toBinary(output, message));
      const { result, longest, all } = work(encodeLargeBinary(output, message, 5));
      expect(result.subarray(5).equals(expected)).toBe(true);
      expect(longest).toBeLessThanOrEqual(LONGEST);
      expect(all + LONGEST).toBeGreaterThan(result.length);
    }
  });

  it.each(UNARY)('of the answers of %s in JSON are short', (_path, { output }) => {
    for (const elements of hasList(output) ? COUNTS : [1]) {
      const message = largestOf(output, { elements, valueBytes: 32 * MIB });
      const { result, longest, all } = work(encodeJsonMessage(output, message, JSON_OPTIONS, 5));
      expect(longest).toBeLessThanOrEqual(LONGEST);
      expect(all + LONGEST).toBeGreaterThan(result.length);
    }
  });
});
