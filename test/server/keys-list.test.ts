import { describe, expect, it } from 'vitest';
import { http1, type Running, start } from '#test/server/running.ts';

async function filled(): Promise<Running> {
  const running = await start();
  for (const key of ['user:1', 'user:2', 'other'])
    await http1(running, 'PUT', `/v1/keys/${key}?ttl=30s`, { body: key });
  return running;
}

const list = (running: Running, query: string, headers = {}): ReturnType<typeof http1> =>
  http1(running, 'GET', `/v1/keys${query}`, { headers });

const VALUES = { 'user:1': 'dXNlcjox', 'user:2': 'dXNlcjoy' };
const entry = (key: keyof typeof VALUES): Record<string, unknown> => ({
  key,
  value: VALUES[key],
  version: { epoch: '4294967297', lsn: key.slice(-1) },
  expireAtMs: '1030000',
});

describe('GET /v1/keys', () => {
  it('answers a page of Scan as its JSON', async () => {
    const answer = await list(await filled(), '?prefix=user:');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({
      entries: [entry('user:1'), entry('user:2')],
      asOf: { epoch: '4294967297', lsn: '3' },
      stalenessMs: '1',
    });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'x-walnut-as-of': '4294967297-3',
      'cache-control': 'no-cache',
      vary: 'accept',
    });
    expect(answer.headers['x-walnut-next-cursor']).toBeUndefined();
  });

  it.each(['application/x-ndjson', 'application/ndjson', 'text/html, application/jsonl;q=0.9'])(
    'answers one entry a line to %s',
    async (accept) => {
      const answer = await list(await filled(), '?prefix=user:', { accept });
      const lines = answer.text.split('\n');
      expect(lines.pop()).toBe('');
      expect(lines.map((line) => JSON.parse(line))).toEqual([entry('user:1'), entry('user:2')]);
      expect(accept).toContain(answer.headers['content-type']);
    },
  );

  it.each([
    'application/x-ndjson;q=0, application/json',
    'application/x-ndjson;q=0.5, application/json',
    'application/x-ndjsonish',
  ])('answers JSON to %s', async (accept) => {
    const answer = await list(await filled(), '?prefix=user:', { accept });
    expect(answer.headers['content-type']).toBe('application/json');
  });

  it('passes on what is asked for, and the cursor of the next page', async () => {
    const running = await filled();
    const { keyValue } = running.node.ports;
    const asked: unknown[] = [];
    const { scan } = keyValue;
    const pages: typeof scan = (command) => {
      asked.push(command);
      return { ...scan.call(keyValue, command), nextCursor: command.cursor === '' ? 'c1' : '' };
    };
    Object.assign(keyValue, { scan: pages });
    const query = '?prefix=user%3A&limit=2&keys_only';
    const first = await list(running, query);
    expect(first.headers['x-walnut-next-cursor']).toBe('c1');
    expect(JSON.parse(first.text)).toMatchObject({ nextCursor: 'c1' });
    const last = await list(running, `${query}&cursor=c1`, { accept: 'application/x-ndjson' });
    expect(last.headers['x-walnut-next-cursor']).toBeUndefined();
    const page = { prefix: 'user:', limit: 2, keysOnly: true };
    expect(asked).toMatchObject([
      { ...page, cursor: '' },
      { ...page, cursor: 'c1' },
    ]);
  });

  it.each([
    ['?limit=10001', 'limit is 10001: expected at most 10000'],
    ['?limit=-1', 'expected a whole number'],
    ['?limit=', 'expected a whole number'],
    ['?prefx=a', 'unknown parameter'],
    ['?keys_only=perhaps', 'expected true or false'],
    [`?prefix=${'p'.repeat(1_025)}`, 'prefix has 1025 bytes'],
  ])('refuses %s', async (query, message) => {
    const answer = await list(await start(), query);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).detail).toContain(message);
  });

  it('names its methods', async () => {
    const running = await start();
    expect((await http1(running, 'OPTIONS', '/v1/keys')).headers.allow).toBe('GET, HEAD, OPTIONS');
    const put = await http1(running, 'PUT', '/v1/keys', { body: 'v' });
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    const head = await http1(running, 'HEAD', '/v1/keys');
    expect([head.status, head.text]).toEqual([200, '']);
  });
});
