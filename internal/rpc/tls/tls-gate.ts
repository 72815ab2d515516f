/**
 * TLS on accepted connections: the handshake, and what is asked of the client's certificate.
 * What comes out of it is a socket like any other, which says by its first bytes what it
 * speaks. New certificates serve the handshakes that begin from then on; connections whose
 * client certificate no authority signs any more end at once.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { ErrorCode } from '#http/http2/frame.ts';
import type { Clock } from '#platform/clock.ts';
import { LinePaces } from '#platform/line-pace.ts';
import type { Logger } from '#platform/logger.ts';
import type { Connections } from '#rpc/connections.ts';
import { makeDirect } from '#rpc/direct-socket.ts';
import type { PeerSocket } from '#rpc/peer.ts';
import { plainAddress } from '#rpc/protected-mode.ts';
import { type ConnectionRefusal, refuseConnection } from '#rpc/refuse-connection.ts';
import { FIRST_BYTES_MS, type Readers, sniff } from '#rpc/socket-mux.ts';
import { CertifiedSockets } from '#rpc/tls/certified-sockets.ts';
import { carrierOf, type HandshakeResult, Handshakes } from '#rpc/tls/handshakes.ts';
import { namesIn } from '#tls/certificate-names.ts';
import { serverContext } from '#tls/server-context.ts';
import type { TlsFiles } from '#tls/tls-files.ts';
import type { Certificate, TlsMaterial } from '#tls/tls-material.ts';
import { isStillTrusted, isValidAt } from '#tls/trust.ts';

export interface TlsOptions {
  /** `optional`: clear text is served on the same port. */
  readonly mode: 'optional' | 'required';
  readonly minVersion: '1.2' | '1.3';
  readonly clientAuth: 'none' | 'request' | 'require';
  readonly handshakesMax: number;
  /** True if the CN of a client certificate is a name, too. */
  readonly takesCn: boolean;
  readonly files: Pick<TlsFiles, 'current' | 'onChange'>;
}

export interface TlsGateOptions extends TlsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly connections: Connections;
  /** What serves a connection after its handshake. */
  readonly readers: Readers;
  readonly onHandshake: (result: HandshakeResult) => void;
}

/** What a handshake says of a chain of which a certificate is not valid now, whichever it is. */
const OUT_OF_TIME: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

export class TlsGate {
  readonly #options: TlsGateOptions;
  readonly #server: Server;
  readonly #handshakes: Handshakes;
  readonly #certified: CertifiedSockets;
  readonly #paces: LinePaces;
  /** The material that brought the authorities of now: the same until others come. */
  #trusted: TlsMaterial;
  /** The one that a handshake under way goes by, by the socket of TCP. */
  readonly #begunWith = new WeakMap<Socket, TlsMaterial>();

  constructor(options: TlsGateOptions) {
    const { clock, connections, handshakesMax, files } = options;
    this.#options = options;
    this.#paces = new LinePaces(clock);
    this.#certified = new CertifiedSockets(clock, (remoteAddress) => this.#tellOutcast(remoteAddress));
    this.#handshakes = new Handshakes({
      clock,
      connections,
      countMax: handshakesMax,
      onEnd: (result, remoteAddress) => this.#count(result, remoteAddress),
    });
    this.#trusted = files.current;
    this.#server = createServer({
      ...this.#contextOf(files.current),
      ALPNProtocols: ['h2', 'http/1.1'],
      requestCert: this.#asksForCertificate,
      // A client without a good certificate is told what is wrong, which an alert cannot.
      rejectUnauthorized: false,
    });
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#onError(error, socket));
    files.onChange((material) => this.#renew(material));
  }

  /** Handshakes under way. */
  get underWay(): number {
    return this.#handshakes.count;
  }

  /** The first bytes of the connection are there to be read. `sinceMs`: when it came, monotonic. */
  accept(socket: Socket, sinceMs: number): void {
    if (socket.destroyed || socket.readableEnded) {
      socket.destroy();
      return;
    }
    this.#handshakes.begin(socket, sinceMs);
    this.#begunWith.set(socket, this.#trusted);
    this.#server.emit('connection', socket);
  }

  get #asksForCertificate(): boolean {
    return this.#options.clientAuth !== 'none';
  }

  #contextOf(material: TlsMaterial) {
    const { minVersion } = this.#options;
    return serverContext(material, { minVersion, asksForCertificate: this.#asksForCertificate });
  }

  #renew(material: TlsMaterial): void {
    this.#server.setSecureContext(this.#contextOf(material));
    if (material.parts.ca === this.#trusted.parts.ca) return;
    this.#trusted = material;
    this.#certified.judgeAgain(material.authorities);
  }

  #onSecure(socket: TLSSocket): void {
    // It may have been cut in the same turn.
    if (!this.#handshakes.end(carrierOf(socket))) {
      socket.destroy();
      return;
    }
    // Reset meanwhile. What it sent before is not carried out in the name of nobody.
    if (socket.remoteAddress === undefined) {
      this.#count('gone', undefined);
      socket.destroy();
      return;
    }
    const certificate = this.#asksForCertificate ? socket.getPeerX509Certificate() : undefined;
    const objection = this.#objectionTo(socket, certificate);
    this.#count(objection?.result ?? 'ok', socket.remoteAddress, objection?.refusal.message);
    const { clock, connections, readers } = this.#options;
    if (objection === undefined && certificate !== undefined) {
      this.#certified.add(socket, certificate);
      const names: PeerSocket = { certificateNames: namesIn(certificate, this.#options.takesCn) };
      Object.assign(socket, names);
    }
    makeDirect(socket);
    sniff(socket, {
      clock,
      connections,
      firstBytesMs: FIRST_BYTES_MS,
      ...(objection === undefined ? readers : refusing(objection.refusal, clock)),
    });
  }

  /**
   * `authorized` alone is not enough: it is by the authorities and the time of when the handshake
   * began, and a peer may let that wait while they change.
   */
  #objectionTo(
    socket: TLSSocket,
    certificate: Certificate | undefined,
  ): { readonly result: HandshakeResult; readonly refusal: ConnectionRefusal } | undefined {
    if (certificate === undefined) {
      return this.#options.clientAuth === 'require'
        ? { result: 'no_certificate', refusal: unauthenticated('a client certificate is missing') }
        : undefined;
    }
    const { authorized, authorizationError } = socket;
    const nowMs = this.#options.clock.wallMs();
    const isTrusted =
      this.#begunWith.get(carrierOf(socket)) === this.#trusted
        ? isValidAt(certificate, nowMs)
        : isStillTrusted(certificate, this.#trusted.authorities, nowMs);
    if (authorized && isTrusted) return undefined;
    const reason = authorizationError ?? 'by the authorities and the time of now';
    const isOwnFault = !OUT_OF_TIME.has(String(reason)) || !isValidAt(certificate, nowMs);
    const whose = isOwnFault ? '' : ', which is about an authority above it';
    const why = `the client certificate is not trusted (${reason}${whose})`;
    return { result: 'untrusted', refusal: unauthenticated(why) };
  }

  #onError({ code, message }: NodeJS.ErrnoException, socket: TLSSocket): void {
    if (!this.#handshakes.end(carrierOf(socket))) return;
    this.#count(code === 'ECONNRESET' ? 'gone' : 'failed', socket.remoteAddress, code ?? message);
  }

  #count(result: HandshakeResult, remoteAddress: string | undefined, reason?: string): void {
    this.#options.onHandshake(result);
    // A port scanner, or the probe of a load balancer, opens connections and leaves.
    if (result === 'ok' || result === 'gone') return;
    const pace = this.#paces.take(result);
    if (pace === undefined) return;
    const fields = { result, reason, remoteAddress: plainAddress(remoteAddress), ...pace };
    this.#options.logger.warn(fields, 'a TLS handshake did not lead to a connection');
  }

  #tellOutcast(remoteAddress: string): void {
    const pace = this.#paces.take('outcast');
    if (pace === undefined) return;
    const fields = { remoteAddress, ...pace };
    this.#options.logger.warn(fields, 'a connection ended: its client certificate is not trusted any more');
  }
}

/** Readers that tell the peer why, whatever it speaks. */
function refusing(refusal: ConnectionRefusal, clock: Clock): Readers {
  return {
    onHttp1: (socket) => refuseConnection(socket, 'http1', refusal, clock),
    onHttp2: (socket) => refuseConnection(socket, 'http2', refusal, clock),
  };
}

function unauthenticated(why: string): ConnectionRefusal {
  return {
    status: 401,
    code: 'unauthenticated',
    message: `${why}: expected one that an authority in server.tls.client_ca has signed, and that is valid now`,
    goAwayCode: ErrorCode.inadequateSecurity,
  };
}
