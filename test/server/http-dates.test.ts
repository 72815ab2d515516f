/** Dates of HTTP, and what /v1/keys makes of them. */
import { describe, expect, it } from 'vitest';
import { formatHttpDate, parseHttpDate } from '#server/http-dates.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, http2, session, start } from '#test/server/running.ts';

const MS = Date.UTC(1994, 10, 6, 8, 49, 37);
const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT';

describe('dates of HTTP', () => {
  it('are written in one form and read in three', () => {
    expect(formatHttpDate(MS)).toBe(DATE);
    for (const text of [DATE, 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])
      expect(parseHttpDate(text), text).toBe(MS);
  });

  it.each([
    '',
    '0',
    '1994',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 CET',
    'Sun, 06 Nov 1994 99:49:37 GMT',
    `${DATE}, ${DATE}`,
  ])('are not %j', (text) => {
    expect(parseHttpDate(text)).toBeUndefined();
  });
});

describe('/v1/keys/{key} and dates', () => {
  async function started() {
    const running = await start();
    await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    running.node.modifiedMs = MS;
    const ask = async (headers: Record<string, string>, method = 'GET') =>
      http1(running, method, '/v1/keys/k', { headers });
    return { running, ask };
  }
  const BEFORE = formatHttpDate(MS - 1_000);
  const AFTER = formatHttpDate(MS + 1_000);

  it('says when the entry was modified', async () => {
    const { running, ask } = await started();
    expect((await ask({})).headers['last-modified']).toBe(DATE);
    expect((await ask({}, 'HEAD')).headers['last-modified']).toBe(DATE);
    running.node.modifiedMs = undefined;
    const unknown = await ask({ 'if-modified-since': AFTER, 'if-unmodified-since': BEFORE });
    expect([unknown.status, unknown.headers['last-modified']]).toEqual([200, undefined]);
  });

  it('never says that it was modified after the answer', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    const datesOf = async (path: string, aheadMs: number): Promise<unknown[]> => {
      running.node.modifiedMs = clock.wallMs() + aheadMs;
      const one = (await http1(running, 'GET', path)).headers;
      const two = (await http2(session(running), { ':method': 'GET', ':path': path })).headers;
      return [one, two].flatMap((headers) => [headers['last-modified'], headers['date']]);
    };
    // The Date of a connection is that of its last look at the clock.
    await datesOf('/v1/keys/k', 0);
    await clock.advance(900);
    for (const aheadMs of [0, 5_000]) {
      const now = formatHttpDate(clock.wallMs());
      expect(await datesOf('/v1/keys/k', aheadMs)).toEqual([now, now, now, now]);
    }
  });

  it.each<[Record<string, string>, number]>([
    [{ 'if-modified-since': DATE }, 304],
    [{ 'if-modified-since': AFTER }, 304],
    [{ 'if-modified-since': BEFORE }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    // The tag counts, and the date beside it does not.
    [{ 'if-modified-since': AFTER, 'if-none-match': '"1-1"' }, 200],
    [{ 'if-modified-since': BEFORE, 'if-none-match': '"4294967297-1"' }, 304],
    [{ 'if-unmodified-since': DATE }, 200],
    [{ 'if-unmodified-since': AFTER }, 200],
    [{ 'if-unmodified-since': BEFORE }, 412],
    [{ 'if-unmodified-since': 'yesterday' }, 200],
    [{ 'if-unmodified-since': BEFORE, 'if-match': '"4294967297-1"' }, 200],
    [{ 'if-unmodified-since': BEFORE, 'if-modified-since': AFTER }, 412],
  ])('GET with %j is %i', async (headers, status) => {
    const { ask } = await started();
    expect((await ask(headers)).status).toBe(status);
    expect((await ask(headers, 'HEAD')).status).toBe(status);
  });

  it.each(['PUT', 'POST', 'DELETE'])('%s takes no date for a condition', async (method) => {
    const { running } = await started();
    const path = `/v1/keys/k${method === 'POST' ? '?increment' : ''}`;
    const headers = { 'if-unmodified-since': AFTER };
    const refused = await http1(running, method, path, { headers });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('expected If-Match')]);
    expect(running.node.entries.has('k')).toBe(true);
    const both = await http1(running, 'DELETE', '/v1/keys/k', { headers: { ...headers, 'if-match': '*' } });
    expect(both.status).toBe(204);
  });
});
