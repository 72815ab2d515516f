/** Calls that go page after page, against a node that answers as told. */
import { createRouterTransport } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { connect } from '../../client/connect.ts';

it('counts the entries of all pages, and asks for no entry', async () => {
  const asked: unknown[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(KVStore, {
      scan: ({ cursor, countOnly, limit }) => {
        asked.push({ cursor, countOnly, limit });
        return { count: 5, nextCursor: cursor === '' ? 'next' : '' };
      },
    }),
  );
  await using client = connect({ transport });
  expect(await client.count('p:')).toBe(10);
  expect(asked).toEqual(['', 'next'].map((cursor) => ({ cursor, countOnly: true, limit: 0 })));
});
