/** Which heads are well formed (RFC 9113, 8.2 and 8.3), as request, answer and trailers. */
import { describe, expect, it } from 'vitest';
import { Field } from '#http/hpack/field.ts';
import { type Head, HeadBuilder, HeadRole } from '#http/hpack/head.ts';

const REQUEST = [':method GET', ':scheme https', ':path /', ':authority a:1'];

function build(lines: readonly string[], role: number = HeadRole.request, bytesMax = 16_384) {
  const builder = new HeadBuilder();
  builder.begin(role, bytesMax);
  for (const line of lines) {
    const space = line.indexOf(' ');
    builder.add(new Field(line.slice(0, space), line.slice(space + 1)));
  }
  return builder.finish();
}

describe('a request', () => {
  it.each<[string[], string]>([
    [[], 'no method'],
    [REQUEST.slice(1), 'no method'],
    [REQUEST.filter((line) => !line.startsWith(':scheme')), 'no scheme'],
    [REQUEST.filter((line) => !line.startsWith(':path')), 'no path'],
    [[...REQUEST, ':method GET'], 'two methods'],
    [[...REQUEST, ':scheme http'], 'two schemes'],
    [[...REQUEST, ':path /'], 'two paths'],
    [[...REQUEST, ':authority a:1'], 'two authorities'],
    [[...REQUEST, ':status 200'], 'pseudo-field that does not belong here'],
    [[...REQUEST, ':protocol websocket'], 'unknown or ill-formed pseudo-field'],
    [['x y', ...REQUEST], 'pseudo-field after a field'],
    [[':method G T', ...REQUEST.slice(1)], 'unknown or ill-formed pseudo-field'],
    [[':method GET', ':scheme https', ':authority a', ':path '], 'unknown or ill-formed pseudo-field'],
    [[':method GET', ':scheme https', ':authority a', ':path a'], 'unknown or ill-formed pseudo-field'],
    [[':method GET', ':scheme https', ':authority a', ':path /a b'], 'unknown or ill-formed pseudo-field'],
    [[':method GET', ':scheme https', ':authority a', ':path *'], 'path * without OPTIONS'],
    [[':method GET', ':scheme h ttp', ':path /'], 'unknown or ill-formed pseudo-field'],
    [[...REQUEST, 'host b'], 'host other than :authority'],
    [[...REQUEST, 'host a:1', 'host a:1'], 'two host fields'],
    [[...REQUEST, 'content-length 1', 'content-length 2'], 'two lengths of content'],
    [[':method CONNECT', ':authority a:1', ':path /'], 'CONNECT with a scheme or path'],
    [[':method CONNECT'], 'CONNECT without an authority'],
  ])('%j: %s', (lines, why) => {
    expect(build(lines)).toEqual({ kind: 'malformed', why });
  });

  it.each([
    'Upper x',
    'na\tme x',
    ' x',
    'na:me x',
    'x a\r',
    'x a\n',
    'x a\0',
    'x \ta',
    'x a ',
    'x a\x7f',
    'connection close',
    'keep-alive 5',
    'proxy-connection x',
    'transfer-encoding chunked',
    'upgrade h2c',
    'te gzip',
    'te trailers, gzip',
    'content-length -1',
    'content-length 1,1',
    'content-length 0x1',
    'content-length ',
    'content-length 99999999999999999999',
  ])('with the field %j', (line) => {
    const why = 'field that HTTP/2 forbids, or with characters that are not allowed';
    expect(build([...REQUEST, line])).toEqual({ kind: 'malformed', why });
  });

  it.each([
    'x ',
    'x a b',
    'x a\tb',
    'x \xff\x80',
    'te trailers',
    'host a:1',
    'host A:1',
    "!#$%&'*+-.^_`|~09az x",
    'content-length 0',
  ])('may have the field %j', (line) => {
    expect(build([...REQUEST, line])).not.toHaveProperty('kind');
  });

  it('gives what its fields say', () => {
    const head = build([
      ...REQUEST,
      'cookie a=1',
      'x 1',
      'cookie b=2',
      'x 2',
      'content-length 12',
      'content-length 12',
    ]) as Head;
    const { method, scheme, path, authority, status, contentLength } = head;
    expect({ method, scheme, path, authority, status, contentLength }).toEqual({
      method: 'GET',
      scheme: 'https',
      path: '/',
      authority: 'a:1',
      status: 0,
      contentLength: 12,
    });
    expect([head.get('cookie'), head.get('x'), head.get('y')]).toEqual(['a=1; b=2', '1, 2', undefined]);
  });

  it('may be CONNECT, OPTIONS *, and without an authority', () => {
    expect(build([':method CONNECT', ':authority a:1'])).not.toHaveProperty('kind');
    expect(build([':method OPTIONS', ':scheme http', ':path *'])).not.toHaveProperty('kind');
    expect((build([':method GET', ':scheme http', ':path /', 'host b']) as Head).authority).toBe('b');
  });

  it('of one octet too many is too large, whatever else is wrong', () => {
    const size = REQUEST.reduce((sum, line) => sum + line.length - 1 + 32, 0);
    expect(build(REQUEST, HeadRole.request, size)).not.toHaveProperty('kind');
    expect(build([...REQUEST, 'Upper x'], HeadRole.request, size)).toHaveProperty('kind', 'too large');
  });
});

describe('an answer and trailers', () => {
  it.each<[string[], number, string]>([
    [[], HeadRole.response, 'no status'],
    [[':status 200', ':status 200'], HeadRole.response, 'two statuses'],
    [[':status 20'], HeadRole.response, 'pseudo-field that does not belong here'],
    [[':status 099'], HeadRole.response, 'pseudo-field that does not belong here'],
    [[':status 101'], HeadRole.response, 'status 101'],
    [[':method GET', ':status 200'], HeadRole.response, 'pseudo-field that does not belong here'],
    [[':status 200'], HeadRole.trailers, 'pseudo-field in trailers'],
    [['content-length 3'], HeadRole.trailers, 'length of content in trailers'],
  ])('%j as role %i: %s', (lines, role, why) => {
    expect(build(lines, role)).toEqual({ kind: 'malformed', why });
  });

  it('may be short', () => {
    expect((build([':status 204'], HeadRole.response) as Head).status).toBe(204);
    expect(build([], HeadRole.trailers)).not.toHaveProperty('kind');
  });
});
