/** Positions that name their group, by the encoders of single calls and Batches: the same as by the general ones. */
import { toBinary, toJsonString } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchResultSchema,
  DeleteResponseSchema,
  GetResponseSchema,
  IncrementResponseSchema,
  SetResponseSchema,
  TouchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { GetAnswer, IncrementAnswer, TouchAnswer } from '#model/commands.ts';
import { type Position, toLsn } from '#model/position.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import { toResultMessage } from '#wire/batch-codec.ts';
import { JsonCalls } from '#wire/json-calls.ts';
import {
  fromDeleteAnswer,
  fromGetAnswer,
  fromIncrementAnswer,
  fromSetAnswer,
  fromTouchAnswer,
} from '#wire/kv-codec.ts';
import { writeGetAnswer } from '#wire/kv-large.ts';
import { fromPosition, toPosition } from '#wire/position-codec.ts';
import { ProtobufCalls } from '#wire/protobuf-calls.ts';

const GROUPS = ['g1', 'g'.repeat(64), undefined];
const positionIn = (group: string | undefined): Position => ({ epoch: 2 ** 52, lsn: toLsn(7), group });

const answersAt = (position: Position): { get: GetAnswer; write: IncrementAnswer & TouchAnswer } => ({
  get: {
    entry: { key: 'k', value: Buffer.from('value'), version: { epoch: 3, lsn: toLsn(1) }, expireAtMs: 5 },
    ...{ asOf: position, stalenessMs: 9 },
  },
  write: {
    ...{ applied: true, position, previous: undefined, current: undefined, entry: undefined },
    ...{ durabilityReached: 'local', replicasAcked: 2, value: 7n, expireAtMs: 5 },
  },
});

describe.each(GROUPS)('a position of the group %s', (group) => {
  const { get, write } = answersAt(positionIn(group));

  it('is in protobuf what the schemas say', () => {
    const calls = new ProtobufCalls(1_024);
    expect(Buffer.from(calls.get(get, 0))).toEqual(
      Buffer.from(toBinary(GetResponseSchema, fromGetAnswer(get))),
    );
    expect(Buffer.from(calls.set(write, 0))).toEqual(
      Buffer.from(toBinary(SetResponseSchema, fromSetAnswer(write))),
    );
    expect(Buffer.from(calls.delete(write, 0))).toEqual(
      Buffer.from(toBinary(DeleteResponseSchema, fromDeleteAnswer(write))),
    );
    expect(Buffer.from(calls.increment(write, 0))).toEqual(
      Buffer.from(toBinary(IncrementResponseSchema, fromIncrementAnswer(write))),
    );
    expect(Buffer.from(calls.touch(write, 0))).toEqual(
      Buffer.from(toBinary(TouchResponseSchema, fromTouchAnswer(write))),
    );
  });

  it('is in JSON what the schemas say', () => {
    const calls = new JsonCalls(1_024);
    expect(String(calls.set(write, 0))).toBe(toJsonString(SetResponseSchema, fromSetAnswer(write)));
    expect(String(calls.delete(write, 0))).toBe(toJsonString(DeleteResponseSchema, fromDeleteAnswer(write)));
    expect(String(calls.increment(write, 0))).toBe(
      toJsonString(IncrementResponseSchema, fromIncrementAnswer(write)),
    );
    expect(String(calls.touch(write, 0))).toBe(toJsonString(TouchResponseSchema, fromTouchAnswer(write)));
  });

  it('is in results of a Batch what the schemas say', () => {
    const writer = new AnswerWriter();
    writer.begin(0);
    writeGetAnswer(writer, get);
    writer.written('set', write, 2);
    const describe = (): never => {
      throw new Error('there is no error');
    };
    const results = [
      toResultMessage({ kind: 'get', answer: get }, describe),
      ...[1, 2].map(() => toResultMessage({ kind: 'set', answer: write }, describe)),
    ];
    const expected = results.map((result) => {
      const bytes = toBinary(BatchResultSchema, result);
      return Buffer.concat([Buffer.from([0x0a, ...lengthOf(bytes.length)]), bytes]);
    });
    expect(Buffer.from(writer.take())).toEqual(Buffer.concat(expected));
  });

  it('comes back as it was', () => {
    const position = positionIn(group);
    expect(toPosition(fromPosition(position), 'at_least')).toEqual(position);
  });
});

it('a group that none can have is refused by name', () => {
  const message = fromPosition({ epoch: 1, lsn: toLsn(1), group: 'a group' });
  expect(() => toPosition(message, 'at_least')).toThrow(
    'at_least.group: expected letters, digits and hyphens',
  );
});

/** A varint of up to two bytes. */
function lengthOf(bytes: number): number[] {
  return bytes < 128 ? [bytes] : [(bytes & 127) | 128, bytes >> 7];
}
