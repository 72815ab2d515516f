/** Frames as bytes and back, and a peer of a connection that records what it is told. */
import type { Head } from '#http/hpack/head.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';
import type { ConnectionFailure, Http2Events } from '#http/http2/events.ts';
import {
  CLIENT_PREFACE,
  Flag,
  FrameType,
  readUint32,
  writeFrameHead,
  writeUint32,
} from '#http/http2/frame.ts';
import { Http2Connection, type Http2Options } from '#http/http2/http2-connection.ts';
import { OutputPool } from '#http/http2/output.ts';
import type { Stream } from '#http/http2/stream.ts';

export function frame(type: number, flags: number, id: number, payload: Uint8Array | number[] = []): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  writeFrameHead(bytes, 0, payload.length, type, flags, id);
  bytes.set(payload, 9);
  return bytes;
}

export const uint32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    writeUint32(bytes, i * 4, value);
  });
  return bytes;
};

export const settings = (entries: readonly (readonly [number, number])[] = []): Buffer =>
  frame(
    FrameType.settings,
    0,
    0,
    Buffer.concat(entries.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), uint32(value)]))),
  );
export const settingsAck = (): Buffer => frame(FrameType.settings, Flag.ack, 0);
export const data = (id: number, bytes: Uint8Array | number, flags = 0): Buffer =>
  frame(FrameType.data, flags, id, typeof bytes === 'number' ? Buffer.alloc(bytes, 'd') : bytes);
export const padded = (id: number, content: number, padding: number, flags = 0): Buffer =>
  data(id, Buffer.concat([Buffer.from([padding]), Buffer.alloc(content + padding)]), flags | Flag.padded);
export const windowUpdate = (id: number, increment: number): Buffer =>
  frame(FrameType.windowUpdate, 0, id, uint32(increment));
export const reset = (id: number, code = 8): Buffer => frame(FrameType.rstStream, 0, id, uint32(code));
export const ping = (flags = 0, text = 'pingpong'): Buffer =>
  frame(FrameType.ping, flags, 0, Buffer.from(text));
export const goaway = (last: number, code = 0): Buffer => frame(FrameType.goaway, 0, 0, uint32(last, code));

export const GET: FieldList = [':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', '/'];
export const POST: FieldList = [':method', 'POST', ':scheme', 'http', ':authority', 'a', ':path', '/'];
export const OK: FieldList = [':status', '200'];

/** A block of plain literals, whatever is wrong with them: `prepareBlock` would refuse. */
export function rawBlock(fields: FieldList): Buffer {
  const strings = fields.map((each) => Buffer.concat([length7(each.length), Buffer.from(each, 'latin1')]));
  return Buffer.concat(
    strings.map((bytes, i) => (i % 2 === 0 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)),
  );
}

/** An integer with a prefix of seven bits, below 127 + 2^14. */
const length7 = (n: number): Buffer =>
  n < 127
    ? Buffer.of(n)
    : n < 255
      ? Buffer.of(127, n - 127)
      : Buffer.of(127, ((n - 127) & 127) | 128, (n - 127) >> 7);

/** HEADERS of one frame; END_STREAM unless told otherwise. */
export const headers = (id: number, fields: FieldList = GET, flags: number = Flag.endStream): Buffer =>
  frame(FrameType.headers, flags | Flag.endHeaders, id, rawBlock(fields));

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function parseFrames(bytes: Buffer): SeenFrame[] {
  const frames: SeenFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const payload = bytes.subarray(at + 9, at + 9 + length);
    frames.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      id: readUint32(bytes, at + 5),
      payload,
    });
    at += 9 + length;
  }
  return frames;
}

const NAMES = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]));

/** `RST_STREAM of stream 5 with code 8` as `rstStream 5 8`; the like for the others. */
export function describeFrame({ type, flags, id, payload }: SeenFrame): string {
  const name = NAMES[type] ?? String(type);
  switch (type) {
    case FrameType.rstStream:
    case FrameType.windowUpdate:
      return `${name} ${id} ${readUint32(payload, 0)}`;
    case FrameType.goaway:
      return `${name} ${readUint32(payload, 0)} ${readUint32(payload, 4)}`;
    case FrameType.settings:
    case FrameType.ping:
      return (flags & Flag.ack) !== 0 ? `${name} ack` : name;
    default:
      return `${name} ${id} ${payload.length}${(flags & Flag.endStream) !== 0 ? ' end' : ''}`;
  }
}

/** A connection whose events are kept as text, in order. */
export class Peer implements Http2Events {
  readonly connection: Http2Connection;
  readonly seen: string[] = [];
  readonly heads: Head[] = [];
  readonly streams = new Map<number, Stream>();
  failure: ConnectionFailure | undefined;
  /** Replaced by tests that answer. */
  answer: (stream: Stream) => void = () => {};
  onHeadHook: (stream: Stream, head: Head) => void = () => {};
  releasesAtOnce = true;
  nowMs = 0;
  readonly #digestsData: boolean;

  constructor(options: Partial<Http2Options> & { readonly digestsData?: boolean } = {}) {
    this.#digestsData = options.digestsData ?? false;
    this.connection = new Http2Connection({
      side: 'server',
      pool: new OutputPool(),
      nowMs: 0,
      ...options,
      events: this,
    });
  }

  onHead(stream: Stream, head: Head, isEnd: boolean): void {
    this.streams.set(stream.id, stream);
    this.heads.push(head);
    const what = head.status === 0 ? `${head.method} ${head.path}` : String(head.status);
    this.seen.push(`head ${stream.id} ${what}${end(isEnd)}`);
    this.onHeadHook(stream, head);
    if (isEnd) this.answer(stream);
  }

  onData(stream: Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const what = this.#digestsData ? bytes.toString('hex', from, to) : to - from;
    this.seen.push(`data ${stream.id} ${what}${end(isEnd)}`);
    if (isEnd) this.answer(stream);
  }

  onTrailers(stream: Stream, trailers: Head): void {
    this.seen.push(
      `trailers ${stream.id} ${trailers.fields.map(({ name, value }) => `${name}=${value}`).join(',')}`,
    );
    this.answer(stream);
  }

  onReset(stream: Stream, code: number, by: string): void {
    this.seen.push(`reset ${stream.id} ${code} ${by}`);
    if (this.releasesAtOnce) this.connection.release(stream);
  }

  onDrain(stream: Stream): void {
    this.seen.push(`drain ${stream.id}`);
  }

  onGoaway(lastStreamId: number, code: number): void {
    this.seen.push(`goaway ${lastStreamId} ${code}`);
  }

  onFailure(failure: ConnectionFailure): void {
    this.failure = failure;
    this.seen.push(`failure ${failure.code}`);
  }

  receive(...chunks: Buffer[]): void {
    for (const chunk of chunks) this.connection.receive(chunk, this.nowMs);
  }

  /** What is written, as frames in words; a client's preface is left out. */
  take(): string[] {
    return this.takeFrames().map(describeFrame);
  }

  takeFrames(): SeenFrame[] {
    return parseFrames(this.takeBytes());
  }

  takeBytes(): Buffer {
    const bytes = Buffer.from(this.connection.takeOutput(this.nowMs) ?? []);
    this.connection.reuseOutput();
    const hasPreface = bytes.subarray(0, CLIENT_PREFACE.length).equals(CLIENT_PREFACE);
    return hasPreface ? bytes.subarray(CLIENT_PREFACE.length) : bytes;
  }

  stream(id: number): Stream {
    return this.streams.get(id) as Stream;
  }
}

const end = (isEnd: boolean): string => (isEnd ? ' end' : '');

/** A server that has shaken hands with its client, and whose first output is taken. */
export function openServer(options: Partial<Http2Options> & { readonly digestsData?: boolean } = {}): Peer {
  const peer = new Peer(options);
  peer.receive(Buffer.from(CLIENT_PREFACE), settings(), settingsAck());
  peer.takeBytes();
  return peer;
}

export function openClient(options: Partial<Http2Options> = {}): Peer {
  const peer = new Peer({ side: 'client', ...options });
  peer.receive(settings(), settingsAck());
  peer.takeBytes();
  return peer;
}

/** Takes what `from` has to say to `to`; returns how many octets that was. */
export function exchange(from: Peer, to: Peer): number {
  const bytes = Buffer.from(from.connection.takeOutput(from.nowMs) ?? []);
  from.connection.reuseOutput();
  if (bytes.length > 0) to.receive(bytes);
  return bytes.length;
}
