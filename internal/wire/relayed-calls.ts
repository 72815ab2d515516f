/**
 * Single calls at a gateway: passed on as bytes in the common form of a request, else carried
 * out by commands.
 */
import type { RelayPort } from '#model/relay.ts';
import { asBuffer } from '#platform/bytes.ts';
import { type Caller, type Encoded, type EndOf, endOfCaller, type KeyValueCalls } from '#wire/kv-calls.ts';
import { DELETE, GET, INCREMENT, SET, TOUCH } from '#wire/kv-columns.ts';
import { RequestReader } from '#wire/kv-reader.ts';
import { ReadOne } from '#wire/relayed-message.ts';

type Method = 'get' | 'set' | 'delete' | 'increment' | 'touch';
/** See `KeyValueCalls`. */
export type SingleCalls = {
  readonly [method in Method]: (...given: Parameters<KeyValueCalls[method]>) => Encoded | undefined;
};

export class RelayedCalls implements SingleCalls {
  readonly #endOf: EndOf;
  readonly #reader: RequestReader;
  readonly #one: ReadOne;
  readonly #relay: RelayPort;
  readonly #general: SingleCalls;

  /** `general`: takes what is not passed on, for callers without a name. */
  constructor(relay: RelayPort, general: SingleCalls, valueBytesMax: number, endOf = endOfCaller) {
    this.#endOf = endOf;
    this.#relay = relay;
    this.#general = general;
    this.#reader = new RequestReader(valueBytesMax);
    this.#one = new ReadOne(this.#reader.columns);
  }

  get(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    return this.#pass(GET, request, caller, headroom) ?? this.#carryOut('get', request, caller, headroom);
  }

  set(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    return this.#pass(SET, request, caller, headroom) ?? this.#carryOut('set', request, caller, headroom);
  }

  delete(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    return (
      this.#pass(DELETE, request, caller, headroom) ?? this.#carryOut('delete', request, caller, headroom)
    );
  }

  increment(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    return (
      this.#pass(INCREMENT, request, caller, headroom) ??
      this.#carryOut('increment', request, caller, headroom)
    );
  }

  touch(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    return this.#pass(TOUCH, request, caller, headroom) ?? this.#carryOut('touch', request, caller, headroom);
  }

  #pass(kind: number, request: Uint8Array, caller: Caller, headroom: number): Promise<Buffer> | undefined {
    const reader = this.#reader;
    try {
      if (!reader.readOne(kind, asBuffer(request))) return undefined;
      const signal = caller.hasDeadline || reader.columns.mayWait ? this.#endOf(caller) : undefined;
      this.#one.headroom = headroom;
      return this.#relay.one(this.#one, signal, caller.wish?.user)?.then(({ bytes }) => asBuffer(bytes));
    } finally {
      reader.close();
    }
  }

  /** The general way knows no users: undefined for a caller who is one. */
  #carryOut(method: Method, request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    return caller.wish === undefined ? this.#general[method](request, caller, headroom) : undefined;
  }
}
