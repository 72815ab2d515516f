/** A record of the log as one JSON value. Pure. */
import { decodeConfig, decodeEpochParent, decodeMutations, RecordError } from '#engine/record-codec.ts';
import type { Mutation } from '#model/entry.ts';
import { formatPosition } from '#model/position.ts';
import { type Frame, RECORD_TYPE } from '#wal/frame.ts';

export interface RecordJson {
  readonly json: Record<string, unknown>;
  /** The payload is ill-formed: a start refuses it. The bytes are given instead. */
  readonly isIllFormed: boolean;
}

export function recordToJson(frame: Frame, hasValues: boolean): RecordJson {
  const head = { position: formatPosition(frame), timeMs: frame.timestampMs, time: showTime(frame) };
  try {
    return { json: { ...head, ...payloadToJson(frame, hasValues) }, isIllFormed: false };
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    const payloadBase64 = Buffer.from(frame.payload).toString('base64');
    return { json: { ...head, type: 'ill-formed', why: error.message, payloadBase64 }, isIllFormed: true };
  }
}

function payloadToJson(frame: Frame, hasValues: boolean): Record<string, unknown> {
  switch (frame.type) {
    case RECORD_TYPE.data: {
      const mutations = decodeMutations(frame.payload).map((each) => mutationToJson(each, hasValues));
      return { type: 'data', mutations };
    }
    case RECORD_TYPE.epoch: {
      const parent = decodeEpochParent(frame.payload);
      return { type: 'epoch', parent: formatPosition(parent) };
    }
    case RECORD_TYPE.config:
      return { type: 'config', ...decodeConfig(frame.payload) };
  }
}

function mutationToJson(mutation: Mutation, hasValues: boolean): Record<string, unknown> {
  const { op, cause, key } = mutation;
  if (mutation.op === 'delete') return { op, cause, key };
  const { value, expireAtMs } = mutation;
  const content = hasValues ? { valueBase64: Buffer.from(value).toString('base64') } : {};
  return { op, cause, key, bytes: value.length, ...content, expireAtMs };
}

/** Null for a timestamp that no calendar has. */
function showTime({ timestampMs }: Frame): string | null {
  const date = new Date(timestampMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
