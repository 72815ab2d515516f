/** Passes a socket that was read on to another reader, with the bytes that this one is to begin with. */
import type { Socket } from 'node:net';

/** The reader before has taken its listeners off, but for one for errors. */
export function passSocket(socket: Socket, bytes: Buffer, next: (socket: Socket) => void): void {
  if (socket.readableEnded) {
    // Nothing can be put back any more: the next reader is told the same things once again.
    next(socket);
    socket.emit('data', bytes);
    socket.emit('end');
    return;
  }
  socket.pause();
  socket.unshift(bytes);
  next(socket);
  // Node's servers read by their own means; flowing again lets them see what was put back.
  process.nextTick(() => socket.resume());
}
