/** Writes to a socket, and learns when that is done, for as little as the kind of socket allows. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * True where the kernel took all at once; else `onWritten` is called later, when it has or when
 * the connection has ended. Text has one octet a character.
 */
export function writeOnce(socket: Socket, bytes: Uint8Array | string, onWritten: () => void): boolean {
  // A write to TLS never ends at once, and a second one that waits for it would cost as much again.
  const onEnd = socket instanceof TLSSocket ? onWritten : undefined;
  if (typeof bytes === 'string') socket.write(bytes, 'latin1', onEnd);
  else socket.write(bytes, onEnd);
  return onEnd === undefined && isWritten(socket, onWritten);
}

/** The same, for what was written before. */
export function isWritten(socket: Socket, onWritten: () => void): boolean {
  // The kernel mostly takes all at once; a callback for that would cost a tick and an object.
  if (socket.writableLength === 0) return true;
  socket.write('', onWritten);
  return false;
}
