/** Only `internal/dial` opens connections to nodes, so that TLS and credentials have one place. */
import { describe, expect, it } from 'vitest';
import { lineOf, parseSource, readSources, type SourceFile, type SyntaxNode, walk } from './source-files.ts';

/** What opens connections, by the module that exports it. */
const OPENERS: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['connect', 'createConnection', 'Socket'],
  'node:tls': ['connect'],
  'node:http': ['request', 'get', 'Agent'],
  'node:https': ['request', 'get', 'Agent'],
  'node:http2': ['connect'],
  '@connectrpc/connect-node': [
    'createConnectTransport',
    'createGrpcTransport',
    'createGrpcWebTransport',
    'Http2SessionManager',
  ],
};

function openersIn(source: SourceFile): string[] {
  const found: string[] = [];
  const note = (node: SyntaxNode, what: string): void => {
    found.push(`${source.path}:${lineOf(source, node.start)} ${what}`);
  };
  walk(source.tree, (node) => {
    const { callee, value: text } = node as { callee?: SyntaxNode; value?: { cooked?: string } };
    if (node.type === 'TemplateElement' && /https?:\/\/$/.test(text?.cooked ?? '')) note(node, 'URL');
    if (node.type === 'CallExpression' && callee?.['name'] === 'fetch') note(node, 'fetch');
    if (node.type !== 'ImportDeclaration' || node['importKind'] === 'type') return;
    const { value } = node['source'] as { value: string };
    for (const each of node['specifiers'] as SyntaxNode[]) {
      const { name } = (each['imported'] ?? {}) as { name?: string };
      const isOpener = name === undefined || OPENERS[value]?.includes(name) === true;
      if (OPENERS[value] !== undefined && isOpener && each['importKind'] !== 'type')
        note(each, `${name ?? '*'} of ${value}`);
    }
  });
  return found;
}

/** Makes sockets of connections that came in, and so has the class that could open one. */
const INCOMING = 'internal/rpc/direct-socket.ts';

describe('connections to nodes', () => {
  it('are opened by internal/dial only', () => {
    const shipped = readSources().filter(({ path }) => /^(internal\/(?!dial\/)|cmd\/|client\/)/.test(path));
    expect(shipped.filter(({ path }) => path !== INCOMING).flatMap(openersIn)).toEqual([]);
    const incoming = shipped.find(({ path }) => path === INCOMING);
    expect(incoming?.text).toContain('super({ handle,');
    expect(incoming?.text).not.toMatch(/connect\(|new Socket/);
  });

  it('are noticed, whichever way they are opened', () => {
    const text = [
      "import { connect, type Socket } from 'node:net';",
      "import * as http from 'node:http';",
      "import { createConnectTransport } from '@connectrpc/connect-node';",
      "import type { Agent } from 'node:http';",
      "import { createServer } from 'node:http';",
      'fetch(url);',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program.
      'const url = `http://${address}`;',
    ].join('\n');
    const lines = openersIn(parseSource('a.ts', text)).map((each) => each.split(' ')[0]);
    expect(lines).toEqual([1, 2, 3, 6, 7].map((line) => `a.ts:${line}`));
  });
});
