/** Watches of whole nodes, read in the background as a client reads them. */
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type { WatchCommand, WatchEvent, WatchMessage, WatchOutlet } from '#model/watch.ts';
import { PackedEvent } from '#watch/packed-change.ts';

export interface Watchable {
  watch(command: WatchCommand, signal: AbortSignal, outlet?: WatchOutlet): AsyncIterable<WatchMessage>;
}

/** How messages come: all by the iteration, or through an outlet once the first has come. */
export type Way = 'iteration' | 'outlet';
export const WAYS: readonly Way[] = ['iteration', 'outlet'];

export const EVERYTHING: WatchCommand = {
  target: { kind: 'prefix', prefix: '' },
  after: undefined,
  ops: undefined,
  withPrevious: false,
  keysOnly: false,
  progressEveryMs: 1_000,
  isInitial: false,
};

/** One watch and all that it told. */
export class Following {
  readonly messages: WatchMessage[] = [];
  /** How many of them came through the outlet. */
  sent = 0;
  error: unknown;
  isOver = false;
  /** While it is true nothing is read: the watcher is slow. */
  isStuck = false;
  #unstick: (() => void) | undefined;
  readonly #aborter = new AbortController();

  constructor(node: Watchable, changes: Partial<WatchCommand> = {}, way: Way = 'iteration') {
    const outlet = way === 'outlet' ? this.#outlet() : undefined;
    void this.#read(node.watch({ ...EVERYTHING, ...changes }, this.#aborter.signal, outlet));
  }

  #outlet(): WatchOutlet {
    const following = this;
    return {
      get isOpen() {
        return following.messages.length > 0;
      },
      send(message, onReady) {
        if (following.#unstick !== undefined) throw new Error('a message is sent before the outlet is ready');
        const { events } = message;
        const kept = Array.from({ length: events.length }, (_, i) => keptOf(events.at(i) as WatchEvent));
        following.messages.push({ ...message, events: kept });
        following.sent++;
        if (!following.isStuck) return true;
        following.#unstick = () => {
          following.#unstick = undefined;
          onReady();
        };
        return false;
      },
    };
  }

  get events(): WatchEvent[] {
    return this.messages.flatMap(({ events }) => events);
  }

  get position(): Position | undefined {
    return this.messages.at(-1)?.position;
  }

  /** The newest position that the watch can go on from. */
  get resumeAfter(): Position | undefined {
    return this.messages.findLast(({ canResume }) => canResume)?.position;
  }

  /** What was told, short: `k=v` for a set, `-k` for a delete. */
  get told(): string[] {
    return this.events.map(shortOf);
  }

  get code(): string | undefined {
    return this.error instanceof WalnutError ? this.error.code : undefined;
  }

  unstick(): void {
    this.isStuck = false;
    this.#unstick?.();
  }

  stop(): void {
    this.#aborter.abort();
    this.unstick();
  }

  async #read(messages: AsyncIterable<WatchMessage>): Promise<void> {
    try {
      for await (const message of messages) {
        this.messages.push(message);
        if (this.isStuck) await new Promise<void>((resolve) => (this.#unstick = resolve));
        this.#unstick = undefined;
      }
    } catch (error) {
      this.error = error;
    }
    this.isOver = true;
  }
}

/** The event as it is now. */
function keptOf(event: WatchEvent): WatchEvent {
  if (!(event instanceof PackedEvent)) return event;
  const { op, cause, key, value, contentType, version, expireAtMs, timestampMs } = event;
  const { previous, isPreviousUnknown, isInitial } = event;
  return {
    ...{ op, cause, key, value, contentType, version: { ...version }, expireAtMs, timestampMs },
    ...{ previous, isPreviousUnknown, isInitial },
  };
}

/** Throws where a position was told before a change up to it, or went back. */
export function checkOrder({ messages }: Following): void {
  let at = 0;
  for (const { events, position } of messages) {
    const early = events.find(({ isInitial, version }) => !isInitial && version.lsn <= at);
    if (early !== undefined)
      throw new Error(`${shortOf(early)} of ${early.version.lsn} was told after position ${at}`);
    if (position.lsn < at) throw new Error(`position ${position.lsn} was told after ${at}`);
    at = position.lsn;
  }
}

export function shortOf({ op, key, value, isInitial }: WatchEvent): string {
  const what = op === 'set' ? `${key}=${Buffer.from(value).toString()}` : `-${key}`;
  return isInitial ? `(${what})` : what;
}
