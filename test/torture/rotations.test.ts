/** The short form of `npm run test:torture -- --only rotations`: one round. */
import { expect, it } from 'vitest';
import { withScratch } from './master-process.ts';
import { rotateAgainAndAgain } from './rotations.ts';

it('new certificates and tokens fail no write, and who is removed is out, with open streams', async () => {
  const { writes, connected, failures, callsOutMs, streamsOutMs } = await withScratch((directory) =>
    rotateAgainAndAgain(directory, 1),
  );
  expect(failures).toEqual([]);
  expect([writes > connected, connected > 0]).toEqual([true, true]);
  expect([callsOutMs.length, streamsOutMs.length]).toEqual([3, 2]);
}, 60_000);
