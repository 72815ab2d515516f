/** The files in `configs/` load, show every key, and tell true defaults. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BinaryKind } from '#config/binaries.ts';
import { loadConfig } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';

const load = <K extends BinaryKind>(kind: K, text: string) =>
  loadConfig<K>({ kind, file: 'node.yaml', text, memoryLimitBytes: 10_737_418_240 });

describe('shipped files', () => {
  const read = (name: string) => fs.readFile(join(import.meta.dirname, '../../configs', name), 'utf8');

  it.each([
    ['master.yaml', 'master', 8080, './data/master'],
    ['slave-1.yaml', 'slave', 8081, './data/slave-1'],
    ['slave-2.yaml', 'slave', 8082, './data/slave-2'],
    ['node-1.yaml', 'node', 8081, './data/node-1'],
    ['node-2.yaml', 'node', 8082, './data/node-2'],
    ['node-3.yaml', 'node', 8083, './data/node-3'],
    ['node-4.yaml', 'node', 8084, './data/node-4'],
  ] as const)('%s loads', async (name, kind, port, directory) => {
    const config = load(kind, await read(name));
    expect(config.server).toMatchObject({ port, address: '127.0.0.1' });
    expect(config.wal.directory).toBe(directory);
    if (config.kind === 'slave') expect(config.master.address).toBe('127.0.0.1:8080');
  });

  it('coordinator-etcd.yaml loads', async () => {
    const { coordinator } = load('coordinator', await read('coordinator-etcd.yaml'));
    expect(coordinator.metadata).toMatchObject({ kind: 'etcd', endpoints: ['127.0.0.1:2379'] });
  });

  const shown = [
    'master.yaml',
    'slave-1.yaml',
    'slave-2.yaml',
    'node-1.yaml',
    'coordinator.yaml',
    'gateway.yaml',
  ];
  it.each(shown)('%s shows every key, and true defaults in its comments', async (name) => {
    const kind = /^[a-z]+/.exec(name)?.[0] as BinaryKind;
    const text = await read(name);
    const commentedOut = text
      .replace(/^( {2,4})# ((?: {2})?[a-z_]+:(?: \S.*)?)$/gm, '$1$2')
      // Users are in a file of their own or here.
      .replace(/^ {2}users:\n/gm, '')
      // With authentication and TLS off, which is the default, there is nothing to audit or to read.
      .replace(/^ {2}(audit_file| {2}(cert|key|client_ca)): .*\n/gm, '');
    // Examples and a default that depends on the machine, not defaults to compare.
    const comparable = commentedOut.replace(
      /^ {2}(advertise|max_connections_per_address|max_memory|file|token_file| {2}(ca|server_name|username|password_file|endpoint|interval|headers_file)): .*\n/gm,
      '',
    );
    expect(load(kind, comparable)).toEqual(load(kind, text));
    const keys = (yaml: string) => [...yaml.matchAll(/^( *[a-z_]+):/gm)].map((match) => match[1]).sort();
    // What is for etcd alone needs that kind.
    const whole = commentedOut
      .replace('kind: "file"', 'kind: "etcd"')
      .replace(/^ {4}file: .*\n/m, '')
      .replace('endpoints: []', 'endpoints: ["etcd-1:2379"]');
    expect(keys(whole)).toEqual(keys(printConfig(load(kind, whole))));
  });
});
