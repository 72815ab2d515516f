/**
 * Preloaded into a process: its outgoing connections to the loopback interface come from
 * the address in `WALNUT_TORTURE_FROM`, so that a proxy knows who calls. Linux has all of
 * 127.0.0.0/8.
 */
import { Socket, type TcpSocketConnectOpts } from 'node:net';

type Connect = (this: Socket, ...args: unknown[]) => Socket;

const localAddress = process.env['WALNUT_TORTURE_FROM'];
const connect = Socket.prototype.connect as Connect;

/** Node gives what `net.connect` was called with as one array, the options first. */
function optionsOf([first]: readonly unknown[]): Partial<TcpSocketConnectOpts> | undefined {
  const options: unknown = Array.isArray(first) ? first[0] : first;
  return typeof options === 'object' && options !== null ? options : undefined;
}

const fromAddress: Connect = function (...args) {
  const options = optionsOf(args);
  if (localAddress !== undefined && options?.port !== undefined) options.localAddress = localAddress;
  return connect.apply(this, args);
};
Object.assign(Socket.prototype, { connect: fromAddress });
