/** Valid keys that are hardly meant: each is named with its place, and the defaults are not. */
import { describe, expect, it } from 'vitest';
import type { BinaryKind } from '#config/binaries.ts';
import { findDoubtful } from '#config/doubtful.ts';
import { loadWithOrigins } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';

const SOURCE = { file: 'f.yaml', memoryLimitBytes: 4_294_967_296 };
const doubtsOf = (kind: BinaryKind, text: string, sets: readonly string[] = []) =>
  findDoubtful(loadWithOrigins({ ...SOURCE, kind, text, sets }));

const NEEDED: Readonly<Record<BinaryKind, string>> = {
  master: 'wal: { directory: d }\n',
  slave: 'wal: { directory: d }\nmaster: { address: "127.0.0.1:8079" }\n',
  node: 'wal: { directory: d }\ncluster: { node: a, coordinators: ["c-1:8070"] }\n',
  gateway: 'gateway: { coordinators: ["c-1:8070"] }\n',
  coordinator: 'coordinator: { metadata: { kind: etcd, endpoints: ["e-1:2379"] } }\n',
};

describe('findDoubtful', () => {
  it.each(Object.entries(NEEDED))(
    'says nothing of the defaults of %s, whether written or not',
    (kind, text) => {
      const of = kind as BinaryKind;
      expect(doubtsOf(of, text)).toEqual([]);
      const { config } = loadWithOrigins({ ...SOURCE, kind: of, text });
      expect(doubtsOf(of, printConfig(config))).toEqual([]);
    },
  );

  it.each<[BinaryKind, string, readonly string[]]>([
    [
      'gateway',
      'server: { tls: { min_version: "1.3", max_handshakes: 9 } }\n',
      [
        'f.yaml:1:31 server.tls.min_version: counts for nothing, as server.tls.mode is off',
        'f.yaml:1:54 server.tls.max_handshakes: counts for nothing, as server.tls.mode is off',
      ],
    ],
    [
      'master',
      'auth: { file: u }\n',
      [
        'f.yaml:1:15 auth.file: is not read, as auth.mode is off: every caller that is served may do everything',
      ],
    ],
    [
      'node',
      'server: { max_value_bytes: 9MiB }\nstorage: { max_memory: 4MiB, eviction_policy: none, eviction_scope: with_ttl }\n',
      [
        'f.yaml:1:28 server.max_value_bytes: a value may be larger than storage.max_memory 4MiB',
        'f.yaml:2:69 storage.eviction_scope: counts for nothing, as storage.eviction_policy is none',
      ],
    ],
    [
      'node',
      'replication: { heartbeat: 1h, max_lag: 1h }\n',
      [
        'f.yaml:1:27 replication.heartbeat: 1h is not below 1s, the silence after which a replica registers again',
        'f.yaml:1:40 replication.max_lag: 1h is not above replication.heartbeat 1h: a replica that hears of nothing new is not ready between heartbeats',
      ],
    ],
  ])('names what %s would not use: %j', (kind, text, expected) => {
    expect(doubtsOf(kind, `${text}${NEEDED[kind]}`)).toEqual(expected);
  });

  it('names an interval of the log that its policy does not use, by the flag that set it', () => {
    expect(doubtsOf('master', NEEDED.master, ['wal.fsync=never', 'wal.sync_interval=5s'])).toEqual([
      '--set wal.sync_interval: counts for nothing, as wal.fsync is never',
    ]);
  });

  it('does not judge what a slave is told by its master, which its own file does not say', () => {
    expect(doubtsOf('slave', NEEDED.slave, ['master.sync_interval=100ms'])).toEqual([]);
  });

  it.each<[BinaryKind, readonly string[], string | undefined]>([
    [
      'slave',
      ['server.port=8079'],
      'master.address: 127.0.0.1:8079 is this process itself, which is no master',
    ],
    [
      'slave',
      ['server.port=8079', 'server.address=0.0.0.0'],
      'master.address: 127.0.0.1:8079 is this process',
    ],
    ['slave', ['server.port=8079', 'server.address=localhost'], 'master.address: 127.0.0.1:8079 is this'],
    ['slave', ['server.advertise=127.0.0.1:8079'], 'master.address: 127.0.0.1:8079 is this process itself'],
    ['slave', ['server.port=8079', 'server.address=10.0.0.1'], undefined],
    ['slave', ['server.port=8079', 'server.address=127.0.0.2'], undefined],
    ['slave', ['server.port=0'], undefined],
    [
      'node',
      ['server.advertise=c-1:8070'],
      'cluster.coordinators: c-1:8070 is this process itself, which is no coo',
    ],
    [
      'gateway',
      ['server.advertise=c-1:8070'],
      'gateway.coordinators: c-1:8070 is this process itself, which',
    ],
    [
      'coordinator',
      ['server.advertise=e-1:2379'],
      'coordinator.metadata.endpoints: e-1:2379 is this process',
    ],
    [
      'slave',
      ['master.address=[::1]:80', 'server.address=::1', 'server.port=80'],
      'master.address: [::1]:80 is',
    ],
  ])('knows whether %s with %j calls itself', (kind, sets, expected) => {
    const doubts = doubtsOf(kind, NEEDED[kind], sets);
    expect(doubts).toEqual(expected === undefined ? [] : [expect.stringContaining(expected)]);
  });
});
