/** Which room may import what: the arrows of the design, and nothing else. */
import { posix } from 'node:path';
import { type SourceFile, type SyntaxNode, walk } from '#test/house/source-files.ts';

/** Built-ins that only compute: no disk, no network, no time. Open to every room but model. */
const PURE_BUILTINS = ['node:buffer', 'node:path', 'node:util', 'node:zlib'];
const NETWORK_BUILTINS = [
  'node:events',
  'node:http',
  'node:https',
  'node:http2',
  'node:net',
  'node:stream',
  'node:tls',
];
const CONNECT = ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-node'];

interface Arrows {
  readonly rooms: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly typesOf?: readonly string[];
  readonly packages?: readonly string[];
}

const BELOW_ENGINE = ['model', 'platform', 'wal', 'storage'];
const BELOW_REPLICATION = [...BELOW_ENGINE, 'engine'];
const BELOW_ROLES = [...BELOW_REPLICATION, 'replication'];

/** The rooms under internal/, and client. Anything else of the project may import everything. */
export const TABLE: Readonly<Record<string, Arrows>> = {
  model: { rooms: [] },
  gen: { rooms: [], packages: CONNECT },
  platform: { rooms: ['model'], packages: ['node:*', 'pino', 'pino-pretty', '@prometheus-io/client'] },
  // Pure codecs of HTTP: bytes in, calls and bytes out.
  http: { rooms: [], packages: ['node:buffer'] },
  // Users may stand in a configuration: their grammar is that of auth.
  config: { rooms: ['model', 'platform', 'auth'], packages: ['yaml', 'zod', ...PURE_BUILTINS] },
  // Users, their rights, and the port as a caller with few of them sees it.
  auth: { rooms: ['model', 'platform'], packages: ['node:crypto', ...PURE_BUILTINS] },
  // The files of TLS, checked and followed: what both sides of a connection need.
  tls: { rooms: ['model', 'platform'], packages: ['node:crypto', 'node:tls', ...PURE_BUILTINS] },
  wal: { rooms: ['model', 'platform'], packages: PURE_BUILTINS },
  storage: { rooms: ['model', 'platform'], packages: ['node:crypto', ...PURE_BUILTINS] },
  engine: { rooms: BELOW_ENGINE, packages: PURE_BUILTINS },
  // Reads a log without owning it; only tools import it.
  backup: { rooms: BELOW_REPLICATION, packages: PURE_BUILTINS },
  replication: { rooms: BELOW_REPLICATION, packages: PURE_BUILTINS },
  master: { rooms: BELOW_ROLES, packages: ['lru-cache', ...PURE_BUILTINS] },
  slave: { rooms: BELOW_ROLES, packages: ['lru-cache', ...PURE_BUILTINS] },
  // Every change of the log for watchers, on every node.
  watch: { rooms: BELOW_REPLICATION, packages: PURE_BUILTINS },
  // Decisions about a cluster as pure functions: who leads, who owns, how long a lease is held.
  cluster: { rooms: ['model'], packages: PURE_BUILTINS },
  node: { rooms: [...BELOW_ROLES, 'master', 'slave', 'watch', 'cluster'], packages: PURE_BUILTINS },
  // What peer and server share: pure conversions between messages and the model.
  wire: { rooms: ['model', 'gen', 'platform', 'cluster'], packages: [...CONNECT, ...PURE_BUILTINS] },
  // What peer, client and the tool share: how a process reaches a node.
  dial: { rooms: ['model', 'platform', 'http', 'tls'], packages: [...CONNECT, ...NETWORK_BUILTINS] },
  peer: {
    rooms: ['model', 'gen', 'platform', 'wire', 'dial', 'tls', 'routing'],
    typesOf: ['replication', 'cluster'],
    packages: [...CONNECT, ...NETWORK_BUILTINS, ...PURE_BUILTINS],
  },
  // The metrics of a process, sent to a collector.
  telemetry: {
    rooms: ['model', 'gen', 'platform', 'dial'],
    packages: ['@bufbuild/protobuf', ...PURE_BUILTINS],
  },
  // The store that decides for a cluster: etcd, or one file.
  metadata: {
    rooms: ['model', 'platform', 'gen', 'dial'],
    packages: ['node:sqlite', ...CONNECT, ...PURE_BUILTINS],
  },
  // The process that decides who leads: election, heartbeats, failover.
  coordinator: { rooms: ['model', 'platform', 'cluster', 'metadata', 'wire'], packages: PURE_BUILTINS },
  // What any edge needs, of a node or not: it knows no service but health and reflection.
  rpc: {
    rooms: ['model', 'gen', 'platform', 'wire', 'http', 'tls'],
    packages: [...CONNECT, ...NETWORK_BUILTINS, ...PURE_BUILTINS],
  },
  // The page of a browser: its files, its runbooks, and the stream of figures.
  page: {
    rooms: ['model', 'platform', 'rpc'],
    packages: ['node:crypto', 'node:fs', 'node:http', 'node:module', ...PURE_BUILTINS],
  },
  server: {
    rooms: ['model', 'gen', 'platform', 'wire', 'rpc', 'auth', 'page'],
    typesOf: ['cluster'],
    packages: ['@connectrpc/connect', '@bufbuild/protobuf'],
  },
  // Whom of a group to ask, and what to repeat; who uses it brings the links.
  routing: { rooms: ['model', 'platform', 'cluster'], packages: PURE_BUILTINS },
  client: {
    rooms: ['gen', 'dial', 'platform', 'tls', 'wire', 'cluster', 'routing'],
    typesOf: ['model'],
    packages: ['lru-cache', 'node:diagnostics_channel', '@opentelemetry/api', ...CONNECT, ...PURE_BUILTINS],
  },
};

export interface Import {
  readonly specifier: string;
  readonly isTypeOnly: boolean;
  readonly offset: number;
}

/** The room a path belongs to, where the table knows it. */
export function roomOf(path: string): string | undefined {
  const [top, second] = path.split('/');
  const room = top === 'internal' ? second : top;
  return room !== undefined && Object.hasOwn(TABLE, room) ? room : undefined;
}

/** Static and dynamic imports, re-exports and `import('…')` types. */
export function importsOf(source: SourceFile): Import[] {
  const imports: Import[] = [];
  walk(source.tree, (node) => {
    const specifier = literalSource(node);
    if (specifier === undefined) return;
    imports.push({ specifier, isTypeOnly: isTypeOnly(node), offset: node.start });
  });
  return imports;
}

function literalSource(node: SyntaxNode): string | undefined {
  const isImport = /^(Import(Declaration|Expression)|Export(Named|All)Declaration|TSImportType)$/.test(
    node.type,
  );
  const from = node['source'];
  if (!isImport || from === null || from === undefined) return undefined;
  const { value } = from as { value?: unknown };
  return typeof value === 'string' ? value : undefined;
}

function isTypeOnly(node: SyntaxNode): boolean {
  if (node.type === 'TSImportType') return true;
  if (node['importKind'] === 'type' || node['exportKind'] === 'type') return true;
  const specifiers = node['specifiers'] as SyntaxNode[] | undefined;
  return (
    specifiers !== undefined &&
    specifiers.length > 0 &&
    specifiers.every((each) => each['importKind'] === 'type')
  );
}

/** Why `from` (a path of the project) may not import this; undefined where it may. */
export function whyForbidden(from: string, { specifier, isTypeOnly }: Import): string | undefined {
  const room = roomOf(from);
  if (room === undefined) return undefined;
  const arrows = TABLE[room] as Arrows;
  const target = targetPath(from, specifier);
  if (target === undefined) {
    const isAllowed = (arrows.packages ?? []).some((name) => matchesPackage(specifier, name));
    return isAllowed ? undefined : `${room} does not import ${specifier}`;
  }
  const targetRoom = roomOf(target);
  if (targetRoom === room) return undefined;
  if (targetRoom === undefined) return `${room} does not import ${specifier}`;
  if (arrows.rooms.includes(targetRoom)) return undefined;
  if (arrows.typesOf?.includes(targetRoom) === true) {
    return isTypeOnly ? undefined : `${room} imports types of ${targetRoom} only`;
  }
  return `${room} does not import ${targetRoom}`;
}

/** The path in the project that a specifier means; undefined for a package. */
function targetPath(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier);
  if (specifier.startsWith('#test/')) return specifier.slice(1);
  if (specifier.startsWith('#')) return `internal/${specifier.slice(1)}`;
  return undefined;
}

function matchesPackage(specifier: string, name: string): boolean {
  if (name.endsWith('*')) return specifier.startsWith(name.slice(0, -1));
  return specifier === name || specifier.startsWith(`${name}/`);
}
