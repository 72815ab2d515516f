/** The manifest of the published package, made of the repository's own. */

/** `walnut` is another package's name, so this one stands under a scope. */
export const PACKAGE_NAME = '@walnut-cache/walnut';

/** What can be imported: the path behind the package's name, and the file that it means. */
export const LIBRARIES = [
  { path: '.', file: 'client/library', browser: 'client/library-fetch' },
  { path: './fetch', file: 'client/library-fetch' },
  { path: './embedded', file: 'embedded/library' },
  { path: './keyv', file: 'client/keyv' },
  { path: './opentelemetry', file: 'client/opentelemetry' },
  { path: './v1/kv_store', file: 'internal/gen/walnut/v1/kv_store_pb' },
  { path: './v1/admin', file: 'internal/gen/walnut/v1/admin_pb' },
  { path: './v1/types', file: 'internal/gen/walnut/v1/types_pb' },
  { path: './v1/errors', file: 'internal/gen/walnut/v1/errors_pb' },
] as const satisfies readonly Library[];

interface Library {
  readonly path: string;
  readonly file: string;
  /** What bundlers for browsers take instead. */
  readonly browser?: string;
}

/** Where the CommonJS form of the libraries lies. The binaries are ES modules only. */
export const COMMONJS = 'cjs';

/** The fields of package.json that are used here. */
export interface SourceManifest {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, unknown>>;
}

/** Without scripts, tools for development and the Nodes that a checkout brings along. */
export function packageManifest(source: SourceManifest): Record<string, unknown> {
  const { version, description, license, engines, bin, dependencies } = source;
  const { peerDependencies, peerDependenciesMeta } = source;
  return {
    name: PACKAGE_NAME,
    version,
    description,
    keywords: ['cache', 'replication', 'key-value', 'connect-rpc', 'grpc', 'keyv'],
    license,
    type: 'module',
    engines,
    sideEffects: false,
    bin,
    man: ['./man/walnut.1'],
    exports: {
      ...Object.fromEntries(LIBRARIES.map((library) => [library.path, conditionsOf(library)])),
      './package.json': './package.json',
    },
    dependencies,
    peerDependencies,
    peerDependenciesMeta,
    publishConfig: { access: 'public', provenance: true },
  };
}

/** Types stand in each condition, since those of CommonJS are another file. */
function conditionsOf({ file, browser }: Library): Record<string, unknown> {
  return {
    ...(browser !== undefined && { browser: filesOf(`./${browser}`) }),
    import: filesOf(`./${file}`),
    require: filesOf(`./${COMMONJS}/${file}`),
  };
}

function filesOf(path: string): Record<string, string> {
  return { types: `${path}.d.ts`, default: `${path}.js` };
}
