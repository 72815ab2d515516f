/**
 * Get, Set, Delete, Increment and Touch from a request's bytes to an answer's, without
 * messages in between: what the common form of a request takes, and exactly what
 * `kv-codec.ts` would answer. A Get that can be answered at once and a write that asks for
 * nothing but being visible go through the bulk port, where there is one; everything else
 * becomes a command for the port.
 */
import { type Awaitable, mapAwaitable } from '#model/awaitable.ts';
import { areServed, type BulkPort, type ReadMoment, type SetsAnswer, TOO_LONG } from '#model/bulk.ts';
import { WalnutError } from '#model/errors.ts';
import { type Later, mapSoon } from '#model/later.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { CallWish } from '#model/wish.ts';
import type { WriteId } from '#model/write-id.ts';
import { asBuffer } from '#platform/bytes.ts';
import type { CallForm } from '#wire/call-form.ts';
import { DELETE, GET, INCREMENT, type OperationColumns, SET, TOUCH } from '#wire/kv-columns.ts';

/** The bytes of an answer, at once or later. */
export type Encoded = Awaitable<Buffer> | Later<Buffer>;

/** What tells that a caller went away: asked for only where something may wait. */
export interface Caller {
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

  constructor(port: KeyValuePort, bulk: BulkPort | undefined, form: CallForm, endOf = endOfCaller) {
    this.#endOf = endOf;
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
      const soon = this.#bulkFor(command)?.deleteSoon(command);
      if (soon !== undefined) return mapSoon(soon, (settled) => form.delete(settled, headroom));
      const answer = this.#port.delete(command, this.#signalOf(caller));
      return mapAwaitable(answer, (settled) => form.delete(settled, headroom));
    } finally {
      form.close();
    }
  }

  increment(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    try {
      if (!form.read(INCREMENT, asBuffer(request))) return undefined;
      const command = form.columns.incrementCommand(0);
      const soon = this.#bulkFor(command)?.incrementSoon(command);
      if (soon !== undefined) return mapSoon(soon, (settled) => form.increment(settled, headroom));
      const answer = this.#port.increment(command, this.#signalOf(caller));
      return mapAwaitable(answer, (settled) => form.increment(settled, headroom));
    } finally {
      form.close();
    }
  }

  touch(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    try {
      if (!form.read(TOUCH, asBuffer(request))) return undefined;
      const command = form.columns.touchCommand(0);
      const soon = this.#bulkFor(command)?.touchSoon(command);
      if (soon !== undefined) return mapSoon(soon, (settled) => form.touch(settled, headroom));
      const answer = this.#port.touch(command, this.#signalOf(caller));
      return mapAwaitable(answer, (settled) => form.touch(settled, headroom));
    } finally {
      form.close();
    }
  }

  /** A write with a name may be one that was carried out before, which the port knows. */
  #bulkFor({ id }: { readonly id?: WriteId | undefined }): BulkPort | undefined {
    return id === undefined ? this.#bulk : undefined;
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
      return mapAwaitable(this.#port.get(command, signal), (settled) => encode(settled, headroom));
    }
    const { bytes } = columns;
    const offset = columns.keyOffsets[0] as number;
    const length = columns.keyBytes[0] as number;
    const found = moment.entries.findShort(bytes, offset, length, valueBytesMax);
    return found === TOO_LONG ? undefined : form.found(moment, found, headroom);
  }

  #set(caller: Caller, headroom: number): Encoded | undefined {
    const form = this.#form;
    const { columns } = form;
    const made = columns.areSets ? this.#bulk?.sets(columns) : undefined;
    if (made !== undefined) return mapSoon(made, (settled) => encodeMade(form, settled, headroom));
    const answer = this.#port.set(columns.setCommand(0), this.#signalOf(caller));
    return mapAwaitable(answer, (settled) => form.set(settled, headroom));
  }
}

function encodeMade(form: CallForm, { answer, refused }: SetsAnswer, headroom: number): Buffer {
  if (answer === undefined) throw refused.get(0);
  return form.set(answer, headroom);
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
