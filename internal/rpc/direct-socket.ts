/**
 * Connections whose bytes are read into one buffer that all of them share. Node's own way
 * makes some objects, a tick and a copy of each read, which together cost a third of what a
 * Get does. It offers the other way (`onread`) for connections that a program opens; for
 * one that came in, the socket is made anew over its handle. Where this Node has no such
 * handle, the socket stays what it was.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';

/** Node reads so many bytes at once. */
const shared = Buffer.allocUnsafeSlow(65_536);

/** `bytes` are valid until it returns. */
type Take = (bytes: Buffer) => void;

export class DirectSocket extends Socket {
  #take: Take | undefined;

  /** `handle`: of a connection, whose socket no longer has it. */
  constructor(handle: object) {
    const onread = { buffer: shared, callback: (bytes: number): boolean => this.#onRead(bytes) };
    super({ handle, onread } as SocketConstructorOpts);
  }

  /**
   * What is read from now on goes to `take`, and no longer to the stream, which still
   * tells its end; undefined: to the stream again. What was put back comes from the stream.
   */
  readTo(take: Take | undefined): void {
    this.#take = take;
  }

  /** True: Node reads on. */
  #onRead(count: number): boolean {
    const bytes = shared.subarray(0, count);
    if (this.#take === undefined) return this.push(Buffer.from(bytes));
    this.#take(bytes);
    return true;
  }
}

/** What Node keeps in a socket that came in. */
interface Accepted {
  _handle?: { readonly useUserBuffer?: unknown } | null;
  /** Counts its connections, and each tells it of its end. */
  _server?: unknown;
}

/** The connection of a socket that came in just now. To be called before anybody listens to it. */
export function directSocketOf(socket: Socket): Socket {
  const accepted = socket as unknown as Accepted;
  const { _handle: handle, _server: server } = accepted;
  if (typeof handle?.useUserBuffer !== 'function') return socket;
  accepted._handle = null;
  accepted._server = null;
  const direct = new DirectSocket(handle);
  (direct as unknown as Accepted)._server = server;
  return direct;
}
