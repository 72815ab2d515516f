/** The pages of a coordinator and of a gateway: the same routes, with what each of them knows. */
import { get } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { GatewayPort } from '#cluster/gateway-port.ts';
import type { PageKind, Snapshot } from '#page/page-source.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openGatewayServer } from '#server/open-gateway-server.ts';
import { serve } from '#test/cli/fake-coordinator.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { FakeNode } from '#test/server/fake-node.ts';
import { onCleanup } from '#test/server/running.ts';

/** The first snapshot of a page. */
function firstOf(address: string): Promise<Snapshot> {
  return new Promise((resolve, reject) => {
    const asked = get(`http://${address}/page/live`, { agent: false }, (answer) => {
      let text = '';
      answer.on('error', () => {});
      answer.on('data', (chunk: Buffer) => {
        text += chunk;
        if (!text.endsWith('\n\n')) return;
        asked.destroy();
        resolve(JSON.parse(text.slice('data: '.length)) as Snapshot);
      });
    });
    asked.once('error', reject);
  });
}

const GATEWAY: GatewayPort = {
  map: undefined,
  whenMapHeard: () => undefined,
  readiness: () => ({ isReady: true, role: 'gateway', state: 'serving', reasons: [] }),
  view: () => ({
    clusterId: 'c',
    mapEpoch: 7,
    mapAgeMs: 100,
    isFollowing: true,
    groups: [{ id: 'g1', leader: 'a@1', slots: 16_384, calls: 0, bytes: 0, isHeld: false }],
    retries: 0,
  }),
};

async function gateway(): Promise<string> {
  const server = await openGatewayServer({
    gateway: GATEWAY,
    keyValue: new FakeNode().ports.keyValue,
    clock: createNodeClock(),
    logger: silentLogger,
    metrics: new Metrics(),
    version: '0.0.0-test',
    host: '127.0.0.1',
    port: 0,
    hostNames: [],
    corsOrigins: new Set(),
    valueBytesMax: 1 << 20,
    batchBytesMax: 1 << 20,
    bodyBytesMax: 1 << 20,
    answerBytesMax: 1 << 20,
    openFilesMax: 1_000,
    http1: HTTP1,
    http2: HTTP2,
  });
  onCleanup(() => server.close(0));
  return server.address;
}

const SERVERS: readonly (readonly [PageKind, () => Promise<string>, object])[] = [
  [
    'coordinator',
    async () => (await serve()).address,
    {
      readiness: { state: 'active' },
      cluster: { isActive: true, groups: [{ group: { id: 'g1' }, slots: 16_384 }], alarms: [] },
      nodes: { nodes: [{ node: { name: 'a' }, heard: true, heardAgoMs: '120' }, {}, { heard: false }] },
    },
  ],
  [
    'gateway',
    gateway,
    { readiness: { state: 'serving' }, mapEpoch: 7, groups: [{ id: 'g1', slots: 16_384 }] },
  ],
];

describe.each(SERVERS)('the page of a %s', (kind, open, view) => {
  it('is a page for browsers, and text for everyone else', async () => {
    const url = `http://${await open()}/`;
    const page = await fetch(url, { headers: { accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await (await fetch(url)).text()).toContain(`the ${kind} of a cluster`);
  });

  it('tells what it knows', async () => {
    const snapshot = await firstOf(await open());
    expect(snapshot).toMatchObject({ kind, version: '0.0.0-test', view });
    expect(snapshot.figures['walnut_connections']?.[0]?.value).toBeGreaterThan(0);
  });
});
