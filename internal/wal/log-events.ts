/** What passes between the log and its owner besides calls: the log's side of it is `log-writer.ts`. */
import type { Lsn } from '#model/position.ts';

/** What the log's owner is told, synchronously and in order. A throw from any of these is final. */
export interface LogEvents {
  onCommitted: ((lsn: Lsn) => void) | undefined;
  onDurable: ((lsn: Lsn) => void) | undefined;
  onRefused: ((firstLsn: Lsn, error: Error) => void) | undefined;
  onFailed: ((error: Error) => void) | undefined;
  /** Asked before each batch: the batch waits for the promise, where there is one. */
  holdBack: (() => Promise<void> | undefined) | undefined;
}
