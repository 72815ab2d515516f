/** What a server and the load generators agree on in a handshake: servers that are compared must agree on the same. */
import { connect } from 'node:tls';

/** Version, cipher and protocol, as `TLSv1.3 TLS_AES_256_GCM_SHA384 h2`. */
export function agreedTls(port: number, http: 1 | 2): Promise<string> {
  return new Promise((resolve, reject) => {
    const ALPNProtocols = [http === 2 ? 'h2' : 'http/1.1'];
    const socket = connect({ host: '127.0.0.1', port, ALPNProtocols, rejectUnauthorized: false }, () => {
      const { standardName } = socket.getCipher();
      resolve(`${socket.getProtocol()} ${standardName} ${socket.alpnProtocol || 'without ALPN'}`);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
