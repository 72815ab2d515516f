/** Values of the caller as bytes, and back. */
import { Code } from '@connectrpc/connect';
import { shown } from '#platform/shown.ts';
import { messageOf } from '#platform/thrown.ts';
import { CallError, invalid, notGiven } from './failures.ts';

export interface Codec<T> {
  encode(value: T): Uint8Array;
  /** Throws for bytes that are no such value. */
  decode(bytes: Uint8Array): T;
}

/** Throws INVALID_ARGUMENT for what cannot encode and decode. */
export function checkCodec(codec: unknown): void {
  const { encode, decode } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof encode !== 'function' || typeof decode !== 'function')
    throw invalid(`codec is ${shown(codec)}: expected json(), text(), bytes(), or { encode, decode }`);
}

/** The bytes of the value of `key`. Throws INVALID_ARGUMENT where there are none. */
export function encoded<T>(codec: Codec<T>, key: string, value: T): Uint8Array {
  try {
    const content: unknown = codec.encode(value);
    if (content instanceof Uint8Array) return content;
    throw new TypeError(`the codec gave ${shown(content)}: expected a Uint8Array`);
  } catch (error) {
    if (error instanceof CallError) throw error;
    throw invalid(`the value of ${JSON.stringify(key)} cannot be encoded: ${messageOf(error)}`);
  }
}

/** The value of `key`. Throws FAILED_PRECONDITION, with the outcome of the call, where the bytes are none. */
export function decoded<T>(
  codec: Codec<T>,
  key: string,
  content: Uint8Array,
  outcome: 'done' | 'not_done',
): T {
  try {
    return codec.decode(content);
  } catch (error) {
    if (error instanceof CallError) throw error;
    const why = `the value of ${JSON.stringify(key)} cannot be decoded: ${messageOf(error)}`;
    throw notGiven(why, Code.FailedPrecondition, outcome);
  }
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** JSON. What JSON cannot say (undefined, a function, a bigint) is refused when it is written. */
export function json<T>(): Codec<T> {
  return {
    encode: (value) => {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new TypeError(`a value of type ${typeof value} is no JSON`);
      return ENCODER.encode(text);
    },
    decode: (bytes) => JSON.parse(DECODER.decode(bytes)) as T,
  };
}

/** Text as UTF-8. Text with lone surrogates is refused: it would come back as another. */
export function text(): Codec<string> {
  return {
    encode: (value) => {
      if (!value.isWellFormed()) throw new TypeError('text with lone surrogates');
      return ENCODER.encode(value);
    },
    decode: (bytes) => DECODER.decode(bytes),
  };
}

/** Bytes as they are. Who reads them has a copy, since callers share what one load gave, and what is kept near. */
export function bytes(): Codec<Uint8Array> {
  return { encode: (value) => value, decode: (value) => new Uint8Array(value) };
}
