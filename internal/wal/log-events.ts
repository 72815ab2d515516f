/** The callbacks by which the log's writer reports to the log's owner. */
import type { Lsn } from '#model/position.ts';

/** Called synchronously and in order. An error thrown by any of these fails the log for good. */
export interface LogEvents {
  onCommitted: ((lsn: Lsn) => void) | undefined;
  onDurable: ((lsn: Lsn) => void) | undefined;
  onRefused: ((firstLsn: Lsn, error: Error) => void) | undefined;
  onFailed: ((error: Error) => void) | undefined;
  /** Called before each batch; if it returns a promise, the batch waits for it. */
  holdBack: (() => Promise<void> | undefined) | undefined;
}
