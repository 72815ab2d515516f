/** Which binary's configuration a program gives, as YAML or as an object. */
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '#platform/logger.ts';
import { type EmbeddedNodeOptions, openNode } from '../../embedded/open-node.ts';

let directory = '';

beforeAll(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'walnut-open-node-'));
});

afterAll(() => fs.rm(directory, { recursive: true, force: true }));

async function roleOf(options: EmbeddedNodeOptions): Promise<string> {
  await using node = await openNode(options);
  return node.status.role;
}

function sections(name: string) {
  return {
    server: { address: '127.0.0.1', port: 0 },
    wal: { directory: join(directory, name) },
    storage: { max_memory: '64MB' },
  };
}

/** Has a private field, which only its own methods may use. */
class KeepingLogger implements Logger {
  readonly #messages: string[] = [];
  readonly debug = nothing;
  readonly fatal = nothing;

  get messages(): readonly string[] {
    return this.#messages;
  }

  info(_: LogFields, message: string): void {
    this.#messages.push(message);
  }

  warn(_: LogFields, message: string): void {
    this.#messages.push(message);
  }

  error(_: LogFields, message: string): void {
    this.#messages.push(message);
  }

  child(): Logger {
    return this;
  }
}

function nothing(): void {}

const MASTER = { master: { address: '127.0.0.1:1' } };

describe('openNode', () => {
  it('runs a master where no section says otherwise', async () => {
    expect(await roleOf({ config: sections('alone') })).toBe('master');
  });

  it('runs a slave by an object with a section master', async () => {
    expect(await roleOf({ config: { ...sections('object'), ...MASTER } })).toBe('replica');
  });

  it('runs a slave by YAML with a section master', async () => {
    const config = `# of no section\n"master": {address: "127.0.0.1:1"}\n${Object.entries(sections('yaml'))
      .map(([name, keys]) => `${name}: ${JSON.stringify(keys)}`)
      .join('\n')}`;
    expect(await roleOf({ config })).toBe('replica');
  });

  it('logs by an object of any class', async () => {
    const logger = new KeepingLogger();
    await roleOf({ config: sections('logged'), logger });
    expect(logger.messages.length).toBeGreaterThan(0);
  });

  it.each<[unknown, string]>([
    [undefined, 'options are undefined: expected an object with config, kind, forceRole'],
    [{}, 'config is undefined: expected YAML, or an object'],
    [{ config: {}, port: 1 }, 'unknown option "port": expected config, kind'],
    [{ config: {}, kind: 'replica' }, 'kind is "replica": expected master, slave, node'],
    [
      { config: {}, logger: 5 },
      'logger is 5: expected an object with debug, info, warn, error, fatal, child',
    ],
    [{ config: {}, logger: { info: () => 1 } }, 'logger is an object: expected an object with debug'],
    [{ config: {}, onFailed: 5 }, 'onFailed is 5: expected a function'],
    [{ config: {}, forceRole: 'slave' }, 'forceRole is "slave": expected master, replica'],
  ])('refuses %j', async (options, why) => {
    await expect(openNode(options as EmbeddedNodeOptions)).rejects.toThrow(why);
  });

  it('refuses a configuration that no JSON can contain', async () => {
    await expect(openNode({ config: { server: { port: 5n } } })).rejects.toThrow(
      /^config cannot be written as JSON: /,
    );
  });

  it('takes no key below a section for a section', async () => {
    const config = 'wal:\n  cluster: 1\n  directory: x\n';
    await expect(openNode({ config })).rejects.toThrow(/^config:2:3 wal\.cluster: unknown key$/);
  });

  it('answers no read after it was closed', async () => {
    const node = await openNode({ config: sections('closed') });
    expect(node.has('a')).toBe(false);
    await node.close();
    for (const read of [node.get, node.view, node.entry, node.has])
      expect(() => read('a')).toThrow('this node is closed');
  });
});
