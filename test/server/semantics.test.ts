/**
 * The table of docs/api.md: what can be asked over which transport. Each cell that says
 * `yes` is carried out on a real master and by a gateway over three of them, each that says
 * `refused` is refused by both, and where it says `no` there is nothing to ask it with.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type BatchOperationSchema, type BatchResult, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { RunningGateway } from '#test/server/running-gateway.ts';

const PAGE = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const COLUMNS = ['Connect', 'gRPC and gRPC-Web', 'Connect by GET', 'in a Batch', '`/v1/keys`'] as const;
type Column = (typeof COLUMNS)[number];
type Store = Client<typeof KVStore>;
type Operation = NonNullable<MessageInitShape<typeof BatchOperationSchema>['operation']>;

/** What serves the API, and the master that has a key. */
interface Served {
  readonly address: string;
  /** That answers tell unasked; undefined: none. */
  readonly group?: string;
  masterOf(key: string): RunningMaster;
  stop(): Promise<void>;
}

const SERVERS: Readonly<Record<string, (directory: string) => Promise<Served>>> = {
  'a master': async (directory) => {
    const master = await RunningMaster.start(directory);
    return { address: master.address, masterOf: () => master, stop: () => master.stop() };
  },
  'a node of a cluster': async (directory) => {
    const master = await RunningMaster.start(directory, {}, { group: 'g1' });
    return { address: master.address, group: 'g1', masterOf: () => master, stop: () => master.stop() };
  },
  'a gateway over three groups': (directory) => RunningGateway.start(directory),
};

let served: Served;
/** `x-walnut-positions` of the answers of this test. */
let told: (string | null)[] = [];
const listens: Interceptor = (next) => async (request) => {
  const answer = await next(request);
  told.push(answer.header.get('x-walnut-positions'));
  return answer;
};
const interceptors = [listens];

/** One semantics: how it is asked for over each kind of transport, with what shows that it was heeded. */
interface Row {
  /** The rpc, its request, and what its answer has. */
  readonly rpc: 'get' | 'set' | 'delete' | 'increment' | 'touch' | 'batch' | 'scan';
  readonly request: Record<string, unknown>;
  readonly answer: Record<string, unknown>;
  readonly http?: (url: (key: string, query?: string) => string) => Promise<Response>;
  readonly httpShows?: (response: Response) => unknown;
}

let asked = 0;
const V = new Uint8Array(Buffer.from('v'));
const ttl = { case: 'ttlMs', value: 60_000n } as const;
const some = expect.anything();
/** After the newest record: no state includes it yet. */
const ahead = () => {
  const { epoch, lsn } = served.masterOf('k').node.status().position;
  return { epoch: BigInt(epoch), lsn: BigInt(lsn + 1_000) };
};
const fetched = (method: string, url: string, headers: Record<string, string> = {}, body?: string) =>
  fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });

const ROWS: Readonly<Record<string, () => Row>> = {
  'read a key': () => ({
    rpc: 'get',
    request: { key: 'k' },
    answer: { found: true, value: V },
    http: (url) => fetched('GET', url('k')),
    httpShows: async (response) => expect(await response.text()).toBe('v'),
  }),
  'bound the age of the answer (`max_staleness_ms`)': () => ({
    rpc: 'get',
    request: { key: 'k', maxStalenessMs: 5_000n },
    answer: { found: true, stalenessMs: 0n },
    http: (url) => fetched('GET', url('k', 'max_staleness=5s')),
    httpShows: ({ headers }) => expect(headers.get('x-walnut-staleness-ms')).toBe('0'),
  }),
  'when it was modified (`with_modified`)': () => ({
    rpc: 'get',
    request: { key: 'k', withModified: true },
    answer: { modifiedMs: expect.toSatisfy((ms: bigint) => ms > 1_700_000_000_000n) },
    http: (url) => fetched('GET', url('k')),
    httpShows: ({ headers }) => expect(headers.get('last-modified')).toMatch(/GMT$/),
  }),
  'list keys by prefix': () => ({
    rpc: 'scan',
    request: { prefix: 'k' },
    answer: { entries: [{ key: 'k' }] },
    http: (url) => fetched('GET', url('', 'prefix=k').replace('keys/', 'keys')),
    httpShows: async (response) => expect(await response.json()).toMatchObject({ entries: [{ key: 'k' }] }),
  }),
  'fill a missing key once (`fill_lease_ms`)': () => ({
    rpc: 'get',
    // Each call asks for a key of its own, because the first to ask has the lease.
    get request() {
      return { key: `unfilled-${asked++}`, fillLeaseMs: 1_000 };
    },
    answer: { found: false, fillLease: { token: some } },
  }),
  'name a write (`request_id`)': () => ({
    rpc: 'set',
    request: { key: 'w', value: V, requestId: `named-${asked++}` },
    answer: { applied: true },
    http: (url) => fetched('PUT', url('w', 'request_id=named'), {}, 'v'),
    httpShows: async ({ url }) => {
      const again = await fetched('PUT', url, {}, 'v');
      expect(again.headers.get('x-walnut-repeated')).toBe('true');
    },
  }),
  'name a write by client and number (`client_id`, `sequence`)': () => ({
    rpc: 'set',
    request: { key: 'w', value: V, clientId: 1_000n + BigInt(asked++), sequence: 1n },
    answer: { applied: true },
  }),
  'write with a time to live': () => ({
    rpc: 'set',
    request: { key: 'w', value: V, expiry: ttl },
    answer: { applied: true },
    http: (url) => fetched('PUT', url('w', 'ttl=60s'), {}, 'v'),
    httpShows: async (response) => {
      expect(response.ok).toBe(true);
      expect(
        (await served.masterOf('w').node.get({ key: 'w', waitMs: 0 })).entry?.expireAtMs,
      ).toBeGreaterThan(0);
    },
  }),
  'write with a content type': () => ({
    rpc: 'set',
    request: { key: 't', value: V, contentType: 'text/plain' },
    answer: { applied: true },
    http: (url) => fetched('PUT', url('t'), { 'content-type': 'text/plain' }, 'v'),
    httpShows: async () =>
      expect((await served.masterOf('t').node.get({ key: 't', waitMs: 0 })).entry?.contentType).toBe(
        'text/plain',
      ),
  }),
  'write on a condition': () => ({
    rpc: 'set',
    request: { key: 'k', value: V, condition: { case: 'ifAbsent', value: true } },
    answer: { applied: false, current: { key: 'k' } },
    http: (url) => fetched('PUT', url('k'), { 'if-none-match': '*' }, 'v'),
    httpShows: ({ status }) => expect(status).toBe(412),
  }),
  'answer the entry before (`return_previous`)': () => ({
    rpc: 'set',
    request: { key: 'k', value: V, returnPrevious: true },
    answer: { applied: true, previous: { value: V } },
  }),
  'wait for the disk (`durability`)': () => ({
    rpc: 'set',
    request: { key: 'd', value: V, durability: Durability.LOCAL },
    answer: { durabilityReached: Durability.LOCAL },
    http: (url) => fetched('PUT', url('d', 'durability=local'), {}, 'v'),
    httpShows: ({ headers }) => expect(headers.get('x-walnut-durability')).toBe('local'),
  }),
  'add to a number': () => ({
    rpc: 'increment',
    request: { key: 'n' },
    answer: { applied: true, value: expect.toSatisfy((sum: bigint) => sum > 0n) },
    http: (url) => fetched('POST', url('n', 'increment')),
    httpShows: async (response) => expect(await response.text()).toMatch(/^\d+$/),
  }),
  'another deadline without the value': () => ({
    rpc: 'touch',
    request: { key: 'k', expiry: { case: 'expireAtMs', value: 0n } },
    answer: { touched: true },
  }),
  'delete a key': () => ({
    rpc: 'delete',
    request: { key: 'gone' },
    answer: { deleted: false, position: some },
    http: (url) => fetched('DELETE', url('gone')),
    httpShows: ({ status }) => expect(status).toBe(404),
  }),
  'many operations at once, all or nothing too': () => ({
    rpc: 'batch',
    request: { atomic: true, operations: [{ operation: { case: 'get', value: { key: 'k' } } }] },
    answer: { committed: true, results: [some] },
  }),
};

/** A state that is not there yet refuses the read, over every transport. */
const UNREACHED = 'read a state that includes a position (`at_least`)';

const transports = (baseUrl: string): Readonly<Record<string, readonly [string, Transport][]>> => ({
  Connect: [
    ['binary', createConnectTransport({ baseUrl, interceptors, httpVersion: '1.1' })],
    ['JSON', createConnectTransport({ baseUrl, interceptors, httpVersion: '1.1', useBinaryFormat: false })],
    [
      'binary over HTTP/2',
      createConnectTransport({ baseUrl, interceptors, httpVersion: '2', idleConnectionTimeoutMs: 10 }),
    ],
  ],
  'gRPC and gRPC-Web': [
    ['gRPC', createGrpcTransport({ baseUrl, interceptors, idleConnectionTimeoutMs: 10 })],
    ['gRPC-Web', createGrpcWebTransport({ baseUrl, interceptors, httpVersion: '1.1' })],
  ],
  'Connect by GET': [
    ['GET', createConnectTransport({ baseUrl, interceptors, httpVersion: '1.1', useHttpGet: true })],
  ],
});

/** The cells of the table, by row and column. */
function tableOf(page: string): Map<string, Map<Column, string>> {
  const lines = page.split('\n').filter((line) => line.startsWith('|'));
  const from = lines.findIndex((line) => line.includes('Connect by GET'));
  const cellsOf = (line: string): string[] =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
  expect(cellsOf(lines[from] ?? '').slice(1)).toEqual([...COLUMNS]);
  const rows = lines.slice(from + 2, from + 3 + Object.keys(ROWS).length).map(cellsOf);
  return new Map(
    rows.map(([name = '', ...cells]) => [
      name,
      new Map(COLUMNS.map((column, i) => [column, cells[i] ?? ''])),
    ]),
  );
}

const TABLE = tableOf(PAGE);
const CASES = [...TABLE].flatMap(([name, cells]) =>
  COLUMNS.map((column) => [name, column, cells.get(column) ?? ''] as const),
);

async function askRpc(store: Store, row: Row): Promise<unknown> {
  return (store[row.rpc] as (request: unknown) => Promise<unknown>)(row.request);
}

async function inBatch(store: Store, row: Row): Promise<BatchResult['result']> {
  const operation = { case: row.rpc, value: row.request } as Operation;
  const { results } = await store.batch({ operations: [{ operation }] });
  return results[0]?.result as BatchResult['result'];
}

/** A call as anybody with curl would try it: a write without its fields, because none is taken. */
function byGet(baseUrl: string, { rpc, request }: Row): Promise<Response> {
  const name = rpc[0]?.toUpperCase() + rpc.slice(1);
  const message = encodeURIComponent(rpc === 'get' ? JSON.stringify(request) : '{}');
  return fetch(`${baseUrl}/walnut.v1.KVStore/${name}?encoding=json&message=${message}`);
}

describe('the table', () => {
  it('has a row for each semantics here', () => {
    expect([...TABLE.keys()].sort()).toEqual([UNREACHED, ...Object.keys(ROWS)].sort());
    expect(CASES.every(([, , cell]) => ['yes', 'no', 'refused'].includes(cell))).toBe(true);
  });
});

describe.each(Object.entries(SERVERS))('what goes over which transport to %s', (_, start) => {
  let directory = '';
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'walnut-semantics-'));
    served = await start(directory);
  });
  afterAll(async () => {
    await served.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(() => {
    const heard = told;
    told = [];
    const group = served.group;
    expect(
      heard.filter((text) => (group === undefined ? text !== null : !text?.startsWith(`${group}=`))),
    ).toEqual([]);
  });

  it.each(CASES)('%s, %s: %s', async (name, column, cell) => {
    const baseUrl = `http://${served.address}`;
    const url = (key: string, query = ''): string => `${baseUrl}/v1/keys/${key}${query && `?${query}`}`;
    await fetched('PUT', url('k'), {}, 'v');
    if (name === UNREACHED) {
      expect(cell).toBe('yes');
      return unreached(baseUrl, column, url);
    }
    const row = ROWS[name]?.() as Row;
    if (column === '`/v1/keys`') {
      expect(cell).toBe(row.http === undefined ? 'no' : 'yes');
      if (row.http !== undefined) await row.httpShows?.(await row.http(url));
      return;
    }
    if (column === 'in a Batch') {
      const transport = createConnectTransport({ baseUrl, interceptors, httpVersion: '1.1' });
      const isOperation = !['batch', 'scan'].includes(row.rpc);
      expect(cell).toBe(isOperation ? 'yes' : 'no');
      if (isOperation)
        expect((await inBatch(createClient(KVStore, transport), row)).value).toMatchObject(row.answer);
      return;
    }
    if (cell === 'refused') {
      expect((await byGet(baseUrl, row)).status).toBe(row.rpc === 'get' ? 400 : 405);
      return;
    }
    expect(cell).toBe('yes');
    for (const [how, transport] of transports(baseUrl)[column] ?? [])
      expect(await askRpc(createClient(KVStore, transport), row), how).toMatchObject(row.answer);
  });
});

async function unreached(baseUrl: string, column: Column, url: (key: string, query: string) => string) {
  const atLeast = ahead();
  if (column === '`/v1/keys`') {
    const response = await fetch(url('k', `at_least=${atLeast.epoch}-${atLeast.lsn}`));
    expect(await response.json()).toMatchObject({ code: 'data_loss' });
    return;
  }
  const request = { key: 'k', atLeast };
  const row: Row = { rpc: 'get', request, answer: {} };
  for (const [, transport] of transports(baseUrl)[column === 'in a Batch' ? 'Connect' : column] ?? []) {
    const store = createClient(KVStore, transport);
    if (column === 'in a Batch') {
      expect((await inBatch(store, row)).value).toMatchObject({ code: 'data_loss' });
    } else
      await expect(askRpc(store, row)).rejects.toMatchObject({
        rawMessage: expect.stringContaining('position'),
      });
  }
  // A Batch of errors shows no state.
  if (column === 'in a Batch') told = [];
}
