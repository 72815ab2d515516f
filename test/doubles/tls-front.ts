/** TLS in front of a port that speaks clear text: each connection is decrypted and passed on. */
import { type AddressInfo, connect } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';

export interface TlsFront {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Connections whose handshake succeeded. */
  readonly accepted: number;
  close(): void;
}

export async function startTlsFront(behindPort: number, options: TlsOptions): Promise<TlsFront> {
  let accepted = 0;
  const ends = new Set<() => void>();
  const server = createServer({ ALPNProtocols: ['h2', 'http/1.1'], ...options }, (socket) => {
    accepted++;
    const behind = connect(behindPort, '127.0.0.1');
    const end = (): void => {
      ends.delete(end);
      socket.destroy();
      behind.destroy();
    };
    ends.add(end);
    for (const each of [socket, behind]) each.on('error', end).on('close', end);
    socket.pipe(behind);
    behind.pipe(socket);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    get accepted() {
      return accepted;
    },
    close: () => {
      server.close();
      for (const end of ends) end();
    },
  };
}
