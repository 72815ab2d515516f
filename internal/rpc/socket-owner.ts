/**
 * The listeners of sockets that our own drivers read. All sockets share them, and each
 * knows its owner: a listener of its own for each event would be a tenth of what an idle
 * connection keeps.
 */
import type { Socket } from 'node:net';
import { type BytesReader, isDirect } from '#rpc/direct-socket.ts';

export interface SocketOwner extends BytesReader {
  /** The peer sends no more. */
  onPeerEnd(): void;
  onClosed(): void;
}

const OWNER = Symbol('owner');

type OwnedSocket = Socket & { [OWNER]: SocketOwner | undefined };

/** From now on `owner` learns what comes, how it ends, and that it is closed. Errors are ignored: the end follows them. */
export function ownSocket(socket: Socket, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('error', ignore);
  socket.on('close', onClose);
}

/** The owner learns nothing more and may be collected. Errors are still ignored, until `heedErrors`. */
export function disownSocket(socket: Socket): void {
  if (isDirect(socket)) socket.readTo(undefined);
  socket.off('data', onData);
  socket.off('end', onEnd);
  socket.off('close', onClose);
  (socket as OwnedSocket)[OWNER] = undefined;
}

export function heedErrors(socket: Socket): void {
  socket.off('error', ignore);
}

function onData(this: OwnedSocket, bytes: Buffer): void {
  this[OWNER]?.onBytes(bytes);
}

function onEnd(this: OwnedSocket): void {
  this[OWNER]?.onPeerEnd();
}

function onClose(this: OwnedSocket): void {
  this[OWNER]?.onClosed();
}

function ignore(): void {}
