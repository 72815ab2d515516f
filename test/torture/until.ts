/** Waits in long runs: each has an end, and says what it waited for. */
import { pause } from './node-process.ts';

export interface UntilOptions {
  readonly msMax: number;
  /** Between two looks. */
  readonly everyMs?: number;
}

/** Resolves once `isSo` returns true; rejects after `msMax`, and at once where `isSo` throws. */
export async function until(
  what: string | (() => string),
  isSo: () => boolean | Promise<boolean>,
  { msMax, everyMs = 20 }: UntilOptions,
): Promise<void> {
  for (const endMs = performance.now() + msMax; performance.now() < endMs; await pause(everyMs))
    if (await isSo()) return;
  throw new Error(`not within ${msMax} ms: ${typeof what === 'string' ? what : what()}`);
}
