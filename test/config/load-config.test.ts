import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BinaryKind } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { type ConfigSource, loadConfig } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';

/** The two files of the design, word for word. */
const DOCUMENTED_MASTER = `server:
  port: 8080
  address: "0.0.0.0"
wal:
  directory: "/var/log/kvstore/master"
  sync_interval: "1s"
  max_file_size: "100MB"
storage:
  max_entries: 1000000
  eviction_policy: "lru"
`;
const DOCUMENTED_SLAVE = `server:
  port: 8081
  address: "0.0.0.0"
master:
  address: "master:8080"
  sync_interval: "1s"
wal:
  directory: "/var/log/kvstore/slave"
  sync_interval: "1s"
`;

const GIB = 1_073_741_824;
const load = <K extends BinaryKind>(kind: K, text: string, more: Partial<ConfigSource<K>> = {}) =>
  loadConfig<K>({ kind, file: 'node.yaml', text, memoryLimitBytes: 10 * GIB, ...more });

/** The lines of the error that loading ends with. */
function problemsOf(kind: BinaryKind, text: string, more: Partial<ConfigSource> = {}): readonly string[] {
  try {
    load(kind, text, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('loaded, against expectation');
}

const MINIMAL = 'wal: { directory: d }\n';

describe('documented files', () => {
  it('load as a master', () => {
    expect(load('master', DOCUMENTED_MASTER)).toEqual({
      kind: 'master',
      server: {
        port: 8080,
        address: '0.0.0.0',
        advertise: undefined,
        allowedHosts: [],
        corsOrigins: [],
        connectionsPerAddressMax: undefined,
        valueBytesMax: 8 * 1_024 * 1_024,
        batchBytesMax: 32 * 1_024 * 1_024,
        http1: 'own',
        http2: 'own',
        slowLog: { thresholdMs: 100, entriesMax: 128 },
        tls: {
          mode: 'off',
          cert: undefined,
          key: undefined,
          clientCa: undefined,
          clientAuth: 'none',
          minVersion: '1.2',
          handshakesMax: 512,
        },
      },
      auth: {
        mode: 'off',
        file: undefined,
        allowClearText: false,
        certificateCn: false,
        auditFile: undefined,
      },
      peer: {
        tokenFile: undefined,
        tls: { ca: undefined, cert: undefined, key: undefined, serverName: undefined },
      },
      wal: {
        directory: '/var/log/kvstore/master',
        fsync: 'interval',
        syncIntervalMs: 1_000,
        fileBytesMax: 100_000_000,
        retentionBytes: 256_000_000,
        asideBytesMax: 1_000_000_000,
        asideAgeMaxMs: 2_592_000_000,
      },
      snapshot: { everyBytes: 256_000_000 },
      storage: {
        entriesMax: 1_000_000,
        memoryBytesMax: 6 * GIB,
        defaultTtlMs: 0,
        scrubIntervalMs: 3_600_000,
        evictionPolicy: 'lru',
        evictionScope: 'all',
      },
      replication: {
        replicas: [],
        syncIntervalMs: 10,
        pushBytesMax: 1_048_576,
        heartbeatMs: 250,
        lagMsMax: 5_000,
        serveStale: true,
        minReplicasToWrite: 0,
        snapshotBytesPerSecond: 64_000_000,
        snapshotLogBytesMax: 1_000_000_000,
      },
      ...{ metrics: { otlp: {} }, log: { level: 'info', format: 'auto' } },
    });
  });

  it.each([
    [192, '11MiB'],
    [256, '61MiB'],
    [512, '247MiB'],
    [10_240, '6GiB'],
  ])('with %d MiB of memory give entries %s', (mebibytes, expected) => {
    const config = load('master', DOCUMENTED_MASTER, { memoryLimitBytes: mebibytes * 1_048_576 });
    expect(printConfig(config)).toContain(`max_memory: ${expected}\n`);
  });

  it('take a relative wal.directory from the working directory, and print what it became', () => {
    const directoryOf = (directory: string, cwd?: string) =>
      loadConfig({
        kind: 'master',
        file: 'conf/master.yaml',
        text: `wal:\n  directory: "${directory}"\n`,
        ...(cwd === undefined ? {} : { cwd }),
      });
    expect(directoryOf('./data/../log', '/srv/walnut').wal.directory).toBe('/srv/walnut/log');
    expect(directoryOf('/var/log/kvstore', '/srv/walnut').wal.directory).toBe('/var/log/kvstore');
    expect(directoryOf('data').wal.directory).toBe('data');
    expect(printConfig(directoryOf('data', '/srv'))).toContain('directory: /srv/data\n');
  });

  it.each(['127.0.0.1', '::', 'fe80::1%eth0', 'localhost', 'cache-1.example.net'])('bind %s', (address) => {
    expect(load('master', `${MINIMAL}server: { address: "${address}" }`).server.address).toBe(address);
  });

  it('load as a slave', () => {
    const config = loadConfig({ kind: 'slave', file: 'slave.yaml', text: DOCUMENTED_SLAVE });
    expect(config.master).toEqual({ address: 'master:8080', syncIntervalMs: 1_000 });
    expect(config.kind).toBe('slave');
    expect(config.server.port).toBe(8081);
    expect(config.wal.directory).toBe('/var/log/kvstore/slave');
    expect(config.storage.entriesMax).toBe(0);
  });
});

describe('errors', () => {
  it('come all at once, with their places', () => {
    const text = `server:
  port: 70000
  adress: "0.0.0.0"
wal:
  directory: [a]
  max_flie_size: "100MB"
  sync_interval: 1
  max_file_size: "3999B"
storage:
  max_entries: "many"
snapshot: 5
colour: blue
`;
    expect(problemsOf('master', text)).toEqual([
      'node.yaml:2:9 server.port: expected a whole number from 0 to 65535, got 70000',
      'node.yaml:3:3 server.adress: unknown key; did you mean server.address?',
      'node.yaml:5:14 wal.directory: expected the path of a directory, got ["a"]',
      'node.yaml:6:3 wal.max_flie_size: unknown key; did you mean wal.max_file_size?',
      'node.yaml:7:18 wal.sync_interval: expected a duration such as "500ms", "1s", "5m", "1h" or "1d" from 1ms to 1h, got 1',
      'node.yaml:8:18 wal.max_file_size: expected a size such as "512B", "100KB", "64MiB" or "1GB", at least 4KB, got "3999B"',
      'node.yaml:10:16 storage.max_entries: expected a whole number, at least 0, got "many"',
      'node.yaml:11:11 snapshot: expected keys below it, each with a value',
      'node.yaml:12:1 colour: unknown key',
    ]);
  });

  it('name a missing required key at its section, or the file', () => {
    expect(problemsOf('master', 'server:\n  port: 1\nwal:\n  fsync: always\n')).toEqual([
      'node.yaml:3:1 wal.directory: missing: expected the path of a directory',
    ]);
    expect(problemsOf('slave', '')).toEqual([
      'node.yaml:1:1 wal.directory: missing: expected the path of a directory',
      'node.yaml:1:1 master.address: missing: expected "host:port" with a port from 1 to 65535; ' +
        'walnut-slave needs it, so add it or start walnut-master',
    ]);
  });

  it.each([
    ['master', 'master: { address: "a:1" }', 'master: unknown key'],
    [
      'master',
      'server: { tls: { certs: a } }',
      'node.yaml:1:18 server.tls.certs: unknown key; did you mean server.tls.cert?',
    ],
    [
      'master',
      'server: { tls: { mode: on } }',
      'node.yaml:1:24 server.tls.mode: expected one of off, optional, required',
    ],
    ['master', 'server: { tls: 5 }', 'node.yaml:1:16 server.tls: expected keys below it, each with a value'],
    [
      'master',
      'server: { tls.mode: off }',
      'node.yaml:1:11 server."tls.mode": unknown key: expected mode below tls',
    ],
    [
      'master',
      'server: { tls: { min_version: 1.1 } }',
      'server.tls.min_version: expected one of 1.2, 1.3, got 1.1',
    ],
    [
      'master',
      'server: { port: { a: 1 } }',
      'server.port: expected a whole number from 0 to 65535, got {"a":1}',
    ],
    ['master', 'auth: { token: a }', 'auth.token: unknown key'],
    ['master', 'replication: { min_replicas_to_write: 65 }', 'expected a whole number from 0 to 64, got 65'],
    [
      'node',
      'replication: { min_replicas_to_write: 0 }',
      'replication.min_replicas_to_write: unknown key of walnut-node: only walnut-master, walnut-slave takes it',
    ],
    ['master', 'server: { max_entries: 5 }', 'did you mean storage.max_entries?'],
    ['master', 'server: { "__proto__": 5 }', 'server.__proto__: unknown key'],
    ['master', '"__proto__": { port: 5 }', '__proto__: unknown key'],
    ['master', '"a\\n\\u001b[2J": 1', 'node.yaml:1:1 "a\\n\\u001b[2J": unknown key'],
    ['master', 'server: { port: }', 'server.port: expected a whole number from 0 to 65535, got nothing'],
    ['master', 'server: { port: 80.5 }', 'got 80.5'],
    ['master', 'server: { address: "a b" }', 'server.address: expected an IP address or a host name'],
    [
      'master',
      'server: { address: "127.0.0.1:8080" }',
      'node.yaml:1:20 server.address: expected an IP address',
    ],
    ['master', 'server: { address: "a:80" }', 'without a port, got "a:80"'],
    ['master', 'server: { address: "256.0.0.1" }', 'server.address: expected an IP address'],
    ['master', 'server: { address: "[::]" }', 'server.address: expected an IP address'],
    ['master', 'storage: { max_entries: -1 }', 'expected a whole number, at least 0, got -1'],
    ['master', 'server: { advertise: "host" }', 'server.advertise: expected "host:port"'],
    ['master', 'server: { max_value_bytes: "49MiB" }', 'from 1B to 48MiB, got "49MiB"'],
    ['master', 'server: { max_value_bytes: 100 }', 'server.max_value_bytes: expected a size'],
    [
      'master',
      'wal: { fsync: sometimes }',
      'wal.fsync: expected one of always, interval, never, got "sometimes"',
    ],
    ['master', 'storage: { default_ttl: forever }', 'storage.default_ttl: expected a duration'],
    ['master', 'replication: { replicas: "a:1" }', 'replication.replicas: expected a list'],
    ['master', 'replication: { replicas: ["a:0"] }', 'replication.replicas: expected a list'],
    [
      'master',
      'replication: { serve_stale: yes }',
      'replication.serve_stale: expected true or false, got "yes"',
    ],
    ['master', 'log: { level: loud }', 'log.level: expected one of debug, info, warn, error, fatal, silent'],
    ['slave', 'master: { address: "host" }', 'master.address: expected "host:port"'],
    ['node', 'cluster: { node: "a b" }', 'cluster.node: expected letters, digits and . : [ ] _ - only'],
    ['node', 'cluster: { node: a, name: "a_b" }', 'cluster.name: expected letters, digits and hyphens'],
    ['node', 'cluster: { node: a, coordinators: [] }', 'cluster.coordinators: expected a list of at least 1'],
    ['node', 'cluster: { node: a }', 'cluster.coordinators: missing: expected a list of at least 1'],
    ['node', 'cluster: { node: a, lease: 2s }', 'from 700ms to 1500ms, got "2s"'],
  ] as const)('%s: %s', (kind, text, message) => {
    expect(problemsOf(kind, text).join('\n')).toContain(message);
  });

  it.each([
    ['master: { address: "a:1" }', {}, 'node.yaml:2:1 master'],
    ['replication: { apply_delay: 1s }', {}, 'node.yaml:2:16 replication.apply_delay'],
    ['', { env: { WALNUT_MASTER__ADDRESS: 'a:1' } }, 'WALNUT_MASTER__ADDRESS master.address'],
    ['', { sets: ['replication.apply_delay=1s'] }, '--set replication.apply_delay'],
  ])('of another binary’s key name that binary: %j %o', (text, more, place) => {
    const why = 'only walnut-slave takes it, so remove it or start walnut-slave';
    const expected = `${place}: unknown key of walnut-master: ${why}`;
    expect(problemsOf('master', `${MINIMAL}${text}`, more)).toEqual([expected]);
  });

  it('of a section that only this binary needs name the binary that does without', () => {
    const missing = 'master.address: missing: expected "host:port" with a port from 1 to 65535';
    expect(problemsOf('slave', MINIMAL)).toEqual([
      `node.yaml:1:1 ${missing}; walnut-slave needs it, so add it or start walnut-master`,
    ]);
    expect(problemsOf('slave', `${MINIMAL}master: { sync_interval: 1s }`)).toEqual([
      `node.yaml:2:1 ${missing}`,
    ]);
    expect([problemsOf('master', ''), problemsOf('gateway', '')].join()).not.toContain('start');
  });

  it.each([
    ['server: [', 'node.yaml:1:'],
    ['- a\n- b\n', 'node.yaml:1:1 expected sections'],
    ['just words', 'node.yaml:1:1 expected sections'],
    ['server:\n  port: 1\n  port: 2\n', 'node.yaml:3:3 port: expected each key once'],
    ['server:\n  address: !foo bar\n', 'node.yaml:2:12 Unresolved tag: !foo'],
    ['%YAML 3.0\n---\nserver:\n', 'node.yaml:1:7 Unsupported YAML version 3.0'],
    ['a: 1\n---\nb: 2\n', 'node.yaml:2:1 expected one YAML document: "---" begins a second one'],
    ['server: *nowhere\n', 'node.yaml:1:1 Unresolved alias'],
    ['server:\n\tport: 1\n', 'node.yaml:2:1'],
  ])('of YAML itself: %j', (text, message) => {
    const problems = problemsOf('master', text);
    expect(problems.join('\n')).toContain(message);
    // One line each: no excerpt of the file below it.
    expect(problems.filter((problem) => problem.includes('\n'))).toEqual([]);
  });

  it('never turn into another exception or line, whatever the file is', () => {
    const piece = fc.constantFrom(
      ...['server', 'wal', 'port', 'directory', 'x', '1', 'null', '~', '<<', '__proto__', '!!int', '!!set'],
      ...[':', ' ', '\n', '  ', '\t', '\r', '\0', '- ', '[', ']', '{', '}', ',', '&a', '*a', '"', "'"],
      ...['|', '>', '#', '?', '---', '%YAML'],
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
      fc.json().map((json) => `server: ${json}`),
      fc.string({ unit: 'grapheme' }),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          load('slave', source);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as ConfigError).problems.filter((problem) => /\p{Cc}/u.test(problem))).toEqual([]);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('overrides', () => {
  it('win in order: file, environment, --set', () => {
    const text = `${MINIMAL}server: { port: 1, address: a }\nlog: { level: warn }\n`;
    const config = load('master', text, {
      env: { WALNUT_SERVER__PORT: '2', WALNUT_LOG__LEVEL: 'error', PATH: '/bin', WALNUT_COLOUR: 'x' },
      sets: ['server.port=3', 'server.port=4'],
    });
    expect(config.server).toMatchObject({ port: 4, address: 'a' });
    expect(config.log.level).toBe('error');
  });

  it('take numbers, true and false, and lists from text', () => {
    const config = load('master', '', {
      env: { WALNUT_REPLICATION__REPLICAS: 'a:1, [::1]:2', WALNUT_SERVER__TLS__MAX_HANDSHAKES: '7' },
      sets: [
        'wal.directory=7',
        'storage.max_entries=10',
        'replication.serve_stale=false',
        'wal.max_file_size=4KB',
        'server.advertise=h:1',
        'server.allowed_hosts=a.example, b',
        'server.max_connections_per_address=7',
        'server.cors_origins=https://app.example.net,http://[::1]:3000',
        'server.tls.min_version=1.3',
      ],
    });
    expect(config.wal.directory).toBe('7');
    expect(config.server.tls).toMatchObject({ minVersion: '1.3', handshakesMax: 7 });
    expect(config.server.allowedHosts).toEqual(['a.example', 'b']);
    expect(config.server.connectionsPerAddressMax).toBe(7);
    expect(config.server.corsOrigins).toEqual(['https://app.example.net', 'http://[::1]:3000']);
    expect(config.wal.fileBytesMax).toBe(4_000);
    expect(config.storage.entriesMax).toBe(10);
    expect(config.replication.serveStale).toBe(false);
    expect(config.replication.replicas).toEqual(['a:1', '[::1]:2']);
    expect(config.server.advertise).toBe('h:1');
  });

  it.each([
    ['--set of a section', { sets: ['constructor.keys=1'] }, '--set constructor.keys'],
    ['--set of a key', { sets: ['wal.constructor=1'] }, '--set wal.constructor'],
    ['--set of a hidden section', { sets: ['__proto__.keys=1'] }, '--set __proto__.keys'],
    ['--set of a hidden key', { sets: ['wal.__proto__=1'] }, '--set wal.__proto__'],
    [
      'environment, section',
      { env: { WALNUT_CONSTRUCTOR__KEYS: '1' } },
      'WALNUT_CONSTRUCTOR__KEYS constructor.keys',
    ],
    [
      'environment, key',
      { env: { WALNUT_WAL__CONSTRUCTOR: '1' } },
      'WALNUT_WAL__CONSTRUCTOR wal.constructor',
    ],
  ])('of a name that every object has are unknown keys: %s', (_, more, shown) => {
    expect(problemsOf('master', MINIMAL, more)).toEqual([`${shown}: unknown key`]);
  });

  it('of a name that every object has are unknown keys in a file too', () => {
    const text = `${MINIMAL}constructor: { keys: 1 }\nlog: { constructor: 1 }\n__proto__: { wal: 1 }\n`;
    expect(problemsOf('master', text)).toEqual([
      'node.yaml:2:1 constructor: unknown key',
      'node.yaml:3:8 log.constructor: unknown key',
      'node.yaml:4:1 __proto__: unknown key',
    ]);
    expect(Object.keys).toBeTypeOf('function');
  });

  it.each(['a:80', 'http://a', '[::1]', '*', 'a b'])('refuse %s as a name of the node', (name) => {
    expect(problemsOf('master', MINIMAL, { sets: [`server.allowed_hosts=${name}`] })).toEqual([
      expect.stringContaining('expected a list of host names such as "cache.example.net", without a port'),
    ]);
  });

  it('fill an empty section and keep an equals sign', () => {
    expect(load('master', 'wal:\n', { sets: ['wal.directory=a=b'] }).wal.directory).toBe('a=b');
    expect(
      load('master', `${MINIMAL}replication: { replicas: ["a:1"] }`, { sets: ['replication.replicas='] }),
    ).toMatchObject({
      replication: { replicas: [] },
    });
  });

  it('are told what section, or which variable, was probably meant', () => {
    const env = { WALNUT_SERVER_TLS__MODE: 'off', WALNUT_WALL__FSYNC: 'always' };
    expect(problemsOf('master', MINIMAL, { env, sets: ['srever.port=1'] }).toSorted()).toEqual([
      '--set srever.port: unknown key; did you mean server.port?',
      'WALNUT_SERVER_TLS__MODE server_tls.mode: unknown key; did you mean WALNUT_SERVER__TLS__MODE?',
      'WALNUT_WALL__FSYNC wall.fsync: unknown key; did you mean wal.fsync?',
    ]);
  });

  it('says that a number where a name is expected needs quotes, and shows a list', () => {
    const text = 'wal: { directory: d }\ncluster: { node: 1, coordinators: "h:1" }\n';
    expect(problemsOf('node', text)).toEqual([
      expect.stringMatching(/cluster\.node: expected letters, .* got 1: write it in quotes$/),
      expect.stringMatching(
        /cluster\.coordinators: expected a list .*, such as \["cache-1:8080"\], got "h:1"$/,
      ),
    ]);
  });

  it('refuses two variables for one key', () => {
    const env = { WALNUT_SERVER__PORT: '1', WALNUT_server__port: '7' };
    expect(() => load('master', MINIMAL, { env })).toThrow(
      'WALNUT_server__port server.port: expected one variable for it, and WALNUT_SERVER__PORT is there',
    );
    expect(load('master', MINIMAL, { env: { WALNUT_server__port: '7' } }).server.port).toBe(7);
  });

  it('are named in messages as they were given', () => {
    expect(
      problemsOf('master', `${MINIMAL}server: { port: 1 }`, {
        env: { WALNUT_SERVER__PORT: 'http', WALNUT_NOSUCH__KEY: '1' },
        sets: ['wal.max_flie_size=1MB', 'nonsense', 'a.b', 'wal.__proto__=1'],
      }),
    ).toEqual([
      '--set "nonsense": expected section.key=value',
      '--set "a.b": expected section.key=value',
      'WALNUT_SERVER__PORT server.port: expected a whole number from 0 to 65535, got "http"',
      '--set wal.max_flie_size: unknown key; did you mean wal.max_file_size?',
      '--set wal.__proto__: unknown key',
      'WALNUT_NOSUCH__KEY nosuch.key: unknown key',
    ]);
  });
});

describe('printConfig', () => {
  it('loads back as the same configuration', () => {
    const size = (min: number) => fc.integer({ min, max: 40_000_000 }).map((bytes) => `${bytes}B`);
    const ms = fc.integer({ min: 1, max: 3_600_000 }).map((value) => `${value}ms`);
    fc.assert(
      fc.property(size(65_536), ms, fc.boolean(), fc.nat(), (bytes, duration, stale, entries) => {
        const sets = [
          `server.max_batch_bytes=${bytes}`,
          `wal.max_file_size=${bytes}`,
          `wal.sync_interval=${duration}`,
          `replication.max_lag=${duration}`,
          `replication.serve_stale=${stale}`,
          `storage.max_entries=${entries}`,
          'wal.directory=yes: "no" # really',
          ...[
            'mode=optional',
            'cert=c',
            'key=k',
            'client_ca=a',
            'client_auth=request',
            'min_version=1.3',
          ].map((key) => `server.tls.${key}`),
          ...['ca=a', 'cert=c', 'key=k', 'server_name=nodes.example'].map((key) => `peer.tls.${key}`),
        ];
        for (const [kind, text] of [
          ['master', DOCUMENTED_MASTER],
          ['slave', DOCUMENTED_SLAVE],
        ] as const) {
          const config = load(kind, text, { sets });
          expect(load(kind, printConfig(config))).toEqual(config);
        }
      }),
    );
  });
});
