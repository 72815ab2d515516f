/** `server.tls`: how the port speaks TLS, and with which files. */
import { absolute, oneOf, optionalFile, wholeNumber } from '#config/leaf-schemas.ts';
import type { Surroundings, ValuesOf } from '#config/section.ts';

const MODES = ['off', 'optional', 'required'] as const;
const CLIENT_AUTH = ['none', 'request', 'require'] as const;
const VERSIONS = ['1.2', '1.3'] as const;
export const HANDSHAKES_MAX_DEFAULT = 512;

export interface ServerTlsConfig {
  /** `optional`: clear text and TLS on the same port. */
  readonly mode: (typeof MODES)[number];
  /** Files in PEM; absolute where the working directory was given. The first certificate is the server's own. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly clientCa: string | undefined;
  readonly clientAuth: (typeof CLIENT_AUTH)[number];
  readonly minVersion: (typeof VERSIONS)[number];
  /** Handshakes under way at once. */
  readonly handshakesMax: number;
}

export const SERVER_TLS_KEYS = {
  'tls.mode': oneOf(MODES, 'off'),
  'tls.cert': optionalFile(),
  'tls.key': optionalFile(),
  'tls.client_ca': optionalFile(),
  'tls.client_auth': oneOf(CLIENT_AUTH, 'none'),
  'tls.min_version': oneOf(VERSIONS, '1.2'),
  'tls.max_handshakes': wholeNumber({ min: 1, max: 65_536 }, HANDSHAKES_MAX_DEFAULT),
};

export function readServerTls(
  values: ValuesOf<typeof SERVER_TLS_KEYS>,
  { cwd }: Surroundings,
): ServerTlsConfig {
  return {
    mode: values['tls.mode'],
    cert: absolute(values['tls.cert'], cwd),
    key: absolute(values['tls.key'], cwd),
    clientCa: absolute(values['tls.client_ca'], cwd),
    clientAuth: values['tls.client_auth'],
    minVersion: values['tls.min_version'],
    handshakesMax: values['tls.max_handshakes'],
  };
}

export function printServerTls(tls: ServerTlsConfig): Record<string, unknown> {
  return {
    'tls.mode': tls.mode,
    ...(tls.cert === undefined ? {} : { 'tls.cert': tls.cert }),
    ...(tls.key === undefined ? {} : { 'tls.key': tls.key }),
    ...(tls.clientCa === undefined ? {} : { 'tls.client_ca': tls.clientCa }),
    'tls.client_auth': tls.clientAuth,
    'tls.min_version': tls.minVersion,
    'tls.max_handshakes': tls.handshakesMax,
  };
}
