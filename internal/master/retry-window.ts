/**
 * Writes that may be sent twice: the first with a request id is carried out, and a
 * repetition gets its answer. What is kept is what was accepted, so a repetition
 * waits for the durability that it asks for, and gets the same position even if the
 * first caller has gone. Only this master remembers it: a restart, or another
 * master, does not.
 */
import { LRUCache } from 'lru-cache';
import { type Accepted, mapEntries } from '#master/accepted.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type {
  AtomicBatchCommand,
  BatchOperation,
  DeleteCommand,
  IncrementCommand,
  SetCommand,
  TouchCommand,
} from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import { crc32 } from '#platform/crc32.ts';

/** How long an answer is remembered, in milliseconds. */
export const RETRY_WINDOW_MS = 10 * 60_000;
/** Memory for all answers, some 20,000 of small writes; the least recently used are dropped first. */
export const RETRY_BYTES_MAX = 16 * 1_024 * 1_024;
/** What an answer without values takes, about. */
const ANSWER_BYTES = 512;

export interface Remembered extends Accepted {
  /** The position of the record that was written, or of the state that was looked at. */
  readonly position: Position;
}

interface Attempt {
  /** A description of the request: the same id must come with the same request. */
  readonly request: string;
  readonly accepted: Remembered;
}

export class RetryWindow {
  readonly #attempts: LRUCache<string, Attempt>;

  constructor(clock: Clock) {
    this.#attempts = new LRUCache({
      maxSize: RETRY_BYTES_MAX,
      // An answer that is larger than the whole cache is kept alone.
      sizeCalculation: (attempt, id) => Math.min(bytesOf(attempt, id), RETRY_BYTES_MAX),
      ttl: RETRY_WINDOW_MS,
      ttlResolution: 0,
      // This library takes an entry of time 0 for one without an age.
      perf: { now: () => clock.monotonicMs() + 1 },
    });
  }

  /**
   * Returns what the first write with this id came to. Calls `accept` if there was
   * none, or if its record was refused. Throws `invalid_argument` if the id belongs to
   * another write, and whatever `accept` throws; then nothing is remembered.
   */
  once(requestId: string, request: string, accept: () => Remembered): Accepted {
    const known = this.#attempts.get(requestId);
    if (known !== undefined && !isRefused(known.accepted.dependsOn)) {
      if (known.request === request) return known.accepted;
      throw invalidArgument(
        `request_id ${JSON.stringify(requestId)} was used for another write: expected one of its own for each`,
      );
    }
    const accepted = mapEntries(accept(), owned);
    this.#attempts.set(requestId, { request, accepted });
    return accepted;
  }
}

/** The answer with its position, for now and for repetitions. `here`: the newest visible position. */
export function rememberedAt(accepted: Accepted, here: Position): Remembered {
  return { ...accepted, position: accepted.dependsOn?.position ?? here };
}

/** A short text that differs between different sets. */
export function describeSet(command: SetCommand): string {
  const { key, value, expiry, condition, returnPrevious, contentType } = command;
  const type = contentType === undefined ? [] : [contentType];
  return JSON.stringify(['set', key, value.length, crc32(value), expiry, condition, returnPrevious, ...type]);
}

export function describeDelete({ key, condition, returnPrevious }: DeleteCommand): string {
  return JSON.stringify(['delete', key, condition, returnPrevious]);
}

export function describeIncrement({ key, delta, initial, expiry, condition }: IncrementCommand): string {
  return JSON.stringify(['increment', key, `${delta}`, `${initial}`, expiry, condition]);
}

export function describeTouch({ key, expiry, returnValue }: TouchCommand): string {
  return JSON.stringify(['touch', key, expiry, returnValue]);
}

/** A short text that differs between different atomic batches; it covers all operations. */
export function describeAtomicBatch({ operations }: AtomicBatchCommand): string {
  return JSON.stringify(['batch', ...operations.map(describe)]);
}

function describe(operation: BatchOperation): string {
  switch (operation.kind) {
    case 'get':
      return JSON.stringify(['get', operation.command]);
    case 'set':
      return describeSet(operation.command);
    case 'delete':
      return describeDelete(operation.command);
    case 'increment':
      return describeIncrement(operation.command);
    case 'touch':
      return describeTouch(operation.command);
  }
}

/** Copies the value, because a view kept for minutes would keep the whole request in memory. */
function owned(entry: Entry): Entry {
  return { ...entry, value: new Uint8Array(entry.value) };
}

function isRefused(record: RecordInFlight | undefined): boolean {
  return record?.isRefused === true;
}

function bytesOf({ request, accepted }: Attempt, id: string): number {
  return 2 * (id.length + request.length) + acceptedBytes(accepted);
}

function acceptedBytes(accepted: Accepted): number {
  let bytes = ANSWER_BYTES * (1 + (accepted.outcomes?.length ?? 0));
  mapEntries(accepted, (entry) => {
    bytes += entry.value.length;
    return entry;
  });
  return bytes;
}
