/** What is behind the first bytes of a connection, with TLS and without, as `server.tls` says. */
import type { Socket } from 'node:net';
import { ErrorCode } from '#http/http2/frame.ts';
import { LinePace } from '#platform/line-pace.ts';
import { plainAddress } from '#rpc/protected-mode.ts';
import { type ConnectionRefusal, refuseConnection } from '#rpc/refuse-connection.ts';
import type { Protocol, Readers, TlsReader } from '#rpc/socket-mux.ts';
import type { HandshakeResult } from '#rpc/tls/handshakes.ts';
import { TlsGate, type TlsGateOptions, type TlsOptions } from '#rpc/tls/tls-gate.ts';

/** `clear_text`: a peer spoke without TLS where that is required, and was refused. */
export type TlsResult = HandshakeResult | 'clear_text';

export interface Doors {
  /** Connections without TLS. */
  readonly clear: Readers;
  readonly onTls: TlsReader;
  /** Handshakes under way. */
  handshakes(): number;
}

export interface DoorParts extends Omit<TlsGateOptions, keyof TlsOptions | 'onHandshake'> {
  readonly onHandshake: (result: TlsResult) => void;
}

export function openDoors(tls: TlsOptions | undefined, parts: DoorParts): Doors {
  if (tls === undefined) return { clear: parts.readers, onTls: refuseTls(parts), handshakes: () => 0 };
  const gate = new TlsGate({ ...tls, ...parts });
  return {
    clear: tls.mode === 'required' ? refuseClearText(parts) : parts.readers,
    onTls: (socket, sinceMs) => gate.accept(socket, sinceMs),
    handshakes: () => gate.underWay,
  };
}

function refuseClearText({ clock, onHandshake }: DoorParts): Readers {
  const refusal = spokenAmiss('this port speaks TLS: use https://');
  const refuse =
    (protocol: Protocol) =>
    (socket: Socket): void => {
      onHandshake('clear_text');
      refuseConnection(socket, protocol, refusal, clock);
    };
  return { onHttp1: refuse('http1'), onHttp2: refuse('http2') };
}

/** The answer is no TLS, so most peers tell their owner of a wrong version only: the log says more. */
function refuseTls({ clock, logger }: DoorParts): TlsReader {
  const refusal = spokenAmiss('this port speaks HTTP without TLS: expected http://, not https://');
  const paces = new LinePace(clock);
  return (socket) => {
    const pace = paces.take();
    const fields = { remoteAddress: plainAddress(socket.remoteAddress), ...pace };
    if (pace !== undefined) logger.warn(fields, 'a peer began TLS, which server.tls.mode has switched off');
    refuseConnection(socket, 'http1', refusal, clock);
  };
}

function spokenAmiss(message: string): ConnectionRefusal {
  return { status: 400, code: 'invalid_argument', message, goAwayCode: ErrorCode.inadequateSecurity };
}
