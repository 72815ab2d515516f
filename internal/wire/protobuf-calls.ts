/** Single calls in protobuf. `AnswerWriter` writes what it can of an answer, the general encoder the rest. */
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  DeleteResponseSchema,
  IncrementResponseSchema,
  SetResponseSchema,
  TouchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { GetAnswer, IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import type { CallForm, FoundAt } from '#wire/call-form.ts';
import { fromDeleteAnswer, fromIncrementAnswer, fromSetAnswer, fromTouchAnswer } from '#wire/kv-codec.ts';
import type { OperationColumns } from '#wire/kv-columns.ts';
import { isShort, writeGetAnswer } from '#wire/kv-large.ts';
import { RequestReader } from '#wire/kv-reader.ts';
import { writeRead } from '#wire/mixed-bytes.ts';
import type { ToldGroup } from '#wire/told-group.ts';

export class ProtobufCalls implements CallForm {
  readonly valueBytesMax = Infinity;
  readonly #reader: RequestReader;
  readonly #writer: AnswerWriter;

  /** `valueBytesMax`: of a Set. `group`: see `RequestReader`. */
  constructor(valueBytesMax: number, group?: ToldGroup) {
    this.#reader = new RequestReader(valueBytesMax, group);
    this.#writer = new AnswerWriter();
  }

  get columns(): OperationColumns {
    return this.#reader.columns;
  }

  read(kind: number, request: Buffer): boolean {
    return this.#reader.readOne(kind, request);
  }

  close(): void {
    this.#reader.close();
  }

  found({ entries, asOf, stalenessMs }: FoundAt, found: number, headroom: number): Buffer {
    const writer = this.#writer;
    writer.begin(headroom, true);
    writer.setFreshness(asOf, stalenessMs);
    writeRead(writer, entries, found);
    return writer.take();
  }

  /** The answer has no `fill`, which requests in the common form do not ask for. */
  get(answer: GetAnswer, headroom: number): Buffer {
    const writer = this.#writer;
    writer.begin(headroom, true);
    writeGetAnswer(writer, answer);
    return writer.take();
  }

  set(answer: WriteAnswer, headroom: number): Buffer {
    return isShort(answer)
      ? this.#written(answer, headroom)
      : this.#message(SetResponseSchema, fromSetAnswer(answer), headroom);
  }

  delete(answer: WriteAnswer, headroom: number): Buffer {
    return isShort(answer)
      ? this.#written(answer, headroom)
      : this.#message(DeleteResponseSchema, fromDeleteAnswer(answer), headroom);
  }

  increment(answer: IncrementAnswer, headroom: number): Buffer {
    const writer = this.#writer;
    writer.begin(headroom);
    return isShort(answer) && writer.tryIncrement(answer, true)
      ? writer.take()
      : this.#message(IncrementResponseSchema, fromIncrementAnswer(answer), headroom);
  }

  touch(answer: TouchAnswer, headroom: number): Buffer {
    if (!isShort(answer) || answer.entry !== undefined)
      return this.#message(TouchResponseSchema, fromTouchAnswer(answer), headroom);
    this.#writer.begin(headroom);
    this.#writer.touch(answer, true);
    return this.#writer.take();
  }

  #written(answer: WriteAnswer, headroom: number): Buffer {
    this.#writer.begin(headroom);
    this.#writer.writeResponse(answer);
    return this.#writer.take();
  }

  #message<Schema extends DescMessage>(
    schema: Schema,
    message: MessageShape<Schema>,
    headroom: number,
  ): Buffer {
    this.#writer.begin(headroom);
    this.#writer.encoded(toBinary(schema, message));
    return this.#writer.take();
  }
}
