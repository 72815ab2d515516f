/** Binds the port, or says which key to change where that cannot be. */
import type { AddressInfo, Server } from 'node:net';

export interface BindOptions {
  /** `server.address`: an IP address or host name. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** The address could not be bound; `message` names the key to change. */
export class ServerAddressError extends Error {
  override readonly name = 'ServerAddressError';
}

/** Rejects with `ServerAddressError`. */
export function listen(mux: Server, { host, port }: BindOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    mux.once('error', (error: NodeJS.ErrnoException) => reject(addressError(error, host, port)));
    mux.listen({ host, port, backlog: 1_024 }, () => {
      mux.removeAllListeners('error');
      // EMFILE and the like while accepting: that connection fails, the server goes on.
      mux.on('error', () => {});
      resolve(mux.address() as AddressInfo);
    });
  });
}

function addressError(error: NodeJS.ErrnoException, host: string, port: number): ServerAddressError {
  const { code } = error;
  if (code === 'EADDRINUSE') {
    return new ServerAddressError(
      `${host}:${port} is in use: choose another server.port (--set server.port=PORT)`,
      {
        cause: error,
      },
    );
  }
  if (code === 'EACCES') {
    return new ServerAddressError(`${host}:${port} may not be bound: choose a server.port above 1023`, {
      cause: error,
    });
  }
  return new ServerAddressError(`${host}:${port} cannot be bound (${code}): check server.address`, {
    cause: error,
  });
}
