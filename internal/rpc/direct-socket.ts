/**
 * Connections whose bytes are read into one buffer that all of them share. Node's own way
 * makes some objects, a tick and a copy of each read, which together cost a third of what a
 * Get does. It offers the other way (`onread`) for connections that a program opens; for
 * one that came in, the socket is made anew over its handle, and one of TLS is given what
 * the option would have given it. Where this Node has no such handle, or keeps these things
 * elsewhere, the socket stays what it was.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Node reads so many bytes at once. */
const shared = Buffer.allocUnsafeSlow(65_536);

export interface BytesReader {
  /** `bytes` are valid until it returns. */
  onBytes(bytes: Buffer): void;
}

export interface DirectReading {
  /**
   * What is read from now on goes to `reader`, and no longer to the stream, which still
   * tells its end; undefined: to the stream again. What was put back comes from the stream.
   */
  readTo(reader: BytesReader | undefined): void;
}

export function isDirect(socket: Socket): socket is Socket & DirectReading {
  return 'readTo' in socket;
}

class DirectSocket extends Socket implements DirectReading {
  #reader: BytesReader | undefined;

  /** `handle`: of a connection, whose socket no longer has it. */
  constructor(handle: object) {
    super({ handle, onread: ON_READ } as SocketConstructorOpts);
  }

  readTo(reader: BytesReader | undefined): void {
    this.#reader = reader;
  }

  /** `count` bytes were read. */
  onCount(count: number): boolean {
    return pass(this, count, this.#reader);
  }
}

/** For all sockets: Node calls it as a method of the one that was read. */
const ON_READ = {
  buffer: shared,
  callback(this: DirectSocket, count: number): boolean {
    return this.onCount(count);
  },
};

/** `count` bytes were read. True: Node reads on. */
function pass(socket: Socket, count: number, reader: BytesReader | undefined): boolean {
  const bytes = shared.subarray(0, count);
  // TLS gives all records of one read, also where the first of them made its reader pause.
  const isDue = reader !== undefined && !socket.isPaused() && socket.readableLength === 0;
  if (!isDue) return socket.push(Buffer.from(bytes));
  reader.onBytes(bytes);
  return true;
}

interface Handle {
  readonly useUserBuffer?: unknown;
  /** True: a parser of Node reads it, so another one does not. */
  _consumed?: boolean;
}

/** What Node keeps in a socket that came in. */
interface Accepted {
  _handle?: Handle | null;
  /** Counts its connections, and each tells it of its end. */
  _server?: unknown;
}

/** The connection of a socket that came in just now. To be called before anybody listens to it. */
export function directSocketOf(socket: Socket): Socket {
  const accepted = socket as unknown as Accepted;
  const { _handle: handle, _server: server } = accepted;
  if (!canRead(handle)) return socket;
  accepted._handle = null;
  accepted._server = null;
  const direct = new DirectSocket(handle);
  (direct as unknown as Accepted)._server = server;
  return direct;
}

/** Where a socket keeps the buffer and the callback of `onread`. */
const BUFFER = 'kBuffer';
const CALLBACK = 'kBufferCb';

/** Makes a socket of TLS direct, where that is possible: Node ignores `onread` for those over another socket. */
export function makeDirect(socket: TLSSocket): void {
  const { _handle: handle } = socket as unknown as Accepted;
  const slots = Object.getOwnPropertySymbols(socket);
  const buffer = slots.find(({ description }) => description === BUFFER);
  const callback = slots.find(({ description }) => description === CALLBACK);
  if (!canRead(handle) || buffer === undefined || callback === undefined) return;
  let reader: BytesReader | undefined;
  const reading: DirectReading = {
    readTo: (next) => {
      reader = next;
    },
  };
  Object.assign(socket, reading, {
    [buffer]: shared,
    [callback]: (count: number) => pass(socket, count, reader),
  });
  handle.useUserBuffer(shared);
}

/**
 * Makes Node's HTTP/1.1 server read a socket of TLS as a stream. It would read the handle
 * itself, which goes on with the other records of a read when the server has paused it, and
 * the parser that is paused refuses those as an error of the peer. A stream keeps them.
 */
export function keepStream(socket: Socket): void {
  const { _handle: handle } = socket as unknown as Accepted;
  if (socket instanceof TLSSocket && handle) handle._consumed = true;
}

function canRead(
  handle: Handle | null | undefined,
): handle is { readonly useUserBuffer: (buffer: Uint8Array) => void } {
  return typeof handle?.useUserBuffer === 'function';
}
