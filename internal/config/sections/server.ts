/** `server`: where a process listens, the names it is called by, and the largest requests. */
import {
  bindAddress,
  hostNames,
  oneOf,
  optionalHostPort,
  size,
  webOrigins,
  wholeNumber,
} from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import {
  printServerTls,
  readServerTls,
  SERVER_TLS_KEYS,
  type ServerTlsConfig,
} from '#config/sections/server-tls.ts';
import { formatSize } from '#config/size.ts';
import { KIB, MIB } from '#config/units.ts';
import { VALUE_BYTES_MAX_DEFAULT } from '#model/limits.ts';

/** A record (value, victims, headers) must stay under the log format's 64 MiB. */
const VALUE_BYTES_LIMIT = 48 * MIB;

export interface ServerConfig {
  /** 0: the system gives a free one. */
  readonly port: number;
  /** The address to bind. */
  readonly address: string;
  /** `host:port` for peers and hints; undefined: the address the master sees, plus the port. */
  readonly advertise: string | undefined;
  /** Names by which callers may call this node, beside localhost, its own and that of `advertise`. */
  readonly allowedHosts: readonly string[];
  /** Origins of the pages of other sites that may call this node. */
  readonly corsOrigins: readonly string[];
  readonly valueBytesMax: number;
  readonly batchBytesMax: number;
  /** The implementations of HTTP/1.1 and HTTP/2: our own codecs, or Node's as a way back. */
  readonly http1: (typeof HTTP)[number];
  readonly http2: (typeof HTTP)[number];
  readonly tls: ServerTlsConfig;
}

const HTTP = ['own', 'node'] as const;

export const SERVER = defineSection({
  keys: () => ({
    port: wholeNumber({ min: 0, max: 65_535 }, 8_080),
    address: bindAddress('127.0.0.1'),
    advertise: optionalHostPort(),
    allowed_hosts: hostNames(),
    cors_origins: webOrigins(),
    max_value_bytes: size({ min: 1, max: VALUE_BYTES_LIMIT }, VALUE_BYTES_MAX_DEFAULT),
    max_batch_bytes: size({ min: 64 * KIB, max: 1_024 * MIB }, 32 * MIB),
    http1: oneOf(HTTP, 'own'),
    http2: oneOf(HTTP, 'own'),
    ...SERVER_TLS_KEYS,
  }),
  read: (values, surroundings): ServerConfig => ({
    port: values.port,
    address: values.address,
    advertise: values.advertise,
    allowedHosts: values.allowed_hosts,
    corsOrigins: values.cors_origins,
    valueBytesMax: values.max_value_bytes,
    batchBytesMax: values.max_batch_bytes,
    http1: values.http1,
    http2: values.http2,
    tls: readServerTls(values, surroundings),
  }),
  print: (server) => ({
    port: server.port,
    address: server.address,
    ...(server.advertise === undefined ? {} : { advertise: server.advertise }),
    allowed_hosts: server.allowedHosts,
    cors_origins: server.corsOrigins,
    max_value_bytes: formatSize(server.valueBytesMax),
    max_batch_bytes: formatSize(server.batchBytesMax),
    http1: server.http1,
    http2: server.http2,
    ...printServerTls(server.tls),
  }),
});
