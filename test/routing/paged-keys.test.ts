/** Scan and DeletePrefix over groups: which of them are asked, in what order, and what a cursor may be. */
import { describe, expect, it } from 'vitest';
import type { ScanAnswer } from '#model/commands.ts';
import type { WalnutError } from '#model/errors.ts';
import { FakeCluster, mapOf } from '#test/routing/fake-cluster.ts';

describe('a Scan', () => {
  const SCAN = { prefix: '', cursor: '', limit: 10, keysOnly: false };

  it('that begins while a master hangs goes on at the next one as soon as the map names it', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = (address) => (address === 'g1-1:1' ? 'hung' : 'answer');
    void cluster.clock.sleep(3_000).then(() => {
      cluster.map = mapOf(['g1'], 2, { g1: 'g1-2' });
      cluster.routed.cache.take({ kind: 'whole', map: cluster.map, epoch: 2 });
    });
    const page = await cluster.settled(
      cluster.keys.scan({ prefix: '', cursor: '', limit: 1, keysOnly: false }),
    );
    expect(page).toMatchObject({ entries: [{ key: 'g1-2:1' }] });
    expect(cluster.clock.monotonicMs()).toBeLessThan(4_200);
  });

  it('goes group after group, each at one node', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const keys: string[] = [];
    let cursor = '';
    do {
      const page = (await cluster.settled(cluster.keys.scan({ ...SCAN, cursor }))) as Awaited<
        ReturnType<typeof cluster.keys.scan>
      >;
      keys.push(...page.entries.map(({ key }) => key));
      cursor = page.nextCursor;
    } while (cursor !== '');
    expect(keys).toEqual(['g1-1:1', 'g1-1:1second', 'g2-1:1', 'g2-1:1second']);
  });

  it.each([
    ['{foo}', ['g2-1:1', 'g2-1:1', 'g2-1:1']],
    ['a{bar}:', ['g1-1:1', 'g1-1:1', 'g1-1:1']],
    ['{', ['g1-1:1', 'g1-1:1', 'g2-1:1', 'g2-1:1']],
    ['{}{foo}', ['g1-1:1', 'g1-1:1', 'g2-1:1', 'g2-1:1']],
  ])('of the prefix %j asks those that may have its keys', async (prefix, asked) => {
    const cluster = new FakeCluster(['g1', 'g2']);
    let cursor = '';
    do {
      const page = cluster.keys.scan({ ...SCAN, prefix, cursor });
      cursor = ((await cluster.settled(page)) as ScanAnswer).nextCursor;
    } while (cursor !== '');
    expect(cluster.asked).toEqual(asked);
  });

  it('of a prefix with a tag goes to the group that owns its slot by its log, whatever the map here says', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.map = { ...mapOf(['g1', 'g2'], 2), slots: mapOf(['g2', 'g1'], 2).slots };
    const page = await cluster.settled(cluster.keys.scan({ ...SCAN, prefix: '{foo}' }));
    expect(page).toMatchObject({ entries: [{ key: '{foo}g1-1:1' }], nextCursor: 'g1@g1-1:1/2/0/second' });
  });

  it('of a prefix with a tag is no use of an entry: who owns it is asked by a key that nobody has', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const keys: string[] = [];
    cluster.fate = (_address, key) => {
      if (key !== '') keys.push(key);
      return 'answer';
    };
    await cluster.settled(cluster.keys.scan({ ...SCAN, prefix: `a{${'é'.repeat(100)}}${'x'.repeat(800)}` }));
    expect(keys).toEqual([`a{${'é'.repeat(100)}}\u0000`]);
    const longest = `{${'x'.repeat(1_022)}}`;
    await cluster.settled(cluster.keys.scan({ ...SCAN, prefix: longest }));
    expect(keys[1]).toBe(longest);
  });

  it('goes on by a cursor of a newer map once that map is heard, and else not yet', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.map = mapOf(['g1', 'g2'], 3);
    const page = (epoch: number) =>
      cluster.settled(cluster.keys.scan({ ...SCAN, cursor: `g1@g1-1:1/${epoch}/0/second` }));
    expect(await page(3)).toHaveProperty('entries');
    expect(cluster.routed.cache.map?.epoch).toBe(3);
    expect(await page(4)).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
  });

  it('of a prefix with a tag is refused where no group says that it owns its slot', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = (_address, key) => (key === '' ? 'answer' : 'moved');
    const error = await cluster.settled(cluster.keys.scan({ ...SCAN, prefix: '{foo}' }));
    expect(error).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
  });

  it('ends with its caller', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = () => 'dead';
    const caller = new AbortController();
    const call = cluster.keys.scan({ ...SCAN }, caller.signal).catch((error: unknown) => error);
    await cluster.clock.advance(50);
    caller.abort();
    await cluster.settled(call);
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_000);
  });

  it('of several prefixes looks at each in each group', async () => {
    const cluster = new FakeCluster(['g1']);
    const first = await cluster.settled(cluster.keys.scan({ ...SCAN, among: ['p', 'q'] }));
    expect(first).toMatchObject({ nextCursor: 'g1@g1-1:1/1/0/second' });
    const second = await cluster.settled(
      cluster.keys.scan({ ...SCAN, among: ['p', 'q'], cursor: 'g1@g1-1:1/1/0/second' }),
    );
    expect(second).toMatchObject({
      entries: [{ key: 'pg1-1:1second' }, { key: 'qg1-1:1' }],
      nextCursor: 'g1@g1-1:1/1/1/second',
    });
    const full = await cluster.settled(
      cluster.keys.scan({ ...SCAN, limit: 1, among: ['p', 'q'], cursor: 'g1@g1-1:1/1/0/second' }),
    );
    expect(full).toMatchObject({
      entries: [{ key: 'pg1-1:1second' }],
      nextCursor: expect.stringMatching(/^g1@\/1\/1-[0-9a-f]+\/$/),
    });
    expect(await cluster.settled(cluster.keys.scan({ ...SCAN, among: [] }))).toMatchObject({
      nextCursor: '',
    });
  });

  it('that is between two groups goes on for its own prefix only', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const scan = (prefix: string, cursor: string) =>
      cluster.settled(cluster.keys.scan({ ...SCAN, prefix, limit: 1, cursor }));
    const { nextCursor: within } = (await scan('a', '')) as ScanAnswer;
    const { nextCursor: between } = (await scan('a', within)) as ScanAnswer;
    expect(between).toMatch(/^g2@\/1\/0-[0-9a-f]+\/$/);
    for (const other of ['b', ''])
      expect(await scan(other, between)).toMatchObject({
        code: 'invalid_argument',
        message: 'cursor is of a scan of other prefixes: start over without one',
      });
    expect(await scan('a', between)).toMatchObject({ entries: [{ key: 'ag2-1:1' }] });
    // Gateways of before gave this form.
    expect(await scan('a', 'g2@/1/0/')).toMatchObject({ entries: [{ key: 'ag2-1:1' }] });
  });

  it.each([
    ['nonsense', 'cursor is malformed'],
    ['g9@/1/0/', 'there is no group g9'],
    ['g1@10.0.0.1:80/1/0/x', 'no member of group g1'],
  ])('refuses the cursor %j and calls nobody', async (cursor, message) => {
    const cluster = new FakeCluster(['g1']);
    const error = (await cluster.settled(cluster.keys.scan({ ...SCAN, cursor }))) as WalnutError;
    expect([error.code, error.message]).toEqual(['invalid_argument', expect.stringContaining(message)]);
    expect(cluster.asked).toEqual([]);
  });
});

it('a DeletePrefix of a prefix with a tag asks the owner of its slot only', async () => {
  const cluster = new FakeCluster(['g1', 'g2']);
  cluster.fate = (address) => (address.startsWith('g1') ? 'dead' : 'answer');
  const receipt = { minAcks: 0, timeoutMs: 0 };
  const page = cluster.keys.deletePrefix({ prefix: '{foo}', cursor: '', limit: 0, ...receipt });
  expect(await cluster.settled(page)).toMatchObject({ nextCursor: '', position: { group: 'g2' } });
  expect(cluster.asked).toEqual(['g2-1:1', 'g2-1:1']);
});

it('a DeletePrefix of a prefix with a tag is refused where no group says that it owns its slot', async () => {
  const cluster = new FakeCluster(['g1', 'g2']);
  cluster.fate = (_address, key) => (key === '' ? 'answer' : 'moved');
  const receipt = { minAcks: 0, timeoutMs: 0 };
  const page = cluster.keys.deletePrefix({ prefix: '{foo}', cursor: '', limit: 0, ...receipt });
  expect(await cluster.settled(page)).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
});
