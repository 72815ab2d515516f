/** Converts Watch between protobuf and the model. Pure; bad input throws `invalid_argument`. */
import type { WatchEvent as EventMessage, WatchRequest, WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Op } from '#gen/walnut/v1/types_pb.ts';
import { type Entry, movedDeadline } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import { checkKey, checkPrefix } from '#model/limits.ts';
import {
  WATCH_PROGRESS_MS_MAX,
  WATCH_PROGRESS_MS_MIN,
  type WatchCommand,
  type WatchEvent,
  type WatchMessage,
  type WatchOp,
  type WatchTarget,
} from '#model/watch.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromEntry, fromPosition, toPosition } from '#wire/position-codec.ts';
import { fromResumeText, resumeTextOf } from '#wire/resume-text.ts';
import { CAUSES, OPS } from '#wire/scan-codec.ts';

/** The fields that say where a watch begins, as they are in the proto. */
const NAMES_OF_STARTS = { after: 'after', resume: 'resume', sinceMs: 'since_ms' } as const;
/** There are fewer kinds than this; a longer list would only repeat them. */
const OPS_MAX = 8;

export function toWatchCommand(request: WatchRequest): WatchCommand {
  const start = toStart(request.from);
  const ops = toOps(request.ops);
  if (request.initial && request.from.case !== undefined) {
    const name = NAMES_OF_STARTS[request.from.case];
    throw invalidArgument(`initial and ${name} exclude each other: initial begins with what is there now`);
  }
  if (request.initial && ops !== undefined && !ops.includes('set')) {
    throw invalidArgument(
      'initial tells entries as OP_SET, which ops leaves out: add it, or leave initial out',
    );
  }
  return {
    target: toTarget(request.what),
    ...start,
    ops,
    withPrevious: request.withPrevious,
    keysOnly: request.keysOnly,
    progressEveryMs: checkProgress(request.progressEveryMs),
    isInitial: request.initial,
  };
}

function toTarget(what: WatchRequest['what']): WatchTarget {
  switch (what.case) {
    case 'key':
      checkKey(what.value);
      return { kind: 'key', key: what.value };
    case 'prefix':
      return { kind: 'prefix', prefix: checkPrefix(what.value) };
    default:
      throw invalidArgument('neither key nor prefix is set: an empty prefix watches every key');
  }
}

function toStart(from: WatchRequest['from']): Pick<WatchCommand, 'after' | 'places' | 'sinceMs'> {
  switch (from.case) {
    case 'after':
      return { after: toPosition(from.value, 'after') };
    case 'resume':
      return fromResumeText(from.value);
    case 'sinceMs':
      return { after: undefined, sinceMs: toSafeNumber(from.value, 'since_ms') };
    default:
      return { after: undefined };
  }
}

function toOps(ops: readonly Op[]): readonly WatchOp[] | undefined {
  if (ops.length > OPS_MAX) throw invalidArgument(`ops has ${ops.length} elements: expected each kind once`);
  if (ops.length === 0) return undefined;
  return ops.map((op) => {
    const name = (Object.keys(OPS) as WatchOp[]).find((one) => OPS[one] === op);
    if (name === undefined)
      throw invalidArgument(`ops has ${op}: expected OP_SET (1), OP_DELETE (2) or OP_TOUCH (3)`);
    return name;
  });
}

function checkProgress(ms: number): number {
  if (ms !== 0 && (ms < WATCH_PROGRESS_MS_MIN || ms > WATCH_PROGRESS_MS_MAX)) {
    const range = `${WATCH_PROGRESS_MS_MIN} to ${WATCH_PROGRESS_MS_MAX}`;
    throw invalidArgument(`progress_every_ms is ${ms}: expected ${range}, or 0 for the default`);
  }
  return ms;
}

export function fromWatchMessage(message: WatchMessage): WatchResponse {
  const { wallShiftMs } = message;
  return {
    $typeName: 'walnut.v1.WatchResponse',
    events: message.events.map((event) => fromWatchEvent(event, wallShiftMs)),
    position: fromPosition(message.position),
    resume: message.canResume ? resumeTextOf(message) : '',
    fragment: message.isFragment,
    initialDone: message.isInitialDone,
  };
}

/** `shiftMs`: what is added to times by the log clock. */
export function fromWatchEvent(event: WatchEvent, shiftMs: number): EventMessage {
  const { previous } = event;
  return {
    $typeName: 'walnut.v1.WatchEvent',
    op: OPS[event.op],
    cause: CAUSES[event.cause],
    key: event.key,
    value: event.value,
    contentType: event.contentType ?? '',
    version: fromPosition(event.version),
    expireAtMs: BigInt(movedDeadline(event.expireAtMs, shiftMs)),
    previousUnknown: event.isPreviousUnknown,
    initial: event.isInitial,
    timestampMs: BigInt(movedDeadline(event.timestampMs, shiftMs)),
    ...(previous === undefined ? {} : { previous: fromEntry(moved(previous, shiftMs)) }),
  };
}

function moved(entry: Entry, shiftMs: number): Entry {
  return { ...entry, expireAtMs: movedDeadline(entry.expireAtMs, shiftMs) };
}
