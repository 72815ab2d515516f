/** `server`: where a process listens, the names it is called by, and the largest requests. */
import {
  bindAddress,
  duration,
  hostNames,
  oneOf,
  optionalHostPort,
  optionalWholeNumber,
  size,
  webOrigins,
  wholeNumber,
} from '#config/leaf-schemas.ts';
import { defineSection, type Surroundings, type ValuesOf } from '#config/section.ts';
import {
  printServerTls,
  readServerTls,
  SERVER_TLS_KEYS,
  type ServerTlsConfig,
} from '#config/sections/server-tls.ts';
import { formatSize } from '#config/size.ts';
import { HOUR, KIB, MIB } from '#config/units.ts';
import { CONNECTIONS_MAX, SLOW_CALLS_MAX, VALUE_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import { formatDuration } from '#platform/duration.ts';

/** A record (value, victims, headers) must stay under the log format's 64 MiB. */
const VALUE_BYTES_LIMIT = 48 * MIB;
const SLOW_MS_DEFAULT = 100;

/** What every process that listens has. */
export interface EdgeConfig {
  /** 0: the system gives a free one. */
  readonly port: number;
  /** The address to bind. */
  readonly address: string;
  /** `host:port` for peers and hints; undefined: the address the master sees, plus the port. */
  readonly advertise: string | undefined;
  /** Names by which callers may call this node, beside localhost, its own and that of `advertise`. */
  readonly allowedHosts: readonly string[];
  /** The implementations of HTTP/1.1 and HTTP/2: our own codecs, or Node's as a way back. */
  readonly http1: (typeof HTTP)[number];
  readonly http2: (typeof HTTP)[number];
  /** Origins of the pages of other sites that may call this process. */
  readonly corsOrigins: readonly string[];
  /** Undefined: a quarter of all that the process takes. */
  readonly connectionsPerAddressMax: number | undefined;
  readonly tls: ServerTlsConfig;
}

/** What every process that serves keys has. */
export interface KeysServerConfig extends EdgeConfig {
  readonly valueBytesMax: number;
  readonly batchBytesMax: number;
}

export interface ServerConfig extends KeysServerConfig {
  readonly slowLog: SlowLogConfig;
}

export interface SlowLogConfig {
  /** Calls that take as long are kept; 0: none are. */
  readonly thresholdMs: number;
  readonly entriesMax: number;
}

const HTTP = ['own', 'node'] as const;
const EDGE_KEYS = {
  port: wholeNumber({ min: 0, max: 65_535 }, 8_080),
  address: bindAddress('127.0.0.1'),
  advertise: optionalHostPort(),
  allowed_hosts: hostNames(),
  http1: oneOf(HTTP, 'own'),
  http2: oneOf(HTTP, 'own'),
  cors_origins: webOrigins(),
  max_connections_per_address: optionalWholeNumber({ min: 1, max: CONNECTIONS_MAX }),
  ...SERVER_TLS_KEYS,
};

/** For processes that store nothing. */
export const EDGE = defineSection({ keys: () => EDGE_KEYS, read: readEdge, print: printEdge });

const KEYS_SERVER_KEYS = {
  ...EDGE_KEYS,
  max_value_bytes: size({ min: 1, max: VALUE_BYTES_LIMIT }, VALUE_BYTES_MAX_DEFAULT),
  max_batch_bytes: size({ min: 64 * KIB, max: 1_024 * MIB }, 32 * MIB),
};

/** For processes that serve keys which others store. */
export const KEYS_SERVER = defineSection({
  keys: () => KEYS_SERVER_KEYS,
  read: readKeysServer,
  print: printKeysServer,
});

export const SERVER = defineSection({
  keys: () => ({
    ...KEYS_SERVER_KEYS,
    'slow_log.threshold': duration({ min: 0, max: HOUR }, SLOW_MS_DEFAULT),
    'slow_log.entries': wholeNumber({ min: 1, max: SLOW_CALLS_MAX }, 128),
  }),
  read: (values, surroundings): ServerConfig => ({
    ...readKeysServer(values, surroundings),
    slowLog: { thresholdMs: values['slow_log.threshold'], entriesMax: values['slow_log.entries'] },
  }),
  print: (server) => ({
    ...printKeysServer(server),
    'slow_log.threshold': formatDuration(server.slowLog.thresholdMs),
    'slow_log.entries': server.slowLog.entriesMax,
  }),
});

function readKeysServer(
  values: ValuesOf<typeof KEYS_SERVER_KEYS>,
  surroundings: Surroundings,
): KeysServerConfig {
  return {
    ...readEdge(values, surroundings),
    valueBytesMax: values.max_value_bytes,
    batchBytesMax: values.max_batch_bytes,
  };
}

function printKeysServer(server: KeysServerConfig) {
  return {
    ...printEdge(server),
    max_value_bytes: formatSize(server.valueBytesMax),
    max_batch_bytes: formatSize(server.batchBytesMax),
  };
}

function readEdge(values: ValuesOf<typeof EDGE_KEYS>, surroundings: Surroundings): EdgeConfig {
  const { port, address, advertise, http1, http2 } = values;
  return {
    port,
    address,
    advertise,
    allowedHosts: values.allowed_hosts,
    http1,
    http2,
    corsOrigins: values.cors_origins,
    connectionsPerAddressMax: values.max_connections_per_address,
    tls: readServerTls(values, surroundings),
  };
}

function printEdge({
  port,
  address,
  advertise,
  http1,
  http2,
  connectionsPerAddressMax,
  ...edge
}: EdgeConfig) {
  const bounded =
    connectionsPerAddressMax === undefined ? {} : { max_connections_per_address: connectionsPerAddressMax };
  return {
    port,
    address,
    ...(advertise === undefined ? {} : { advertise }),
    allowed_hosts: edge.allowedHosts,
    http1,
    http2,
    cors_origins: edge.corsOrigins,
    ...bounded,
    ...printServerTls(edge.tls),
  };
}
