/**
 * Get, Set, Delete, Increment and Touch from a request's bytes to an answer's, without
 * messages in between: what the common form of a request takes, and exactly what
 * `kv-codec.ts` would answer. A Get that can be answered at once and a write that asks for
 * nothing but being visible go through the bulk port, where there is one; everything else
 * becomes a command for the port.
 */
import { type Awaitable, mapAwaitable } from '#model/awaitable.ts';
import { areServed, type BulkPort, type ReadMoment, type SetsAnswer, TOO_LONG } from '#model/bulk.ts';
import type { IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { type Later, mapSoon } from '#model/later.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { CallWish } from '#model/wish.ts';
import { asBuffer } from '#platform/bytes.ts';
import type { CallForm } from '#wire/call-form.ts';
import { DELETE, GET, INCREMENT, type OperationColumns, SET, TOUCH } from '#wire/kv-columns.ts';
import type { ToldCaller, ToldGroup } from '#wire/told-group.ts';

/** The bytes of an answer, at once or later. */
export type Encoded = Awaitable<Buffer> | Later<Buffer>;

/** What tells that a caller went away: asked for only where something may wait. */
export interface Caller extends ToldCaller {
  readonly hasDeadline: boolean;
  readonly signal: AbortSignal;
  /** See `UnaryContext`. */
  timeoutMs?(): number | undefined;
  /** Calls at a gateway tell the nodes its user, and have no other wish. */
  readonly wish?: CallWish | undefined;
  /** Metadata of the answer. */
  readonly responseHeader?: Headers;
  /** A large answer is about to be made in slices: see `Exchange`. */
  beginLarge?(): void;
}

/** When the work for a caller ends. A gateway ends it while its answer still arrives. */
export type EndOf = (caller: Caller) => AbortSignal;

export const endOfCaller: EndOf = ({ signal }) => signal;

/**
 * One per edge and form: its buffers serve one request after another. Each method takes
 * the bytes of a request and gives those of the answer with `headroom` unwritten ones
 * before them; undefined where the request has another form, with nothing done.
 */
export class KeyValueCalls {
  readonly #endOf: EndOf;
  readonly #port: KeyValuePort;
  readonly #bulk: BulkPort | undefined;
  readonly #form: CallForm;
  readonly #encodeGet: CallForm['get'];
  readonly #group: ToldGroup | undefined;

  /** `group`: names the group of a node; undefined: answers name it already, or there is none. */
  constructor(
    port: KeyValuePort,
    bulk: BulkPort | undefined,
    form: CallForm,
    endOf = endOfCaller,
    group?: ToldGroup,
  ) {
    this.#endOf = endOf;
    this.#group = group;
    this.#port = port;
    this.#bulk = bulk;
    this.#form = form;
    this.#encodeGet = form.get?.bind(form);
  }

  get(request: Uint8Array, caller: Caller, headroom: number): Awaitable<Buffer> | undefined {
    try {
      return this.#form.read(GET, asBuffer(request)) ? this.#get(caller, headroom) : undefined;
    } finally {
      this.#form.close();
    }
  }

  set(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    try {
      return this.#form.read(SET, asBuffer(request)) ? this.#set(caller, headroom) : undefined;
    } finally {
      this.#form.close();
    }
  }

  delete(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    try {
      if (!form.read(DELETE, asBuffer(request))) return undefined;
      const command = form.columns.deleteCommand(0);
      const soon = this.#bulk?.deleteSoon(command);
      const encode = (settled: WriteAnswer): Buffer => form.delete(this.#told(settled, caller), headroom);
      if (soon !== undefined) return mapSoon(soon, encode);
      return mapAwaitable(this.#port.delete(command, this.#signalOf(caller)), encode);
    } finally {
      form.close();
    }
  }

  increment(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    try {
      if (!form.read(INCREMENT, asBuffer(request))) return undefined;
      const command = form.columns.incrementCommand(0);
      const soon = this.#bulk?.incrementSoon(command);
      const encode = (settled: IncrementAnswer): Buffer =>
        form.increment(this.#told(settled, caller), headroom);
      if (soon !== undefined) return mapSoon(soon, encode);
      return mapAwaitable(this.#port.increment(command, this.#signalOf(caller)), encode);
    } finally {
      form.close();
    }
  }

  touch(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    try {
      if (!form.read(TOUCH, asBuffer(request))) return undefined;
      const command = form.columns.touchCommand(0);
      const soon = this.#bulk?.touchSoon(command);
      const encode = (settled: TouchAnswer): Buffer => form.touch(this.#told(settled, caller), headroom);
      if (soon !== undefined) return mapSoon(soon, encode);
      return mapAwaitable(this.#port.touch(command, this.#signalOf(caller)), encode);
    } finally {
      form.close();
    }
  }

  /** The signal is made when it is read, so it is read only where it is used. */
  #signalOf(caller: Caller): AbortSignal | undefined {
    return caller.hasDeadline ? this.#endOf(caller) : undefined;
  }

  #get(caller: Caller, headroom: number): Awaitable<Buffer> | undefined {
    const form = this.#form;
    const { columns, valueBytesMax } = form;
    const moment = momentFor(columns, this.#bulk);
    if (moment === undefined) {
      const encode = this.#encodeGet;
      if (encode === undefined) return undefined;
      const command = columns.getCommand(0);
      const signal = command.waitMs > 0 ? this.#endOf(caller) : this.#signalOf(caller);
      return mapAwaitable(this.#port.get(command, signal), (settled) =>
        encode(this.#group?.read(settled, caller) ?? settled, headroom),
      );
    }
    const { bytes } = columns;
    const offset = columns.keyOffsets[0] as number;
    const length = columns.keyBytes[0] as number;
    const found = moment.entries.findShort(bytes, offset, length, valueBytesMax);
    if (found === TOO_LONG) return undefined;
    return form.found(this.#group?.moment(moment, caller) ?? moment, found, headroom);
  }

  #set(caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    const { columns } = form;
    const made = columns.areSets ? this.#bulk?.sets(columns) : undefined;
    const encode = (settled: WriteAnswer): Buffer => form.set(this.#told(settled, caller), headroom);
    if (made !== undefined) return mapSoon(made, (settled) => encode(onlyOne(settled)));
    const command = columns.setCommand(0);
    const soon = this.#bulk?.setSoon(command);
    if (soon !== undefined) return mapSoon(soon, encode);
    return mapAwaitable(this.#port.set(command, this.#signalOf(caller)), encode);
  }

  #told<A extends WriteAnswer>(answer: A, caller: Caller): A {
    return this.#group?.written(answer, caller) ?? answer;
  }
}

function onlyOne({ answer, refused }: SetsAnswer): WriteAnswer {
  if (answer === undefined) throw refused.get(0);
  return answer;
}

/** The moment to read at; undefined where what was read cannot be answered at once. */
export function momentFor(columns: OperationColumns, bulk: BulkPort | undefined): ReadMoment | undefined {
  if (bulk === undefined) return undefined;
  try {
    const moment = bulk.moment();
    const isServed = moment.serves === undefined || areServed(columns, moment.serves);
    return isServed && columns.areIncluded(moment.includes) ? moment : undefined;
  } catch (error) {
    // Commands are refused for it one by one.
    if (error instanceof WalnutError) return undefined;
    throw error;
  }
}
