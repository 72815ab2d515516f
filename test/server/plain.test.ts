import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '#gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.ts';
import { UNKNOWN_LAG_MS } from '#model/status.ts';
import { WATCH_INTERVAL_MS } from '#rpc/health-service.ts';
import { isLoopbackAddress, isPrivateAddress } from '#rpc/protected-mode.ts';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { NODE_ID, positionOf } from '#test/server/fake-node.ts';
import { http1, http2, type Running, rpc, session, start, until } from '#test/server/running.ts';

const grpc = ({ baseUrl }: Running) => createGrpcTransport({ baseUrl, idleConnectionTimeoutMs: 10 });

describe('plain routes', () => {
  it('/livez is 200 whatever the state; /readyz tells readiness and why not', async () => {
    const running = await start();
    expect((await http1(running, 'GET', '/readyz')).status).toBe(200);
    running.node.statusOverrides = {
      isReady: false,
      state: 'loading',
      reasons: ['replayed 5 of 9 segments'],
    };
    expect((await http1(running, 'GET', '/livez')).status).toBe(200);
    const ready = await http1(running, 'GET', '/readyz');
    expect([ready.status, ready.text]).toEqual([503, 'not ready: loading\nreplayed 5 of 9 segments\n']);
    const verbose = await http1(running, 'GET', '/readyz?verbose');
    expect(verbose.status).toBe(503);
    expect(JSON.parse(verbose.text)).toEqual({
      ready: false,
      role: 'master',
      state: 'loading',
      reasons: ['replayed 5 of 9 segments'],
    });
  });

  it('/readyz?verbose and metrics tell how far a recovery is', async () => {
    const recovery = {
      phase: 'log',
      fraction: 0.25,
      records: 1_000,
      recordsPerS: 500,
      bytesDone: 250,
      bytesTotal: 1_000,
      elapsedMs: 2_000,
      etaMs: 6_000,
    } as const;
    const running = await start();
    running.node.statusOverrides = { isReady: false, state: 'loading', recovery };
    const verbose = await http1(running, 'GET', '/readyz?verbose');
    expect(JSON.parse(verbose.text)).toMatchObject({ ready: false, state: 'loading', recovery });
    const metrics = (await http1(running, 'GET', '/metrics')).text.split('\n');
    expect(metrics).toEqual(
      expect.arrayContaining([
        'walnut_recovery_progress_ratio 0.25',
        'walnut_recovery_records 1000',
        'walnut_recovery_bytes 250',
        'walnut_recovery_bytes_expected 1000',
        'walnut_recovery_duration_seconds 2',
        'walnut_recovery_remaining_seconds 6',
      ]),
    );
  });

  it('/ says what this is', async () => {
    const answer = await http1(await start(), 'GET', '/');
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('This node is a master, state serving, ready.');
    expect(answer.text).toContain('/v1/keys/{key}');
  });

  it('takes GET and HEAD only', async () => {
    const running = await start();
    for (const path of ['/', '/livez', '/readyz', '/metrics']) {
      const answer = await http1(running, 'DELETE', path);
      expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
      expect((await http1(running, 'HEAD', path)).status).toBe(200);
    }
  });
});

describe('/metrics', () => {
  it('shows rpcs by method and code, the ones refused before their handler included', async () => {
    const running = await start();
    await rpc(running, 'KVStore/Set', { key: 'k', value: 'djE=' });
    await rpc(running, 'KVStore/Get', { key: '' });
    await rpc(running, 'KVStore/Get', { kee: '' });
    await rpc(running, 'KVStore/Nope', {});
    await http1(running, 'GET', '/v1/keys/k');
    const { text } = await http1(running, 'GET', '/metrics');
    expect(text).toContain('walnut_rpc_handled_total{method="walnut.v1.KVStore/Set",code="ok"} 1');
    expect(text).toContain(
      'walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="invalid_argument"} 2',
    );
    expect(text).toContain('walnut_rpc_handled_total{method="unknown",code="unimplemented"} 1');
    expect(text).toContain('walnut_rpc_duration_seconds_count{method="walnut.v1.KVStore/Set"} 1');
    expect(text).toContain('walnut_keys_requests_total{method="GET",code="ok"} 1');
    expect(text).toContain('walnut_keys_duration_seconds_count{method="GET"} 1');
  });

  it('shows what became of the operations of Batches, which are answered OK themselves', async () => {
    const running = await start();
    const set = { set: { key: 'k', value: 'djE=' } };
    const get = { get: { key: 'k' } };
    const operations = [set, set, get, { get: { key: '' } }, {}];
    await rpc(running, 'KVStore/Batch', { operations });
    await rpc(running, 'KVStore/Batch', { operations: [set], atomic: true });
    await rpc(running, 'KVStore/Batch', { operations: [], atomic: true });
    const { text } = await http1(running, 'GET', '/metrics');
    expect(text.match(/^walnut_batch_operations_total.*$/gm)?.sort()).toEqual([
      'walnut_batch_operations_total{method="unknown",code="invalid_argument"} 1',
      'walnut_batch_operations_total{method="walnut.v1.KVStore/Get",code="invalid_argument"} 1',
      'walnut_batch_operations_total{method="walnut.v1.KVStore/Get",code="ok"} 1',
      'walnut_batch_operations_total{method="walnut.v1.KVStore/Set",code="ok"} 3',
    ]);
    expect(lintMetrics(text)).toEqual([]);
  });

  it('reads the node when asked', async () => {
    const running = await start();
    running.node.statusOverrides = {
      upstream: { address: 'm:8080', isLinked: true, lagRecords: 7, lagMs: 1_500 },
      replicas: [
        {
          nodeId: NODE_ID,
          address: 'r:8081',
          state: 'streaming',
          acked: positionOf(41),
          lagRecords: 2,
          lagMs: 250,
          fullResyncs: 1,
          partialResyncs: 3,
          lastFullResyncReason: '',
          applyDelayMs: 0,
        },
      ],
    };
    const { text } = await http1(running, 'GET', '/metrics');
    for (const line of [
      'walnut_ready 1',
      'walnut_node_info{role="master",state="serving",version="0.0.0-test"} 1',
      'walnut_term 1',
      'walnut_wal_bytes 4096',
      'walnut_wal_format_level 1',
      'walnut_wal_segments 2',
      'walnut_store_max_entries 10',
      'walnut_store_max_bytes 2000',
      'walnut_store_hits_total 3',
      'walnut_store_misses_total 4',
      'walnut_store_evicted_total 5',
      'walnut_store_expired_total 6',
      'walnut_store_refused_total 7',
      'walnut_upstream_lag_records{master="m:8080"} 7',
      'walnut_upstream_lag_seconds{master="m:8080"} 1.5',
      `walnut_replica_acked_lsn{node="${NODE_ID}"} 41`,
      `walnut_replica_lag_seconds{node="${NODE_ID}"} 0.25`,
      `walnut_replica_full_resyncs_total{node="${NODE_ID}"} 1`,
    ]) {
      expect(text).toContain(line);
    }
    expect(lintMetrics(text)).toEqual([]);
  });

  it('shows where the limits of a group do not fit a member, and nothing of it elsewhere', async () => {
    const running = await start();
    const linesNow = async () =>
      (await http1(running, 'GET', '/metrics')).text.match(/^walnut_limits_unfit.*$/gm);
    expect(await linesNow()).toBeNull();
    running.node.statusOverrides = { limits: { areOthers: true, lackRoom: false } };
    expect(await linesNow()).toEqual([
      'walnut_limits_unfit{why="configuration"} 1',
      'walnut_limits_unfit{why="room"} 0',
    ]);
  });

  it('shows a lag that is not known as one beyond every limit', async () => {
    const running = await start();
    const upstream = { address: 'm:8080', isLinked: false, lagRecords: 0, lagMs: UNKNOWN_LAG_MS };
    running.node.statusOverrides = { upstream };
    const { text } = await http1(running, 'GET', '/metrics');
    expect(text).toContain('walnut_upstream_lag_seconds{master="m:8080"} +Inf');
    expect(lintMetrics(text)).toEqual([]);
    const { json } = await rpc(running, 'Admin/Status', {});
    expect(json).toMatchObject({ master: { lagMs: String(2 ** 53 - 1) } });
  });
});

describe('grpc.health.v1', () => {
  it('tells readiness of the server and each service', async () => {
    const running = await start();
    const client = createClient(Health, grpc(running));
    expect((await client.check({})).status).toBe(ServingStatus.SERVING);
    expect((await client.check({ service: 'walnut.v1.KVStore' })).status).toBe(ServingStatus.SERVING);
    await expect(client.check({ service: 'walnut.v1.Nope' })).rejects.toThrow(/not_found.*expected one of/);
    running.node.statusOverrides = { isReady: false };
    expect((await client.check({})).status).toBe(ServingStatus.NOT_SERVING);
    const { statuses } = await client.list({});
    expect(Object.keys(statuses)).toEqual([
      '',
      'walnut.v1.KVStore',
      'walnut.v1.Replication',
      'walnut.v1.Admin',
    ]);
  });

  it('watches: the status now, every change, and the end at drain', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const seen: number[] = [];
    const ended = (async () => {
      for await (const { status } of createClient(Health, grpc(running)).watch({})) seen.push(status);
    })();
    await until(() => seen.length === 1);
    running.node.statusOverrides = { isReady: false };
    await clock.advance(WATCH_INTERVAL_MS);
    await until(() => seen.length === 2);
    running.node.statusOverrides = {};
    await clock.advance(WATCH_INTERVAL_MS);
    await until(() => seen.length === 3);
    running.server.beginDrain();
    await ended;
    expect(seen).toEqual([
      ServingStatus.SERVING,
      ServingStatus.NOT_SERVING,
      ServingStatus.SERVING,
      ServingStatus.NOT_SERVING,
    ]);
  });
});

describe('grpc.reflection', () => {
  it('lists services and gives the file of a symbol with what it imports', async () => {
    const running = await start();
    const client = createClient(ServerReflection, grpc(running));
    async function* questions() {
      yield { messageRequest: { case: 'listServices' as const, value: '*' } };
      yield { messageRequest: { case: 'fileContainingSymbol' as const, value: 'walnut.v1.KVStore.Get' } };
      yield { messageRequest: { case: 'fileByFilename' as const, value: 'walnut/v1/types.proto' } };
      yield { messageRequest: { case: 'fileContainingSymbol' as const, value: 'walnut.v1.Nope' } };
    }
    const answers = [];
    for await (const { messageResponse } of client.serverReflectionInfo(questions()))
      answers.push(messageResponse);
    const [list, symbol, file, missing] = answers;
    expect(list?.case === 'listServicesResponse' && list.value.service.map(({ name }) => name)).toEqual([
      'walnut.v1.KVStore',
      'walnut.v1.Replication',
      'walnut.v1.Admin',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ]);
    const names = (answer: typeof symbol): string[] =>
      answer?.case === 'fileDescriptorResponse'
        ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
        : [];
    expect(names(symbol)).toEqual(['walnut/v1/kv_store.proto', 'walnut/v1/types.proto']);
    expect(names(file)).toEqual(['walnut/v1/types.proto']);
    expect(missing).toMatchObject({ case: 'errorResponse', value: { errorCode: 5 } });
  });

  it('answers v1alpha as well', async () => {
    const client = session(await start());
    const question = Buffer.from([0, 0, 0, 0, 3, 0x3a, 1, 0x2a]);
    const path = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';
    const headers = { ':path': path, ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
    const answer = await http2(client, headers, question);
    expect(answer.trailers['grpc-status']).toBe('0');
    expect(answer.text).toContain('walnut.v1.KVStore');
  });
});

describe('protected mode', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['10.1.2.3', true],
    ['172.16.0.1', true],
    ['172.31.255.255', true],
    ['172.15.0.1', false],
    ['172.32.0.1', false],
    ['192.168.7.7', true],
    ['192.169.0.1', false],
    ['169.254.1.1', true],
    ['100.64.0.1', false],
    ['8.8.8.8', false],
    ['1.10.0.1', false],
    ['::1', true],
    ['::', false],
    ['fc00::1', true],
    ['fdff::1', true],
    ['fe00::1', false],
    ['fe80::1%eth0', true],
    ['febf::1', true],
    ['fec0::1', false],
    ['2001:db8::1', false],
    ['::ffff:192.168.0.1', true],
    ['::ffff:8.8.8.8', false],
    ['10.evil.example', false],
    ['', false],
    [undefined, false],
  ])('%s is served: %s', (address, isServed) => {
    expect(isPrivateAddress(address)).toBe(isServed);
  });

  it('is for binds that others can reach', () => {
    const loopback = ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'];
    for (const address of loopback) expect(isLoopbackAddress(address)).toBe(true);
    for (const address of ['0.0.0.0', '::', '10.0.0.1', '::2'])
      expect(isLoopbackAddress(address)).toBe(false);
  });

  it('warns once, and serves loopback', async () => {
    const running = await start({ host: '0.0.0.0' });
    expect(running.logged.map(({ level, message }) => [level, message.slice(0, 14)])).toEqual([
      ['warn', 'protected mode'],
    ]);
    expect((await rpc(running, 'KVStore/Get', { key: 'k' })).status).toBe(200);
    expect((await start()).logged).toEqual([]);
  });
});
