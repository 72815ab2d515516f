/**
 * Single calls in JSON. The requests that it takes have no answer with an entry but a
 * Get's, and none that must wait: what has been waited for may have any size.
 */
import { NOT_FOUND } from '#model/bulk.ts';
import type { IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import type { CallForm, FoundAt } from '#wire/call-form.ts';
import {
  deleteText,
  foundText,
  freshnessText,
  incrementText,
  setText,
  touchText,
} from '#wire/json-answers.ts';
import { JsonRequestReader } from '#wire/json-request.ts';
import type { OperationColumns } from '#wire/kv-columns.ts';
import type { ToldGroup } from '#wire/told-group.ts';

/** A longer value is encoded in slices. */
const VALUE_BYTES_MAX = 65_536;
/** `copyValue` may write so many bytes too many. */
const COPY_SLACK_BYTES = 3;

export class JsonCalls implements CallForm {
  readonly valueBytesMax = VALUE_BYTES_MAX;
  readonly #reader: JsonRequestReader;
  readonly #value = Buffer.allocUnsafeSlow(VALUE_BYTES_MAX + COPY_SLACK_BYTES);
  readonly #view = new DataView(this.#value.buffer);
  #asOf: Position | undefined;
  #stalenessMs = -1;
  #freshness = '';

  /** `valueBytesMax`: of a Set. `group`: see `JsonRequestReader`. */
  constructor(valueBytesMax: number, group?: ToldGroup) {
    this.#reader = new JsonRequestReader(valueBytesMax, group);
  }

  get columns(): OperationColumns {
    return this.#reader.columns;
  }

  read(kind: number, request: Buffer): boolean {
    return this.#reader.read(kind, request);
  }

  close(): void {
    this.#reader.close();
  }

  found(moment: FoundAt, found: number, headroom: number): Buffer {
    const { entries, asOf, stalenessMs } = moment;
    // States repeat from Get to Get.
    if (asOf !== this.#asOf || stalenessMs !== this.#stalenessMs) {
      this.#freshness = freshnessText(moment);
      this.#asOf = asOf;
      this.#stalenessMs = stalenessMs;
    }
    if (found === NOT_FOUND) return encode(foundText(undefined, this.#freshness), headroom);
    const valueBytes = entries.valueBytesOf(found);
    if (valueBytes > 0) entries.copyValue(found, this.#view, 0);
    const entry = {
      base64: this.#value.toString('base64', 0, valueBytes),
      epoch: entries.epochOf(found),
      lsn: entries.lsnOf(found),
      expireAtMs: entries.expireAtMsOf(found),
      contentType: entries.contentTypeOf(found),
    };
    return encode(foundText(entry, this.#freshness), headroom);
  }

  set(answer: WriteAnswer, headroom: number): Buffer {
    return encode(setText(answer), headroom);
  }

  delete(answer: WriteAnswer, headroom: number): Buffer {
    return encode(deleteText(answer), headroom);
  }

  increment(answer: IncrementAnswer, headroom: number): Buffer {
    return encode(incrementText(answer), headroom);
  }

  touch(answer: TouchAnswer, headroom: number): Buffer {
    return encode(touchText(answer), headroom);
  }
}

/** `text` is ASCII. */
function encode(text: string, headroom: number): Buffer {
  const bytes = Buffer.allocUnsafe(headroom + text.length);
  bytes.write(text, headroom, 'latin1');
  return bytes;
}
