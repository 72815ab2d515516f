/** Keys of security that need each other, or that a network needs. */
import { describe, expect, it } from 'vitest';
import type { BinaryKind } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { loadConfig } from '#config/load-config.ts';
import { readText } from '#test/house/source-files.ts';

const MINIMAL = 'wal: { directory: d }\n';
const load = (kind: BinaryKind, text: string) => loadConfig({ kind, file: 'node.yaml', text });

function problemsOf(kind: BinaryKind, text: string): readonly string[] {
  try {
    load(kind, text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('loaded, against expectation');
}

describe('keys of security', () => {
  const problems = (kind: BinaryKind, text: string) => problemsOf(kind, `${MINIMAL}${text}`);
  const OPEN = 'server: { address: 0.0.0.0 }\n';
  const TLS = 'tls: { mode: required, cert: c, key: k';

  it.each([
    [
      'auth: { mode: required }',
      'node.yaml:2:1 auth.file: missing: expected the file of users that auth.mode: required needs',
    ],
    [
      `${OPEN}auth: { mode: permissive, file: f }`,
      'node.yaml:3:1 auth.allow_clear_text: expected true: callers send',
    ],
    [
      'peer: { token_file: t }\nreplication: { replicas: ["127.0.0.1:1", "b:1"] }',
      'this node sends peer.token_file to b:1',
    ],
    [
      'peer: { tls: { server_name: a } }',
      'peer.tls.ca: missing: expected the file with the authorities of the other nodes, as peer.tls.server_name',
    ],
    ['peer: { tls: { ca: a, cert: c } }', 'peer.tls.key: missing: expected a file in PEM, as peer.tls.cert'],
    ['peer: { tls: { ca: a, key: k } }', 'peer.tls.cert: missing: expected a file in PEM, as peer.tls.key'],
    ['peer: { tls: { server_name: 10.0.0.1 } }', 'peer.tls.server_name: expected a host name without a port'],
    ['auth: { audit_file: a }', 'auth.audit_file: expected auth.mode: permissive or required beside it'],
    ['auth: { mode: yes }', 'auth.mode: expected one of off, permissive, required, got "yes"'],
    [
      'server: { tls: { mode: required } }',
      'node.yaml:2:11 server.tls.cert: missing: expected a file in PEM, as server.tls.mode is required',
    ],
    [
      'server: { tls: { key: k } }',
      'server.tls.key: expected server.tls.mode: optional or required beside it',
    ],
    [
      'server: { tls: { client_auth: request } }',
      'server.tls.client_auth: expected server.tls.mode: optional',
    ],
    [
      `server: { ${TLS}, client_auth: require } }`,
      'server.tls.client_ca: missing: expected a file with the certificates that sign those of clients',
    ],
    [
      `server: { ${TLS}, client_ca: a } }`,
      'server.tls.client_ca: expected server.tls.client_auth: request or require beside it',
    ],
    [
      `server: { address: 0.0.0.0, ${TLS.replace('required', 'optional')} } }\nauth: { mode: required, file: f }`,
      'callers send their credentials to server.address 0.0.0.0 in clear text, as server.tls.mode is optional',
    ],
  ])('are refused together with others: %s', (text, problem) => {
    expect(problems('master', text).join()).toContain(problem);
  });

  it.each([
    'auth: { mode: required, file: f }',
    `${OPEN}auth: { mode: required, file: f, allow_clear_text: true }`,
    'peer: { token_file: t }\nreplication: { replicas: ["127.0.0.1:1", "[::1]:2", "localhost:3"] }',
    'peer: { token_file: t, tls: { ca: a } }\nreplication: { replicas: ["b:1"] }',
    OPEN,
    `server: { address: 0.0.0.0, ${TLS} } }\nauth: { mode: required, file: f }`,
    `server: { ${TLS}, client_ca: a, client_auth: require, min_version: 1.3 } }`,
    'server:\n  tls:\n',
  ])('are taken: %s', (text) => {
    expect(load('master', `${MINIMAL}${text}`).kind).toBe('master');
  });

  it('count the master of a replica among the addresses that get its token', () => {
    const text = `${MINIMAL}master: { address: "m:1" }\npeer: { token_file: t }`;
    expect(problemsOf('slave', text).join()).toContain('sends peer.token_file to m:1');
  });
});

describe('configs/production', () => {
  it.each([
    ['master', 'master', 1],
    ['slave', 'slave-1', 2],
    ['slave', 'slave-2', 3],
  ] as const)(
    'as %s, %s.yaml serves known callers only, and calls the others by TLS',
    (kind, name, number) => {
      const config = load(kind, readText(`configs/production/${name}.yaml`));
      const others = [1, 2, 3].filter((each) => each !== number);
      expect(config).toMatchObject({
        server: {
          advertise: `walnut-${number}.example.net:8080`,
          tls: { mode: 'required', clientAuth: 'request' },
        },
        auth: { mode: 'required', allowClearText: false },
        peer: { tls: { ca: '/etc/walnut/ca.crt', serverName: 'nodes.walnut.internal' } },
        replication: { replicas: others.map((each) => `walnut-${each}.example.net:8080`) },
      });
    },
  );
});
