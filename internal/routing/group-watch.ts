/**
 * The watch of one group, opened again from its place each time that it breaks, until its caller
 * stops or what it asks for cannot be had. Every change is told once.
 */
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import { CALL_MS, type GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { NodeKeys } from '#routing/node-keys.ts';
import { doubled } from '#routing/pauses.ts';

const PAUSE_MS = 50;
const PAUSE_MS_MAX = 1_000;

export interface GroupWatchOptions {
  readonly readFrom: ReadPolicy;
  readonly clock: Clock;
  /** See `CallWish`. */
  readonly user: string | undefined;
}

export async function* groupWatch(
  group: GroupCalls,
  { readFrom, clock, user }: GroupWatchOptions,
  command: WatchCommand,
  signal: AbortSignal,
): AsyncGenerator<WatchMessage> {
  const startedMs = clock.monotonicMs();
  let next = command;
  let isBegun = false;
  let isInitialDone = !command.isInitial;
  /** Events that were told of the record that goes on. */
  let told = 0;
  /** Why no node began it; an attempt that had too little time left tells nothing of that. */
  let why: WalnutError | undefined;
  for (let failures = 0; !signal.aborted; failures++) {
    let skipped = told;
    const beginMs = isBegun ? CALL_MS : startedMs + CALL_MS - clock.monotonicMs();
    try {
      const open = (link: NodeKeys, over: AbortSignal): AsyncIterable<WatchMessage> =>
        link.watch(next, over, user);
      for await (const message of group.stream(readFrom, open, { signal, beginMs })) {
        failures = 0;
        // The watch that was opened again begins before a record of which a part was told.
        if (skipped > 0 && message.events.length === 0) continue;
        const events = message.events.slice(skipped);
        skipped -= message.events.length - events.length;
        told = message.canResume ? 0 : told + events.length;
        if (message.canResume)
          next = { ...next, after: message.position, sinceMs: undefined, isInitial: false };
        isInitialDone ||= message.isInitialDone;
        isBegun = true;
        group.observe(message.position);
        if (events.length > 0 || message.events.length === 0 || message.canResume)
          yield { ...message, events };
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!mayGoOn(error)) throw error;
      if (why === undefined || error.code !== 'deadline_exceeded') why = error;
      if (!isBegun && clock.monotonicMs() - startedMs >= CALL_MS) throw notBegun(group.id, why);
      if (isBegun && !isInitialDone) throw notResumable(group.id, error);
    }
    await clock.sleep(doubled(PAUSE_MS, failures, PAUSE_MS_MAX), signal);
  }
}

/** The node went away, stops, is not the one to ask, or had no time left. */
const MENDED: ReadonlySet<ErrorCode> = new Set(['unavailable', 'not_master', 'deadline_exceeded']);

function mayGoOn(error: unknown): error is WalnutError {
  return error instanceof WalnutError && MENDED.has(error.code);
}

function notBegun(group: string, error: WalnutError): WalnutError {
  const message = `group ${group} began no watch within ${CALL_MS} ms: ${error.message}`;
  return new WalnutError('unavailable', message, { nothingDone: true });
}

function notResumable(group: string, error: unknown): WalnutError {
  const why = `the watch of group ${group} broke before all entries were told: start over`;
  return new WalnutError('unavailable', why, { cause: error });
}
