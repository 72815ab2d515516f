/**
 * A watch that goes on by itself. Where a node ends it or the connection breaks, it begins
 * again after the last record that was given, so that every change is given once.
 * Fragments are put together: what is given ends at the end of a record.
 *
 * It throws what going on cannot mend (a request that is wrong, a log that no longer
 * reaches back, a history that was discarded, a user that is not known any more), every error before the first message
 * and before `initial_done`, and the last error after `patienceMs` without a message.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { WatchEndSchema } from '#gen/walnut/v1/errors_pb.ts';
import type { WatchEvent, WatchRequestSchema, WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { tellProgram } from './tell-program.ts';

export type WatchInit = MessageInitShape<typeof WatchRequestSchema>;

/** Calls Watch once, on whatever node: the next attempt may go to another one. */
export type OpenWatch = (request: WatchInit, signal: AbortSignal) => AsyncIterable<WatchResponse>;

export interface ResumingOptions {
  readonly clock: Clock;
  /** Ends the watch without an error. */
  readonly signal: AbortSignal;
  /** How long to try without getting a message, milliseconds. */
  readonly patienceMs: number;
  /** Told why it begins again; what it throws is ignored. */
  readonly onBreak?: ((error: ConnectError) => void) | undefined;
}

/** Pause before the next attempt, at first and at most. */
const PAUSE_MS = 50;
const PAUSE_MS_MAX = 2_000;
/** A node that has told nothing for so many times `progress_every_ms` is given up. */
const SILENCES = 3;
const PROGRESS_MS_DEFAULT = 10_000;

export async function* resumingWatch(
  open: OpenWatch,
  request: WatchInit,
  options: ResumingOptions,
): AsyncGenerator<WatchResponse> {
  const { clock, signal, patienceMs } = options;
  let resume = '';
  let lastMs = clock.monotonicMs();
  let pauseMs = PAUSE_MS;
  while (!signal.aborted) {
    try {
      for await (const message of whole(attempt(open, continued(request, resume), options))) {
        resume = message.resume === '' ? resume : message.resume;
        lastMs = clock.monotonicMs();
        pauseMs = PAUSE_MS;
        yield message;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const error = ConnectError.from(thrown);
      const isOver = resume === '' || clock.monotonicMs() - lastMs >= patienceMs;
      if (isOver || !helpsToGoOn(error)) throw error;
      tellProgram(options.onBreak, error);
    }
    await clock.sleep(pauseMs, signal);
    pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
  }
}

function continued(request: WatchInit, resume: string): WatchInit {
  return resume === '' ? request : { ...request, initial: false, from: { case: 'resume', value: resume } };
}

function helpsToGoOn(error: ConnectError): boolean {
  switch (error.code) {
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Unknown:
    case Code.DeadlineExceeded:
    // The connection was closed in the middle of a message.
    case Code.Internal:
    case Code.Canceled:
      return true;
    // Too slow is mended by going on; too many watchers is not.
    case Code.ResourceExhausted:
      return error.findDetails(WatchEndSchema).length > 0;
    default:
      return false;
  }
}

/** One call, given up where the node tells nothing for too long: its connection may be dead. */
async function* attempt(
  open: OpenWatch,
  request: WatchInit,
  { clock, signal }: ResumingOptions,
): AsyncGenerator<WatchResponse> {
  const silenceMs = SILENCES * (request.progressEveryMs || PROGRESS_MS_DEFAULT);
  const aborter = new AbortController();
  const onAbort = (): void => aborter.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  let timer = clock.after(silenceMs, onAbort);
  try {
    for await (const message of open(request, aborter.signal)) {
      timer.cancel();
      yield message;
      timer = clock.after(silenceMs, onAbort);
    }
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    aborter.abort();
  }
}

/** The messages with the fragments of a record put together. */
async function* whole(messages: AsyncIterable<WatchResponse>): AsyncGenerator<WatchResponse> {
  let events: WatchEvent[] = [];
  for await (const message of messages) {
    events = events.length === 0 ? message.events : events.concat(message.events);
    if (message.fragment) continue;
    yield { ...message, events };
    events = [];
  }
}
