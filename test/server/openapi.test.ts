/** `/openapi.json` against what is served, and against a public validator where there is one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MemberPort } from '#cluster/member-port.ts';
import { operationsOf } from '#model/methods.ts';
import { http1, type Running, start } from '#test/server/running.ts';

interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
  }[];
  readonly responses: Readonly<Record<string, { readonly description?: string }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Record<string, unknown>>> };
}

const METHODS = ['get', 'head', 'put', 'post', 'delete', 'options', 'patch'];
let running: Running;
let text = '';
let document: Document;

beforeEach(async () => {
  running = await start();
  const answer = await http1(running, 'GET', '/openapi.json');
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
  text = answer.text;
  document = JSON.parse(text);
});

/** Everything in the document that is called `$ref`. */
function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => (name === '$ref' ? [one as string] : refsIn(one)));
}

describe('/openapi.json', () => {
  it('has every route and unary rpc of the table of operations, and nothing else', () => {
    const streams = /\/(?:Watch|FetchSnapshot|Scrub|ServerReflectionInfo)$/;
    const served = operationsOf('node')
      .map(({ name }) => name)
      .filter((name) => !streams.test(name));
    const plain = ['/v1/keys/{key}', '/v1/keys', '/v1/watch'];
    expect(Object.keys(document.paths).sort()).toEqual([...served, ...plain].sort());
  });

  it('has exactly the methods that a path answers', async () => {
    const paths = Object.entries(document.paths).filter(([path]) => !path.includes('.v1.'));
    for (const [path, operations] of paths) {
      for (const method of METHODS) {
        // Its GET ends when the caller goes away.
        if (path === '/page/live' && method === 'get') continue;
        const { status } = await http1(running, method.toUpperCase(), path.replace('{key}', 'k'), {
          body: '',
        });
        expect(status === 405, `${method} ${path} is ${status}`).toBe(operations[method] === undefined);
      }
    }
  });

  it('names each parameter that a route takes, and a route takes each that it names', async () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      if (!path.startsWith('/v1/')) continue;
      for (const [method, { parameters = [] }] of Object.entries(operations)) {
        if (method === 'options') continue;
        const url = path.replace('{key}', 'k');
        const { text: refusal, headers } = await http1(running, method.toUpperCase(), `${url}?no_such=1`);
        if (method === 'head') continue;
        const named = parameters.filter((one) => one.in === 'query');
        expect([method, headers['content-type']]).toEqual([method, 'application/problem+json']);
        const taken = /expected one of ([\w, ]+)/.exec(refusal)?.[1]?.split(', ');
        expect(taken?.sort(), `${method} ${path}`).toEqual(named.map(({ name }) => name).sort());
      }
    }
  });

  it('is whole: each reference has its schema, each operation a summary and described answers', () => {
    expect(document.openapi).toBe('3.1.0');
    for (const ref of refsIn(document)) {
      expect(document.components.schemas, ref).toHaveProperty([ref.replace('#/components/schemas/', '')]);
    }
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { summary, parameters = [], responses }] of Object.entries(operations)) {
        expect(METHODS).toContain(method);
        expect(summary, `${method} ${path}`).toMatch(/./);
        expect(Object.values(responses).every(({ description = '' }) => description !== '')).toBe(true);
        const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => `{${name}}`);
        expect(path.match(/\{\w+\}/g) ?? [], path).toEqual(inPath);
      }
    }
  });

  it('has messages as their JSON has them, with the comments of the proto files', () => {
    expect(document.components.schemas['walnut.v1.GetResponse']).toMatchObject({
      type: 'object',
      description: expect.stringContaining('One key'),
      properties: {
        found: { type: 'boolean', description: expect.stringContaining('False: the key is missing') },
        value: { type: 'string', contentEncoding: 'base64' },
        version: { $ref: '#/components/schemas/walnut.v1.Position' },
        expireAtMs: { type: 'string' },
      },
    });
    expect(document.components.schemas['walnut.v1.Op']).toEqual({
      type: 'string',
      enum: ['OP_UNSPECIFIED', 'OP_SET', 'OP_DELETE', 'OP_TOUCH'],
    });
    const increment = document.paths['/walnut.v1.KVStore/Increment']?.['post'];
    expect(increment).toMatchObject({ description: expect.stringContaining('Adds to a number') });
  });

  it('has the headers of sessions on nodes of a cluster only', async () => {
    const own = (api: Document): string[] =>
      Object.entries(api.paths).flatMap(([path, operations]) =>
        Object.entries(operations).flatMap(([method, { parameters = [] }]) =>
          parameters.filter(({ name }) => name === 'x-walnut-positions').map(() => `${method} ${path}`),
        ),
      );
    expect(own(document)).toEqual([]);
    const member = await start({ member: {} as MemberPort });
    const listed = own(JSON.parse((await http1(member, 'GET', '/openapi.json')).text));
    const rpcs = listed.filter((one) => one.includes('.v1.'));
    expect(listed.filter((one) => !one.includes('.v1.')).sort()).toEqual(
      [
        ...['delete', 'get', 'head', 'post', 'put'].map((method) => `${method} /v1/keys/{key}`),
        ...['get', 'head'].map((method) => `${method} /v1/keys`),
      ].sort(),
    );
    expect(rpcs).toContain('post /walnut.v1.KVStore/Set');
    expect(rpcs).toContain('get /walnut.v1.KVStore/Get');
    expect(rpcs.filter((one) => !one.includes('KVStore'))).toEqual([]);
  });

  it('is accepted by openapi-spec-validator', ({ skip }) => {
    const validate = (argv: string[]) =>
      spawnSync('python3', ['-m', 'openapi_spec_validator', ...argv], { encoding: 'utf8' });
    if (validate(['--version']).status !== 0) skip('SKIPPED: no openapi-spec-validator here (PyPI)');
    const directory = mkdtempSync(join(tmpdir(), 'walnut-openapi-'));
    try {
      const file = join(directory, 'openapi.json');
      writeFileSync(file, text);
      const { status, stdout, stderr } = validate([file]);
      expect([status, stderr], stdout).toEqual([0, '']);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
