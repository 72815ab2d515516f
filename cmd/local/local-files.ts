/**
 * The configuration files of processes that run on this machine together, and what is read
 * from them. Pure. Throws `LocalRefusal` where they do not fit together.
 */
import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import type { BinaryKind, ConfigOf } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { loadConfig } from '#config/load-config.ts';
import { readEnvironment } from '#config/overrides.ts';
import type { LocalScript } from './local-script.ts';

export interface LocalFile<Kind extends BinaryKind = BinaryKind> {
  readonly name: string;
  readonly kind: Kind;
  /** The program, from the root of the project. */
  readonly entry: string;
  /** The configuration, from the working directory. */
  readonly config: string;
}

interface LocalPlace {
  /** `host:port` that reaches the process on this machine. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Where its data is. */
  readonly directory: string;
}

export interface LocalSpec<Kind extends BinaryKind = BinaryKind> extends LocalFile<Kind>, LocalPlace {
  /** `section.key=value` for its `--set`. */
  readonly sets: readonly string[];
}

/** A program that is not of this project. */
export interface OtherSpec extends LocalPlace {
  readonly name: string;
  readonly kind: 'etcd';
  /** The command and its arguments. */
  readonly line: readonly [string, ...string[]];
  /** The working directory, from that of this process. */
  readonly workingDirectory: string;
}

export type AnySpec = LocalSpec | OtherSpec;

/** The message says what was expected and what to type next. Exit code 2. */
export class LocalRefusal extends Error {
  override readonly name = 'LocalRefusal';
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LocalSource {
  /** The text of each file, or the error that reading it gave. */
  readonly texts: readonly (string | ConfigError)[];
  readonly env: Environment;
  /** The value of `--port`. The processes listen on this port and those after it, whatever the files say. */
  readonly firstPort: number | undefined;
}

/** `again`: what to type once the files are corrected. */
export function readConfigs<Kind extends BinaryKind>(
  files: readonly LocalFile<Kind>[],
  { texts, env }: LocalSource,
  again: string,
): ConfigOf<Kind>[] {
  const problems: string[] = [];
  const configs = files.flatMap(({ kind, config: file }, index) => {
    try {
      const text = texts[index];
      if (text instanceof ConfigError) throw text;
      return [loadConfig({ kind, file, text: text ?? '', env })];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return [];
    }
  });
  if (problems.length === 0) return configs;
  const isNamed = (label: string): boolean => problems.some((problem) => problem.startsWith(label));
  const labels = readEnvironment(env).flatMap(({ label }) => (isNamed(label) ? [label] : []));
  // The files are not what is wrong.
  if (labels.length > 0 && problems.every((problem) => labels.some((label) => problem.startsWith(label))))
    throw new LocalRefusal(
      `${[...new Set(problems)].join('\n')}\nCorrect that, or type: env ${labels.map((label) => `-u ${label}`).join(' ')} ${again}`,
    );
  throw new LocalRefusal(
    `${problems.join('\n')}\nCorrect that, and type: ${again}\n` +
      'Or take the files as they came with the project: git checkout -- configs',
  );
}

/** The runs ask their processes how they are, in clear text and without a credential. */
export function refuseSecured(
  { command }: LocalScript,
  files: readonly LocalFile[],
  configs: readonly ConfigOf<BinaryKind>[],
): void {
  for (const [index, { server, auth }] of configs.entries()) {
    const isTlsOnly = server.tls.mode === 'required';
    if (!isTlsOnly && auth.mode !== 'required') continue;
    const [key, milder] = isTlsOnly ? ['server.tls.mode', 'optional'] : ['auth.mode', 'permissive'];
    const each = files.map(({ kind, config }) => `  npm run ${kind} -- --config ${config}\n`).join('');
    throw new LocalRefusal(
      `${files[index]?.config}: ${key} is required, and ${command} calls its processes in clear text and without a credential.\n` +
        `Make it ${milder}, or start each process in a terminal of its own:\n${each}` +
        'Three nodes with TLS and users: docs/security.md and configs/production',
    );
  }
}

/** `example`: what to type to start it on other ports. */
export function portOf(
  { config }: LocalFile,
  port: number,
  firstPort: number | undefined,
  index: number,
  example: string,
): number {
  if (firstPort !== undefined) return firstPort + index;
  if (port > 0) return port;
  throw new LocalRefusal(
    `${config}: server.port is 0, and the other nodes must know it.\nName a port there, or type: ${example}`,
  );
}

export function refuseDoubles(specs: readonly LocalSpec[], again: string): void {
  for (const [index, spec] of specs.entries()) {
    for (const other of specs.slice(0, index)) {
      const isPort = other.port === spec.port;
      if (!isPort && resolve(other.directory) !== resolve(spec.directory)) continue;
      const what = isPort ? `server.port ${spec.port}` : `wal.directory ${spec.directory}`;
      throw new LocalRefusal(
        `${other.config} and ${spec.config} have the same ${what}: each node needs its own.\n` +
          `Correct one of them, and type: ${again}`,
      );
    }
  }
}

/** The host by which a process on this machine reaches a server that is bound to `bound`. */
export function hostToCall(bound: string): string {
  if (bound === '0.0.0.0') return '127.0.0.1';
  if (bound === '::') return '[::1]';
  return isIPv6(bound) ? `[${bound}]` : bound;
}
