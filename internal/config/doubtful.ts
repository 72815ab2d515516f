/**
 * Keys that are valid and hardly meant: another key makes them useless, or contradicts them. A
 * process starts all the same, because a file may be older than its version, or shared by several
 * processes. Values that are all defaults are never doubted. Pure.
 */
import type { BinaryKind, ConfigOf, NodeConfig } from '#config/binaries.ts';
import { isOwnAddress } from '#config/check-addresses.ts';
import type { CrossProblem } from '#config/check-security.ts';
import { type LoadedConfig, named } from '#config/load-config.ts';
import { HANDSHAKES_MAX_DEFAULT } from '#config/sections/server-tls.ts';
import { PULL_MS_DEFAULT } from '#config/sections/upstream.ts';
import { SYNC_MS_DEFAULT } from '#config/sections/wal.ts';
import { formatSize } from '#config/size.ts';
import { VALUE_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import { assertNever } from '#platform/assert.ts';
import { formatDuration } from '#platform/duration.ts';

/** One warning for each key, with the place where it was set. */
export function findDoubtful({ config, origins }: LoadedConfig): readonly string[] {
  const doubts = [...doubtsOfSecurity(config), ...doubtsOfAddresses(config)];
  if ('wal' in config) doubts.push(...doubtsOfStore(config), ...doubtsOfReplication(config));
  return doubts.map(({ section, key, message }) => {
    const name = `${section}.${key}`;
    return `${named(origins.get(name) ?? 'default', name)}: ${message}`;
  });
}

/** True: this key is doubted. */
type Doubts = readonly (readonly [key: string, isDoubted: boolean, message: string])[];

function doubtsIn(section: string, doubts: Doubts): CrossProblem[] {
  return doubts.flatMap(([key, isDoubted, message]) => (isDoubted ? [{ section, key, message }] : []));
}

function doubtsOfSecurity({ server: { tls }, auth }: ConfigOf<BinaryKind>): CrossProblem[] {
  const isTlsOff = tls.mode === 'off';
  const unused = 'counts for nothing, as server.tls.mode is off';
  const unread = 'is not read, as auth.mode is off: every caller that is served may do everything';
  return [
    ...doubtsIn('server', [
      ['tls.min_version', isTlsOff && tls.minVersion !== '1.2', unused],
      ['tls.max_handshakes', isTlsOff && tls.handshakesMax !== HANDSHAKES_MAX_DEFAULT, unused],
    ]),
    ...doubtsIn('auth', [
      ['file', auth.mode === 'off' && auth.file !== undefined, unread],
      ['users', auth.mode === 'off' && auth.users !== undefined, unread],
    ]),
  ];
}

/** Addresses of others that are this process. */
function doubtsOfAddresses(config: ConfigOf<BinaryKind>): CrossProblem[] {
  const doubt = (section: string, key: string, called: readonly string[], other: string): CrossProblem[] => {
    const own = called.find((address) => isOwnAddress(address, config.server));
    const message = `${own} is this process itself, which is no ${other}`;
    return doubtsIn(section, [[key, own !== undefined, message]]);
  };
  switch (config.kind) {
    case 'master':
      return [];
    case 'slave':
      return doubt('master', 'address', [config.master.address], 'master while it follows one');
    case 'node':
      return doubt('cluster', 'coordinators', config.cluster.coordinators, 'coordinator');
    case 'gateway':
      return doubt('gateway', 'coordinators', config.gateway.coordinators, 'coordinator');
    case 'coordinator':
      return doubt('coordinator', 'metadata.endpoints', config.coordinator.metadata.endpoints, 'etcd');
    default:
      return assertNever(config);
  }
}

function doubtsOfStore({ server, wal, storage }: NodeConfig): CrossProblem[] {
  const { valueBytesMax } = server;
  const { memoryBytesMax, evictionPolicy, evictionScope } = storage;
  const isTooLarge = valueBytesMax > memoryBytesMax && valueBytesMax !== VALUE_BYTES_MAX_DEFAULT;
  const memory = `storage.max_memory ${formatSize(memoryBytesMax)}`;
  return [
    ...doubtsIn('server', [['max_value_bytes', isTooLarge, `a value may be larger than ${memory}`]]),
    ...doubtsIn('wal', [
      [
        'sync_interval',
        wal.fsync !== 'interval' && wal.syncIntervalMs !== SYNC_MS_DEFAULT,
        `counts for nothing, as wal.fsync is ${wal.fsync}`,
      ],
    ]),
    ...doubtsIn('storage', [
      [
        'eviction_scope',
        evictionPolicy === 'none' && evictionScope !== 'all',
        'counts for nothing, as storage.eviction_policy is none',
      ],
    ]),
  ];
}

/** Members have one heartbeat. A master does not know what its replicas are told, nor a slave what its master sends. */
function doubtsOfReplication(config: NodeConfig): CrossProblem[] {
  if (config.kind !== 'node') return [];
  const { heartbeatMs, lagMsMax } = config.replication;
  const pull = formatDuration(PULL_MS_DEFAULT);
  const heartbeat = formatDuration(heartbeatMs);
  return doubtsIn('replication', [
    [
      'heartbeat',
      heartbeatMs >= PULL_MS_DEFAULT,
      `${heartbeat} is not below ${pull}, the silence after which a replica registers again`,
    ],
    [
      'max_lag',
      lagMsMax <= heartbeatMs,
      `${formatDuration(lagMsMax)} is not above replication.heartbeat ${heartbeat}: a replica that hears of nothing new is not ready between heartbeats`,
    ],
  ]);
}
