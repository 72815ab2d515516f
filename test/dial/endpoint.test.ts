import { describe, expect, it } from 'vitest';
import { baseUrlOf, type Endpoint, pathOf, tryEndpoint } from '#dial/endpoint.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';

describe('an endpoint', () => {
  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080, 'http://127.0.0.1:8080'],
    ['[::1]:8081', '::1', 8081, 'http://[::1]:8081'],
    ['cache-1.example.net:65535', 'cache-1.example.net', 65_535, 'http://cache-1.example.net:65535'],
  ])('is read from %s', (text, host, port, url) => {
    const endpoint = tryEndpoint(text);
    expect(endpoint).toEqual({ text, host, port, tls: undefined });
    expect(baseUrlOf(endpoint as Endpoint)).toBe(url);
  });

  it.each(['', 'localhost', 'localhost:', 'localhost:0', 'localhost:65536', '::1:80', 'http://a:1', 'a b:1'])(
    'is not read from "%s"',
    (text) => {
      expect(tryEndpoint(text)).toBeUndefined();
    },
  );
});

it('names an rpc by its service and method', () => {
  expect(pathOf(Admin.method.status)).toBe('/walnut.v1.Admin/Status');
});
