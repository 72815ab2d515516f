/**
 * HTTP/1.1 requests that a peer sends without waiting for answers (pipelining).
 * Node parses, and so would answer, all that one read brings, and reads again
 * and again before it looks at anyone else: a peer that never reads its answers
 * could keep the process for as long as it keeps sending.
 *
 * A connection processes one request at a time, because the next may depend on what the
 * one before does (RFC 9112, 9.3.2), and begins at most `REQUESTS_PER_TURN` in one turn of
 * the event loop. Further requests wait, and the socket is not read, until the previous
 * answer is complete, the next turn begins, and the peer has read its answers. Each answer
 * is a write of its own, because Node undoes any cork of the socket when an answer ends;
 * Batch and HTTP/2 write less often.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '#platform/clock.ts';
import { ANSWER_WAIT_MS, REQUESTS_PER_TURN } from '#rpc/http1/bounds.ts';

/**
 * Requests that wait, over all connections: some 100 MB. One read brings some
 * 2,000 of them; a connection that brings more than there is room for is cut off.
 */
export const WAITING_MAX = 65_536;

export type Handle = (request: IncomingMessage, response: ServerResponse) => void;

export class RequestLanes {
  readonly #clock: Clock;
  readonly #handle: Handle;
  readonly #room: Room;
  readonly #lanes = new WeakMap<Socket, Lane>();
  /** Lanes that had requests in this turn. */
  #active: Lane[] = [];

  constructor(clock: Clock, handle: Handle, waitingMax = WAITING_MAX) {
    this.#clock = clock;
    this.#handle = handle;
    this.#room = { left: waitingMax, all: waitingMax };
  }

  /** Requests that wait, of all connections. */
  get waiting(): number {
    return this.#room.all - this.#room.left;
  }

  accept(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    let lane = this.#lanes.get(socket);
    if (lane === undefined) {
      lane = new Lane(socket, this.#room, this.#clock, this.#handle, (active) => this.#begin(active));
      this.#lanes.set(socket, lane);
    }
    lane.accept(request, response);
  }

  /** True if every request of the connection is answered. */
  isAnswered(socket: Socket): boolean {
    return this.#lanes.get(socket)?.isDone !== false;
  }

  /**
   * Calls back when every whole request of the connection is answered: at once
   * where that is so. Not where the connection ends before.
   */
  whenAnswered(socket: Socket, callback: () => void): void {
    const lane = this.#lanes.get(socket);
    if (lane === undefined) callback();
    else lane.whenAnswered(callback);
  }

  /** The lane takes part in this turn. */
  #begin(lane: Lane): void {
    if (this.#active.push(lane) > 1) return;
    void this.#clock.yield().then(() => {
      const active = this.#active;
      this.#active = [];
      for (const each of active) each.endTurn();
    });
  }
}

/** How many more may wait. */
interface Room {
  left: number;
  readonly all: number;
}

class Lane {
  readonly #socket: Socket;
  readonly #room: Room;
  readonly #clock: Clock;
  readonly #handle: Handle;
  readonly #begin: (lane: Lane) => void;
  /** Requests handled in this turn. */
  #count = 0;
  /** The answer to the last request that was handled. */
  #last: ServerResponse | undefined;
  /** The one of them whose end is watched. */
  #watched: ServerResponse | undefined;
  /** Ends the connection where that takes too long. */
  #limit: Timer | undefined;
  #waiting: { readonly request: IncomingMessage; readonly response: ServerResponse }[] = [];
  #isHeld = false;
  /** Called when no request waits any more. */
  #onHandled: (() => void) | undefined;

  constructor(socket: Socket, room: Room, clock: Clock, handle: Handle, begin: (lane: Lane) => void) {
    this.#socket = socket;
    this.#room = room;
    this.#clock = clock;
    this.#handle = handle;
    this.#begin = begin;
    // Node goes on reading after each request; while the lane is held it must not.
    socket.on('resume', () => {
      if (this.#isHeld) socket.pause();
    });
    socket.on('drain', () => {
      if (this.#waiting.length > 0) this.#handleWaiting();
    });
    socket.once('close', () => {
      this.#room.left += this.#waiting.length;
      this.#waiting = [];
      this.#limit?.cancel();
    });
  }

  get isDone(): boolean {
    return this.#waiting.length === 0 && this.#isAnswered;
  }

  accept(request: IncomingMessage, response: ServerResponse): void {
    if (this.#waiting.length > 0 || !this.#mayHandle()) {
      if (this.#room.left === 0) this.#socket.destroy();
      // Requests that were read before still arrive.
      if (this.#socket.destroyed) return;
      this.#room.left--;
      this.#waiting.push({ request, response });
      this.#hold();
      this.#watchLast();
      return;
    }
    this.#count++;
    if (this.#count === 1) this.#begin(this);
    this.#last = response;
    this.#handle(request, response);
  }

  whenAnswered(callback: () => void): void {
    const last = this.#last;
    // A request that is not whole is answered by the error about it.
    const due = last?.req.complete === true && !this.#isAnswered ? last : undefined;
    if (due === undefined && this.#waiting.length === 0) {
      callback();
      return;
    }
    const look = (): void => {
      if (!this.#socket.destroyed) this.whenAnswered(callback);
    };
    if (due === undefined) this.#onHandled = look;
    else due.once('close', look);
    this.#watchLast();
  }

  endTurn(): void {
    this.#count = 0;
    if (this.#waiting.length > 0) this.#handleWaiting();
  }

  #mayHandle(): boolean {
    return this.#isAnswered && this.#count < REQUESTS_PER_TURN && !this.#socket.writableNeedDrain;
  }

  get #isAnswered(): boolean {
    return this.#last === undefined || this.#last.writableEnded || this.#last.destroyed;
  }

  /** Goes on when the last request is answered; asked for only where another waits. */
  #watchLast(): void {
    const last = this.#last;
    if (last === undefined || this.#isAnswered || this.#watched === last) return;
    this.#watched = last;
    const limit = this.#clock.after(ANSWER_WAIT_MS, () => this.#socket.destroy());
    this.#limit = limit;
    last.once('close', () => {
      limit.cancel();
      if (this.#waiting.length > 0) this.#handleWaiting();
    });
  }

  #handleWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let next = 0;
    for (; next < waiting.length && this.#mayHandle(); next++) {
      const { request, response } = waiting[next] as (typeof waiting)[number];
      this.accept(request, response);
    }
    this.#room.left += next;
    this.#waiting = waiting.slice(next);
    if (this.#waiting.length > 0) {
      this.#watchLast();
      return;
    }
    this.#release();
    this.#onHandled?.();
    this.#onHandled = undefined;
  }

  #hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#socket.pause();
  }

  #release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#socket.resume();
  }
}
