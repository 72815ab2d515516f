/**
 * The three clocks of the machine, by which a lease finds out that the machine was
 * suspended. The time since the system started costs some 20 µs to read and has steps of
 * 10 ms, so it is read again only when one of the other clocks has moved by as much.
 */
import { uptime } from 'node:os';
import type { Clock } from '#platform/clock.ts';

const UPTIME_STEP_MS = 10;

/** Milliseconds, each from an origin of its own. */
export interface MachineClocks {
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly uptimeMs: number;
}

/** `uptimeMs`: milliseconds since the system started, pauses included. */
export function createMachineClocks(
  clock: Pick<Clock, 'monotonicMs' | 'wallMs'>,
  uptimeMs: () => number = () => uptime() * 1_000,
): () => MachineClocks {
  let read: MachineClocks | undefined;
  return () => {
    const monotonicMs = clock.monotonicMs();
    const wallMs = clock.wallMs();
    const isRecent =
      read !== undefined &&
      monotonicMs - read.monotonicMs < UPTIME_STEP_MS &&
      Math.abs(wallMs - read.wallMs) < UPTIME_STEP_MS;
    if (!isRecent || read === undefined) {
      read = { monotonicMs, wallMs, uptimeMs: uptimeMs() };
      return read;
    }
    return { monotonicMs, wallMs, uptimeMs: read.uptimeMs + monotonicMs - read.monotonicMs };
  };
}
