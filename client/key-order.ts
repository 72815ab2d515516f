/**
 * Keeps the order of calls of one key where one of them may wait for long: those after
 * it begin when it is over, and calls of other keys do not wait for it.
 */
import { Code } from '@connectrpc/connect';
import { Fifo } from '#platform/fifo.ts';
import { type CallError, refusedHere } from './failures.ts';

/** A call as far as its order matters. */
export interface Turn {
  /** Each once. */
  readonly keys: readonly string[];
  /** True: later calls of its keys begin after `leave`; false: as soon as it has begun. */
  readonly keepsKeys: boolean;
  /** If it throws, `fail` is called with the error: the call has not begun then, and leaves its keys. */
  readonly begin: () => void;
  readonly fail: (error: CallError) => void;
}

export class KeyOrder {
  readonly #waitingMax: number;
  /** By key: the call that has it, and those that wait, in their order. */
  readonly #queues = new Map<string, Fifo<Turn>>();
  #waiting = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** Begins the call now, or after those of its keys. It fails with RESOURCE_EXHAUSTED if too many wait. */
  enter(turn: Turn): void {
    const isFree = turn.keys.every((key) => !this.#queues.has(key));
    if (isFree && !turn.keepsKeys) {
      tryToBegin(turn);
      return;
    }
    if (!isFree && this.#waiting >= this.#waitingMax) {
      const why = `${this.#waiting} calls wait for earlier ones of their keys: expected at most ${this.#waitingMax} (queuedOperationsMax)`;
      turn.fail(refusedHere(why, Code.ResourceExhausted));
      return;
    }
    for (const key of turn.keys) {
      const queue = this.#queues.get(key) ?? new Fifo();
      queue.push(turn);
      this.#queues.set(key, queue);
    }
    if (!isFree) this.#waiting++;
    else if (!tryToBegin(turn)) this.leave(turn);
  }

  /** The call, which has its keys, is over: begins those that waited for it. */
  leave(turn: Turn): void {
    const over = [turn];
    for (let one = over.pop(); one !== undefined; one = over.pop()) {
      const next = new Set(one.keys.map((key) => this.#remove(key)));
      for (const each of next) {
        if (each === undefined || !this.#isFirst(each)) continue;
        this.#waiting--;
        if (!tryToBegin(each) || !each.keepsKeys) over.push(each);
      }
    }
  }

  /** Returns the call that is first now. */
  #remove(key: string): Turn | undefined {
    const queue = this.#queues.get(key);
    queue?.drop(1);
    if (queue?.length === 0) this.#queues.delete(key);
    return queue?.at(0);
  }

  #isFirst(turn: Turn): boolean {
    return turn.keys.every((key) => this.#queues.get(key)?.at(0) === turn);
  }
}

function tryToBegin({ begin, fail }: Turn): boolean {
  try {
    begin();
    return true;
  } catch (error) {
    fail(error as CallError);
    return false;
  }
}
