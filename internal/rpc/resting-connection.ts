/**
 * Reads nothing more from an HTTP/1.1 connection for a while. A writer that was refused
 * for want of room and sends again at once would otherwise cost more than one that is
 * admitted: its body is received only to be thrown away. So the answer goes out at once,
 * and whatever else it sends, the rest of that body included, waits in the kernel and then
 * with its sender for the time that `Retry-After` says.
 */
import type { Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';

const resting = new WeakSet<Socket>();

/** Changes nothing where `ms` is 0, or where the connection rests already. */
export function restConnection(socket: Socket, ms: number, clock: Clock): void {
  if (ms === 0 || socket.destroyed || resting.has(socket)) return;
  resting.add(socket);
  // Node resumes reading after each answer.
  const keep = (): void => void socket.pause();
  socket.on('resume', keep);
  socket.pause();
  const timer = clock.after(ms, () => {
    resting.delete(socket);
    socket.off('resume', keep);
    socket.resume();
  });
  socket.once('close', () => timer.cancel());
}
