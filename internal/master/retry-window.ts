/**
 * Writes that may be sent twice: the first of a request id is carried out, and
 * whoever repeats it has its answer. What is kept is what was accepted, so a
 * repeat waits for its own durability, and finds the same position even where
 * the first caller is long gone.
 *
 * It is this master's memory only: a restart, or another master, knows none.
 */
import { LRUCache } from 'lru-cache';
import type { Accepted, AtomicOutcome } from '#master/accepted.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type {
  AtomicBatchCommand,
  BatchOperation,
  DeleteCommand,
  IncrementCommand,
  SetCommand,
} from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import { crc32 } from '#platform/crc32.ts';

/** How long an answer is remembered, milliseconds. */
export const RETRY_WINDOW_MS = 10 * 60_000;
/** Memory for all answers, some 20,000 of small writes; the ones asked for longest ago go first. */
export const RETRY_BYTES_MAX = 16 * 1_024 * 1_024;
/** What an answer without values takes, about. */
const ANSWER_BYTES = 512;

export interface Remembered extends Accepted {
  /** The record written, or the state that was looked at. */
  readonly position: Position;
}

interface Attempt {
  /** What was asked for: the same id must ask for the same. */
  readonly request: string;
  readonly accepted: Remembered;
}

export class RetryWindow {
  readonly #attempts: LRUCache<string, Attempt>;

  constructor(clock: Clock) {
    this.#attempts = new LRUCache({
      maxSize: RETRY_BYTES_MAX,
      // One that is larger than all of it is kept alone.
      sizeCalculation: (attempt, id) => Math.min(bytesOf(attempt, id), RETRY_BYTES_MAX),
      ttl: RETRY_WINDOW_MS,
      ttlResolution: 0,
      // To this library an entry of time 0 has no age.
      perf: { now: () => clock.monotonicMs() + 1 },
    });
  }

  /**
   * What the first write of this id came to; `accept` carries it out where there
   * was none, or where its record was refused. Throws `invalid_argument` where
   * the id stands for another write, and whatever `accept` throws: then nothing
   * is remembered.
   */
  once(requestId: string, request: string, accept: () => Remembered): Accepted {
    const known = this.#attempts.get(requestId);
    if (known !== undefined && !isRefused(known.accepted.dependsOn)) {
      if (known.request === request) return known.accepted;
      throw invalidArgument(
        `request_id ${JSON.stringify(requestId)} was used for another write: expected one of its own for each`,
      );
    }
    const accepted = withOwnEntries(accept());
    this.#attempts.set(requestId, { request, accepted });
    return accepted;
  }
}

/** With the position that its answer has, now and when it is asked for again. `here`: the newest visible one. */
export function rememberedAt(accepted: Accepted, here: Position): Remembered {
  return { ...accepted, position: accepted.dependsOn?.position ?? here };
}

/** What tells a set from another, short. */
export function describeSet({ key, value, expiry, condition, returnPrevious }: SetCommand): string {
  return JSON.stringify(['set', key, value.length, crc32(value), expiry, condition, returnPrevious]);
}

export function describeDelete({ key, condition, returnPrevious }: DeleteCommand): string {
  return JSON.stringify(['delete', key, condition, returnPrevious]);
}

export function describeIncrement({ key, delta, initial, expiry, condition }: IncrementCommand): string {
  return JSON.stringify(['increment', key, `${delta}`, `${initial}`, expiry, condition]);
}

/** What tells an atomic batch from another: all of its operations. */
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
  }
}

function withOwnEntries<T extends Accepted>(accepted: T): T {
  const { previous, current, outcomes } = accepted;
  return {
    ...accepted,
    previous: owned(previous),
    current: owned(current),
    outcomes: outcomes?.map(
      (outcome): AtomicOutcome | undefined =>
        outcome &&
        (outcome.kind === 'get'
          ? { kind: 'get', found: owned(outcome.found) }
          : { kind: outcome.kind, accepted: withOwnEntries(outcome.accepted) }),
    ),
  };
}

/** With bytes of its own: kept for minutes, a view would keep the whole request that it is a part of. */
function owned(entry: Entry | undefined): Entry | undefined {
  return entry === undefined ? undefined : { ...entry, value: new Uint8Array(entry.value) };
}

function isRefused(record: RecordInFlight | undefined): boolean {
  return record?.isRefused === true;
}

function bytesOf({ request, accepted }: Attempt, id: string): number {
  return 2 * (id.length + request.length) + acceptedBytes(accepted);
}

function acceptedBytes({ previous, current, outcomes }: Accepted): number {
  let bytes = ANSWER_BYTES + (previous?.value.length ?? 0) + (current?.value.length ?? 0);
  for (const outcome of outcomes ?? []) {
    if (outcome?.kind === 'get') bytes += ANSWER_BYTES + (outcome.found?.value.length ?? 0);
    else if (outcome !== undefined) bytes += acceptedBytes(outcome.accepted);
  }
  return bytes;
}
