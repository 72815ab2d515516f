/** Converts a record of the log to one JSON value. Pure. */
import { RecordError } from '#engine/records/record-kind.ts';
import { recordKindOf, recordNameOf } from '#engine/records/record-table.ts';
import { formatPosition } from '#model/position.ts';
import type { Frame } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

export interface RecordJson {
  readonly json: Record<string, unknown>;
  /**
   * True if a start would refuse the record, because its payload is invalid or a newer
   * program wrote it. `json` then has the payload's bytes.
   */
  readonly isRefused: boolean;
}

export function recordToJson(frame: Frame, hasValues: boolean): RecordJson {
  const head = { position: formatPosition(frame), timeMs: frame.timestampMs, time: showTime(frame) };
  try {
    const content = recordKindOf(frame).describe(frame, hasValues);
    return { json: { ...head, type: recordNameOf(frame), ...content }, isRefused: false };
  } catch (error) {
    const isNewer = error instanceof NewerFormatError;
    if (!isNewer && !(error instanceof RecordError)) throw error;
    const what = isNewer ? { type: 'unknown', recordType: frame.type } : { type: 'ill-formed' };
    const payloadBase64 = Buffer.from(frame.payload).toString('base64');
    return { json: { ...head, ...what, why: error.message, payloadBase64 }, isRefused: true };
  }
}

/** Null if the timestamp is outside the range of dates. */
function showTime({ timestampMs }: Frame): string | null {
  const date = new Date(timestampMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
