/** Scrub and Digest at a position, over the wire. */
import { Code, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { start } from '#test/server/running.ts';

describe('Scrub', () => {
  it.each([
    ['Connect', createConnectTransport],
    ['gRPC', createGrpcTransport],
  ])('streams progress and ends with what was found, over %s', async (_, createTransport) => {
    const running = await start();
    const admin = createClient(Admin, createTransport({ baseUrl: running.baseUrl, httpVersion: '2' }));
    const words = [];
    for await (const word of admin.scrub({})) words.push(word);
    expect(words).toMatchObject([
      { entries: 2n, entriesTotal: 4n, done: false, altered: 0n, findings: [] },
      { entries: 4n, elapsedMs: 12n, done: true, altered: 1n, findings: ['"a" of version 1-1: altered'] },
    ]);
  });
});

describe('Digest', () => {
  it('is of the position asked for, waited for as long as told', async () => {
    const running = await start();
    const transport = createConnectTransport({ baseUrl: running.baseUrl, httpVersion: '1.1' });
    const admin = createClient(Admin, transport);
    const at = { epoch: 7n, lsn: 3n };
    expect(await admin.digest({ at, waitMs: 500 })).toMatchObject({ position: at, digest: 'cd'.repeat(16) });
    expect(running.node.calls.at(-1)).toMatchObject({ port: 'digestAt', extra: 500 });
    expect(await admin.digest({})).toMatchObject({ digest: 'ab'.repeat(16) });
    await expect(admin.digest({ at, waitMs: 60_001 })).rejects.toMatchObject({ code: Code.InvalidArgument });
  });
});
