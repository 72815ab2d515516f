/** Origins of pages are taken exactly as browsers send them. */
import { expect, it } from 'vitest';
import { loadConfig } from '#config/load-config.ts';

const load = (origin: string) =>
  loadConfig({
    kind: 'master',
    file: 'f',
    text: '',
    sets: ['wal.directory=/d', `server.cors_origins=${origin}`],
  });

it.each(['https://app.example.net', 'http://localhost:3000', 'http://[::1]:3000'])(
  '%s is taken',
  (origin) => {
    expect(load(origin).server.corsOrigins).toEqual([origin]);
  },
);

it.each(['*', 'app.example.net', 'https://a/', 'https://a:443', 'HTTPS://a', 'null', 'file:///a'])(
  '%s is refused',
  (origin) => {
    expect(() => load(origin)).toThrow('expected a list of origins such as "https://app.example.net"');
  },
);
