/**
 * Follows how many bytes are free on a disk. They are asked for in the background and not
 * at a scrape, because a disk that hangs must not make the scrape wait.
 */
import type { Clock, Timer } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { FillTrend } from '#platform/fill-trend.ts';

const INTERVAL_MS = 10_000;

export interface FreeBytesOptions {
  readonly fileSystem: Pick<FileSystem, 'freeBytes'>;
  readonly clock: Clock;
  /** A file or directory on the disk. */
  readonly path: string;
}

export interface FreeBytes {
  /** Undefined until the disk has answered for the first time, while it does not answer, and after an error. */
  readonly bytes: number | undefined;
  /** Seconds until none is free, by the trend of the last hours; undefined where there is no such trend. */
  readonly fullInS: number | undefined;
  close(): void;
}

export function followFreeBytes({ fileSystem, clock, path }: FreeBytesOptions): FreeBytes {
  let bytes: number | undefined;
  let timer: Timer | undefined;
  let isAsking = false;
  const trend = new FillTrend();
  const ask = (): void => {
    // The last answer is not kept for a disk that has not answered since the last time.
    if (isAsking) bytes = undefined;
    else void read();
    timer = clock.after(INTERVAL_MS, ask);
  };
  const read = async (): Promise<void> => {
    isAsking = true;
    bytes = await fileSystem.freeBytes(path).catch(() => undefined);
    if (bytes !== undefined) trend.note(bytes, clock.monotonicMs());
    isAsking = false;
  };
  ask();
  return {
    get bytes() {
      return bytes;
    },
    get fullInS() {
      return trend.secondsLeft();
    },
    close: () => timer?.cancel(),
  };
}
