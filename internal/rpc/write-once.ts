/** Writes to a socket, and learns when that is done, for as little as the kind of socket allows. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface OnceWriter {
  onWritten(): void;
}

/**
 * True where the kernel took all at once; else the writer is told later, when it has or when
 * the connection has ended. Text has one octet a character.
 */
export function writeOnce(socket: Socket, bytes: Uint8Array | string, writer: OnceWriter): boolean {
  // A write to TLS never ends at once, and a second one that waits for it would cost as much again.
  const onEnd = socket instanceof TLSSocket ? tellerOf(writer) : undefined;
  if (typeof bytes === 'string') socket.write(bytes, 'latin1', onEnd);
  else socket.write(bytes, onEnd);
  return onEnd === undefined && isWritten(socket, writer);
}

/** The same, for what was written before. */
export function isWritten(socket: Socket, writer: OnceWriter): boolean {
  // The kernel mostly takes all at once; a callback for that would cost a tick and an object.
  if (socket.writableLength === 0) return true;
  socket.write('', tellerOf(writer));
  return false;
}

function tellerOf(writer: OnceWriter): () => void {
  return () => writer.onWritten();
}
