/** The configuration of a coordinator: what its keys need of each other, and what it does not take. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#config/config-error.ts';
import { parseCoordinatorFlags } from '#config/coordinator-flags.ts';
import { loadConfig } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';

const FILE = 'coordinator:\n  metadata:\n    file: "/m.db"\n';
const ETCD = 'coordinator:\n  metadata:\n    kind: etcd\n    endpoints: ["e1:2379", "e2:2379"]\n';
const load = (text: string) => loadConfig({ kind: 'coordinator', file: 'c.yaml', text });

function problemsOf(text: string): readonly string[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration of a coordinator', () => {
  it.each([
    FILE,
    ETCD,
    `${ETCD}    ca: "/a"\n    cert: "/c"\n    key: "/k"\n    server_name: "etcd"\n    username: "u"\n    password_file: "/p"\n`,
    `${ETCD}    username: "u"\n    password_file: "/p"\nauth:\n  allow_clear_text: true\n`,
  ])('loads what it prints: %s', (text) => {
    const config = load(text);
    expect(load(printConfig(config))).toEqual(config);
    expect(config.coordinator.cluster).toBe('main');
  });

  it.each<[string, string]>([
    ['', 'coordinator.metadata.file: missing: expected the path of the file that keeps the map'],
    [
      'coordinator:\n  metadata:\n    kind: etcd\n',
      'coordinator.metadata.endpoints: missing: expected the addresses of etcd',
    ],
    [
      `${FILE}    endpoints: ["e:1"]\n`,
      'metadata.endpoints: expected coordinator.metadata.kind: etcd beside it',
    ],
    [`${ETCD}    file: "/m.db"\n`, 'metadata.file: expected coordinator.metadata.kind: file beside it'],
    [`${FILE}    username: "u"\n`, 'metadata.username: expected coordinator.metadata.kind: etcd beside it'],
    [`${ETCD}    username: "u"\n`, 'metadata.password_file: missing: expected the file with the password'],
    [`${ETCD}    password_file: "/p"\n`, 'metadata.username: missing: expected the name of a user of etcd'],
    [`${ETCD}    cert: "/c"\n`, 'metadata.ca: missing: expected the file with the authorities of etcd'],
    [`${ETCD}    ca: "/a"\n    key: "/k"\n`, 'metadata.cert: missing: expected a file in PEM'],
    [
      `${ETCD}    username: "u"\n    password_file: "/p"\n`,
      'metadata.ca: missing: the password goes to e1:2379 in clear text',
    ],
    [`${FILE}  cluster: "a/b"\n`, 'coordinator.cluster: expected letters, digits and hyphens, at most 64'],
    [`${FILE}server:\n  address: "0.0.0.0"\n`, 'server.advertise: missing: expected the host:port by which'],
    [
      `${FILE}server:\n  max_value_bytes: "1MiB"\n`,
      'server.max_value_bytes: unknown key of walnut-coordinator: only walnut-master, walnut-slave, walnut-node, walnut-gateway takes it',
    ],
    [`${FILE}auth:\n  mode: required\n`, 'auth.file: missing: expected the file of users'],
    [
      `${FILE}auth:\n  mode: required\n  file: "/u"\nserver:\n  address: "10.0.0.1"\n`,
      'auth.allow_clear_text: expected true: callers send their credentials to server.address 10.0.0.1',
    ],
  ])('refuses %j, with what was expected', (text, message) => {
    expect(problemsOf(text).join('\n')).toContain(message);
  });

  it('has the bounds of every server', () => {
    const server = 'server:\n  cors_origins: ["https://a.example"]\n  max_connections_per_address: 7\n';
    const config = load(`${FILE}${server}`);
    expect(config.server).toMatchObject({ corsOrigins: ['https://a.example'], connectionsPerAddressMax: 7 });
    expect(load(printConfig(config))).toEqual(config);
  });

  it('has the flags of every binary, and no role', () => {
    expect(parseCoordinatorFlags(['--config', 'f'])).toMatchObject({ kind: 'run', configFile: 'f' });
    expect(parseCoordinatorFlags(['--force-role', 'master'])).toEqual({
      kind: 'error',
      problems: ['--force-role: a coordinator has no role; walnut cluster failover changes who leads'],
    });
  });
});
