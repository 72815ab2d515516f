/**
 * Calls over HTTP/2 whose heads differ in deadline and trace context, from a process of its
 * own. Frames are written and read by hand, and heads are encoded as Go's net/http and
 * nghttp2 do it, with every field put into the dynamic table: Node's client makes 31,000
 * such calls a second, fewer than the servers that are to be compared can answer. Its
 * argument is that of own-load.ts. Prints how many calls were answered with a 2xx.
 */
import { connect, type Socket } from 'node:net';
import { HpackEncoder } from '#http/hpack/hpack-encoder.ts';
import {
  CLIENT_PREFACE,
  Flag,
  FRAME_HEAD_BYTES,
  FrameType,
  WINDOW_DEFAULT,
  WINDOW_MAX,
  writeFrameHead,
  writeUint32,
} from '#http/http2/frame.ts';
import { FrameReader } from '#http/http2/frame-reader.ts';
import { OwnHeads } from './own-head.ts';

interface Shape {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly body: string;
  readonly port: number;
  readonly seconds: number;
  readonly sessions: number;
  readonly streams: number;
}

const shape = JSON.parse(process.argv[2] ?? '{}') as Shape;
const body = Buffer.from(shape.body, 'base64');
const heads = new OwnHeads();
/** `:status: 200` of the static table, and what tells a change of the table's size before it. */
const STATUS_200 = 0x88;
const isSizeUpdate = (octet: number): boolean => octet >>> 5 === 1;
const OUTPUT_BYTES = 65_536;
let answered = 0;
let isOver = false;

/** One connection, with `streams` calls under way. */
class Session {
  readonly #socket: Socket;
  readonly #encoder = new HpackEncoder(true, new Set());
  readonly #reader = new FrameReader({
    onFrame: (bytes, at, length) => this.#onFrame(bytes, at, length),
    onOversized: (length) => fail(`a frame of ${length} bytes`),
  });
  #output = Buffer.allocUnsafe(OUTPUT_BYTES);
  #at = 0;
  #nextId = 1;

  constructor() {
    this.#socket = connect({ host: '127.0.0.1', port: shape.port, noDelay: true });
    this.#socket.on('error', (error) => fail(error.message));
    this.#socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes, 0);
      this.#flush();
    });
    this.#socket.on('connect', () => {
      const window = Buffer.alloc(4);
      writeUint32(window, 0, WINDOW_MAX - WINDOW_DEFAULT);
      this.#socket.write(CLIENT_PREFACE);
      this.#frame(FrameType.settings, Flag.none, 0, Buffer.alloc(0));
      this.#frame(FrameType.windowUpdate, Flag.none, 0, window);
      for (let i = 0; i < shape.streams; i++) this.#ask();
      this.#flush();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onFrame(bytes: Buffer, at: number, length: number): boolean {
    const [type, flags] = [bytes[at + 3], bytes[at + 4] as number];
    const from = at + FRAME_HEAD_BYTES;
    const payload = bytes.subarray(from, from + length);
    if (type === FrameType.settings && (flags & Flag.ack) === 0)
      this.#frame(FrameType.settings, Flag.ack, 0, Buffer.alloc(0));
    else if (type === FrameType.ping && (flags & Flag.ack) === 0)
      this.#frame(FrameType.ping, Flag.ack, 0, payload);
    else if (type === FrameType.rstStream || type === FrameType.goaway) fail(`a frame of type ${type}`);
    else if (type === FrameType.headers && isStatus200(payload)) answered++;
    const isEnd = (type === FrameType.headers || type === FrameType.data) && (flags & Flag.endStream) !== 0;
    if (isEnd && !isOver) this.#ask();
    return true;
  }

  #ask(): void {
    const { timeoutMs, traceparent } = heads.next();
    const type = shape.contentType === undefined ? [] : ['content-type', shape.contentType];
    const fields = [
      ':method',
      shape.method,
      ':path',
      shape.path,
      ':scheme',
      'http',
      ':authority',
      '127.0.0.1',
    ];
    fields.push('te', 'trailers', ...type, 'connect-timeout-ms', timeoutMs, 'traceparent', traceparent);
    const end = body.length === 0 ? Flag.endStream : 0;
    this.#frame(FrameType.headers, Flag.endHeaders | end, this.#nextId, this.#encoder.encode(fields));
    if (body.length > 0) this.#frame(FrameType.data, Flag.endStream, this.#nextId, body);
    this.#nextId += 2;
  }

  #frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (this.#at + FRAME_HEAD_BYTES + payload.length > OUTPUT_BYTES) this.#flush();
    writeFrameHead(this.#output, this.#at, payload.length, type, flags, streamId);
    this.#output.set(payload, this.#at + FRAME_HEAD_BYTES);
    this.#at += FRAME_HEAD_BYTES + payload.length;
  }

  /** What was asked behind one read leaves in one write, as that of other clients does. */
  #flush(): void {
    if (this.#at === 0) return;
    const rest = this.#output.subarray(0, this.#at);
    this.#socket.write(rest);
    // The kernel mostly takes all at once; else the buffer is the socket's.
    if (this.#socket.writableLength > 0) this.#output = Buffer.allocUnsafe(OUTPUT_BYTES);
    this.#at = 0;
  }
}

function isStatus200(block: Buffer): boolean {
  const first = block.findIndex((octet) => !isSizeUpdate(octet));
  return block[first] === STATUS_200;
}

function fail(why: string): never {
  process.stderr.write(`own-http2-load: ${why}\n`);
  process.exit(1);
}

const sessions = Array.from({ length: shape.sessions }, () => new Session());
setTimeout(() => {
  isOver = true;
  process.stdout.write(`${answered}\n`);
  for (const session of sessions) session.close();
}, shape.seconds * 1_000);
