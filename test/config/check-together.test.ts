/** Problems between keys, told together with those of single keys. */
import { expect, it } from 'vitest';
import type { BinaryKind } from '#config/binaries.ts';
import { loadConfig } from '#config/load-config.ts';

function problemsOf(kind: BinaryKind, text: string): readonly string[] {
  try {
    loadConfig({ kind, file: 'node.yaml', text });
  } catch (error) {
    return String((error as Error).message).split('\n');
  }
  return [];
}

it('problems of keys and between keys come together, of which none blames a key that is wrong itself', () => {
  const text = `auth: { mode: required }
server: { port: -1, tls: { mode: required }, address: 0.0.0.0 }
peer: { tls: { cert: a, key: 5 } }
foo: 1
wal: { directory: d }
storage: { max_memory: 1TB }
`;
  expect(problemsOf('master', text)).toEqual([
    expect.stringMatching(/^node.yaml:1:1 auth.file: missing/),
    'node.yaml:2:17 server.port: expected a whole number from 0 to 65535, got -1',
    'node.yaml:2:21 server.tls.cert: missing: expected a file in PEM, as server.tls.mode is required',
    'node.yaml:2:21 server.tls.key: missing: expected a file in PEM, as server.tls.mode is required',
    'node.yaml:3:30 peer.tls.key: expected the path of a file, got 5: write it in quotes',
    'node.yaml:4:1 foo: unknown key',
    expect.stringContaining(
      'storage.max_memory: expected a size such as "512B", "100KB", "64MiB" or "1GB", at least',
    ),
  ]);
  const replica = 'wal: { directory: d }\npeer: { token_file: t }\nmaster: { address: a }\n';
  expect(problemsOf('slave', replica)).toEqual([
    expect.stringContaining('master.address: expected "host:port"'),
  ]);
});

const SERVER = 'wal: { directory: d }\nserver: { port: 8081, address: "127.0.0.1" }\n';

it.each<[BinaryKind, string, readonly string[]]>([
  [
    'master',
    `${SERVER.replace('8081', '8081, advertise: "[::]:80"')}`,
    [
      'node.yaml:2:34 server.advertise: expected the host:port by which others reach this process, got "[::]:80", by which they reach themselves',
    ],
  ],
  [
    'coordinator',
    'server: { advertise: "0.0.0.0:80" }\ncoordinator: { metadata: { file: f } }\n',
    [
      'node.yaml:1:22 server.advertise: expected the host:port by which others reach this process, got "0.0.0.0:80", by which they reach themselves',
    ],
  ],
])('an advertised address of every host is refused: %s %j', (kind, text, expected) => {
  expect(problemsOf(kind, text)).toEqual(expected);
});
