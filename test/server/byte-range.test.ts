import { describe, expect, it } from 'vitest';
import { selectRange } from '#server/byte-range.ts';
import { http1, start } from '#test/server/running.ts';

describe('the range of a header', () => {
  it.each<[string | undefined, number, unknown]>([
    [undefined, 10, 'whole'],
    ['bytes=0-0', 10, [0, 1]],
    ['bytes=2-5', 10, [2, 6]],
    ['bytes=2-', 10, [2, 10]],
    ['bytes=2-9', 10, [2, 10]],
    ['bytes=2-99999999999999999999', 10, [2, 10]],
    ['bytes=-3', 10, [7, 10]],
    ['bytes=-99', 10, [0, 10]],
    ['Bytes= 2-5 ', 10, [2, 6]],
    ['bytes=, 2-5 ,', 10, [2, 6]],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=99999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-5', 0, 'whole'],
    ['bytes=5-2', 10, 'whole'],
    ['bytes=0-1,4-5', 10, 'whole'],
    ['bytes=0-1, bytes=4-5', 10, 'whole'],
    ['lines=0-1', 10, 'whole'],
    ['bytes=', 10, 'whole'],
    ['bytes=-', 10, 'whole'],
    ['bytes=a-b', 10, 'whole'],
    ['bytes=1.5-2', 10, 'whole'],
    ['bytes=0x1-2', 10, 'whole'],
    ['bytes 0-1', 10, 'whole'],
    ['', 10, 'whole'],
  ])('%j of %s bytes is %j', (header, bytes, expected) => {
    const range = selectRange(header, bytes);
    expect(typeof range === 'string' ? range : [range.start, range.end]).toEqual(expected);
  });
});

const TAG = '"4294967297-1"';

describe('Range of a value', () => {
  it.each<[string, Record<string, string>, number, string, string | undefined]>([
    ['GET', {}, 200, 'abcdef', undefined],
    ['GET', { range: 'bytes=1-2' }, 206, 'bc', 'bytes 1-2/6'],
    ['GET', { range: 'bytes=-2' }, 206, 'ef', 'bytes 4-5/6'],
    ['GET', { range: 'bytes=0-' }, 206, 'abcdef', 'bytes 0-5/6'],
    ['GET', { range: 'bytes=0-0,2-3' }, 200, 'abcdef', undefined],
    ['HEAD', { range: 'bytes=1-2' }, 200, '', undefined],
    ['GET', { range: 'bytes=1-2', 'if-range': TAG }, 206, 'bc', 'bytes 1-2/6'],
    ['GET', { range: 'bytes=1-2', 'if-range': `W/${TAG}` }, 200, 'abcdef', undefined],
    ['GET', { range: 'bytes=1-2', 'if-range': '"4294967297-2"' }, 200, 'abcdef', undefined],
    ['GET', { range: 'bytes=1-2', 'if-range': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 200, 'abcdef', undefined],
    ['GET', { range: 'bytes=6-', 'if-range': '"4294967297-2"' }, 200, 'abcdef', undefined],
    ['GET', { range: 'bytes=1-2', 'if-none-match': TAG }, 304, '', undefined],
    ['GET', { range: 'bytes=1-2', 'if-match': TAG }, 206, 'bc', 'bytes 1-2/6'],
  ])('%s with %j is %s %j', async (method, headers, status, text, range) => {
    const running = await start();
    await http1(running, 'PUT', '/v1/keys/k', { body: 'abcdef' });
    const answer = await http1(running, method, '/v1/keys/k', { headers });
    expect([answer.status, answer.text, answer.headers['content-range']]).toEqual([status, text, range]);
    expect(answer.headers).toMatchObject({ etag: TAG, 'accept-ranges': 'bytes' });
    if (status === 206) expect(answer.headers['content-length']).toBe(String(text.length));
  });

  it('says how long the value is where no byte of it is in the range', async () => {
    const running = await start();
    await http1(running, 'PUT', '/v1/keys/k', { body: 'abcdef' });
    const answer = await http1(running, 'GET', '/v1/keys/k', { headers: { range: 'bytes=6-' } });
    expect([answer.status, answer.headers['content-range']]).toEqual([416, 'bytes */6']);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'out_of_range', title: 'Range Not Satisfiable' });
    expect(answer.headers).toMatchObject({ etag: TAG, 'x-walnut-as-of': '4294967297-1' });
  });
});
