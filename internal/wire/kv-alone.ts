/** Encodes answers to single calls: by `AnswerWriter` where it writes all that they have. */
import { toBinary } from '@bufbuild/protobuf';
import {
  IncrementResponseSchema,
  SetResponseSchema,
  TouchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { GetAnswer, IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import type { AnswerWriter } from '#wire/answer-writer.ts';
import { fromIncrementAnswer, fromSetAnswer, fromTouchAnswer } from '#wire/kv-codec.ts';
import { isShort, writeGetAnswer } from '#wire/kv-large.ts';

/** The answer has no `fill`, which requests in the common form do not ask for. */
export function encodeGet(writer: AnswerWriter, answer: GetAnswer, headroom: number): Buffer {
  writer.begin(headroom, true);
  writeGetAnswer(writer, answer);
  return writer.take();
}

export function encodeSet(writer: AnswerWriter, answer: WriteAnswer, headroom: number): Buffer {
  writer.begin(headroom);
  writer.setResponse(isShort(answer) ? answer : toBinary(SetResponseSchema, fromSetAnswer(answer)));
  return writer.take();
}

export function encodeIncrement(writer: AnswerWriter, answer: IncrementAnswer, headroom: number): Buffer {
  writer.begin(headroom);
  if (!isShort(answer) || !writer.tryIncrement(answer, true))
    writer.encoded(toBinary(IncrementResponseSchema, fromIncrementAnswer(answer)));
  return writer.take();
}

export function encodeTouch(writer: AnswerWriter, answer: TouchAnswer, headroom: number): Buffer {
  writer.begin(headroom);
  if (isShort(answer) && answer.entry === undefined) writer.touch(answer, true);
  else writer.encoded(toBinary(TouchResponseSchema, fromTouchAnswer(answer)));
  return writer.take();
}
