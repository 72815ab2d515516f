/** Progress of a long job on stderr: one changing line on a terminal, else one line every 5 s. Short jobs show nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CliIo } from '../cli-io.ts';
import { canErase, chooseColors, own } from './terminal.ts';

export interface Progress {
  /** How many things are done so far. */
  count(): number;
  /** The line. `perS`: how many were done in a second, since the line before. */
  describe(perS: number): string;
}

const QUIET_MS = 2_000;
const TERMINAL_MS = 500;
const LINE_MS = 5_000;
const CLEAR_LINE = own('\r\u001b[K');

/** Resolves after `done` aborts, with the changing line cleared. */
export async function showProgress(io: CliIo, progress: Progress, done: AbortSignal): Promise<void> {
  const colors = chooseColors(io, io.isErrTerminal);
  const isChanging = canErase(io, io.isErrTerminal);
  await delay(QUIET_MS, undefined, { signal: done }).catch(() => {});
  const intervalMs = isChanging ? TERMINAL_MS : LINE_MS;
  let hasShown = false;
  while (!done.aborted) {
    const startMs = performance.now();
    const before = progress.count();
    await delay(hasShown ? intervalMs : Math.min(intervalMs, LINE_MS - QUIET_MS), undefined, {
      signal: done,
    }).catch(() => {});
    if (done.aborted) break;
    const perS = ((progress.count() - before) * 1_000) / (performance.now() - startMs);
    const line = progress.describe(perS);
    io.note(isChanging ? `${CLEAR_LINE}${colors.dim(line)}` : `${line}\n`);
    hasShown = true;
  }
  if (hasShown && isChanging) io.note(CLEAR_LINE);
}

/** Shows progress for as long as `work` takes. */
export async function withProgress<T>(io: CliIo, progress: Progress, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const shown = showProgress(io, progress, done.signal);
  try {
    return await work;
  } finally {
    done.abort();
    await shown;
  }
}
