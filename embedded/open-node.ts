/**
 * Runs a whole node inside of this process: what `walnut-master`, `walnut-slave` and
 * `walnut-node` run, by the same configuration, without what those do to their process.
 */
import type { NodeKind } from '#config/binaries.ts';
import { parseYaml } from '#config/yaml-source.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import type { NodeStatus, Role } from '#model/status.ts';
import type { Node } from '#node/node.ts';
import { CloserStack } from '#platform/closer-stack.ts';
import { type Logger, silentLogger } from '#platform/logger.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { planMemory } from '#platform/memory-plan.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { shown } from '#platform/shown.ts';
import { messageOf } from '#platform/thrown.ts';
import { composeNode } from '../cmd/node/compose-node.ts';
import { Settings } from '../cmd/run/settings.ts';
import { checkFunction, checkLogger, checkNames, type OptionNames } from './check-options.ts';
import { ReadGate } from './read-gate.ts';

export interface EmbeddedNodeOptions {
  /**
   * The configuration: YAML, or an object of the same form. `log` in it is not used, and
   * neither is the environment.
   */
  readonly config: string | Readonly<Record<string, unknown>>;
  /** Which binary it is for. Default: `slave` with a section `master`, `node` with `cluster`, else `master`. */
  readonly kind?: NodeKind;
  /** The role to start in, like `--force-role`. */
  readonly forceRole?: Role;
  /** Called with what the node logs; default: nothing is. */
  readonly logger?: Logger;
  /** Called once if the disk or the memory fails: nothing is acknowledged any more. Close the node. */
  readonly onFailed?: (error: Error) => void;
}

export interface EmbeddedNode extends AsyncDisposable {
  /** Where it listens: `host:port`. */
  readonly address: string;
  readonly status: NodeStatus;
  /** Reads as an embedded replica's; see `EmbeddedReplica`. They throw once the node is closed or has failed. Writes go through a client of `address`. */
  get(key: string): Uint8Array | undefined;
  view(key: string): Uint8Array | undefined;
  entry(key: string): Entry | undefined;
  has(key: string): boolean;
  /** Finishes calls under way for up to 3 s, syncs the log and frees the directory. */
  close(): Promise<void>;
}

/**
 * Resolves when the node has recovered and serves. Throws `ConfigError` with everything that
 * is wrong in the configuration, `WalOpenError` where the directory cannot be used, and
 * `ServerAddressError` where the address cannot be bound. Nothing of it stays open then.
 */
export async function openNode(options: EmbeddedNodeOptions): Promise<EmbeddedNode> {
  checkOptions(options);
  const { logger = silentLogger, forceRole, onFailed = () => undefined } = options;
  const settings = settingsOf(options, logger);
  const closers = new CloserStack();
  const reads = new ReadGate('node');
  try {
    const { node, server, start } = await composeNode(settings.config, {
      settings,
      logger,
      logOutput: { droppedLines: 0 },
      clock: createNodeClock(),
      closers,
      memory: planMemory(memoryLimitBytes()),
      forcedRole: forceRole,
      onFatal: (error) => {
        if (reads.fail(error)) onFailed(error);
      },
    });
    await start();
    const beginDrain = (): void => {
      node.beginDrain();
      server.beginDrain();
    };
    return embedded(node, server.address, reads, () => {
      beginDrain();
      return closers.close();
    });
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

const NAMES = {
  config: true,
  kind: true,
  forceRole: true,
  logger: true,
  onFailed: true,
} satisfies OptionNames<EmbeddedNodeOptions>;

const KINDS: readonly NodeKind[] = ['master', 'slave', 'node'];
const ROLES: readonly Role[] = ['master', 'replica'];

/** Throws `invalid_argument`. */
function checkOptions(options: EmbeddedNodeOptions): void {
  checkNames(options, NAMES);
  const { config, kind, forceRole, logger, onFailed } = options;
  if (typeof config !== 'string' && (typeof config !== 'object' || config === null))
    throw invalidArgument(
      `config is ${shown(config)}: expected YAML, or an object such as { server: { port } }`,
    );
  if (kind !== undefined && !KINDS.includes(kind))
    throw invalidArgument(`kind is ${shown(kind)}: expected ${KINDS.join(', ')}`);
  if (forceRole !== undefined && !ROLES.includes(forceRole))
    throw invalidArgument(`forceRole is ${shown(forceRole)}: expected ${ROLES.join(', ')}`);
  checkLogger(logger);
  checkFunction('onFailed', onFailed);
}

/** JSON is YAML. */
function textOf(config: EmbeddedNodeOptions['config']): string {
  if (typeof config === 'string') return config;
  try {
    return JSON.stringify(config);
  } catch (error) {
    throw invalidArgument(`config cannot be written as JSON: ${messageOf(error)}`);
  }
}

function settingsOf({ config, kind }: EmbeddedNodeOptions, logger: Logger): Settings<NodeKind> {
  const text = textOf(config);
  const source = { kind: kind ?? kindOf(text), file: 'config', cwd: process.cwd(), text };
  return new Settings({ source, readText: async () => text, logger, clock: createNodeClock() });
}

/** `master` for a text that is no YAML: what is wrong with it is said when it is loaded. */
function kindOf(text: string): NodeKind {
  const { values } = parseYaml('config', text);
  if (Object.hasOwn(values, 'cluster')) return 'node';
  return Object.hasOwn(values, 'master') ? 'slave' : 'master';
}

function embedded(node: Node, address: string, reads: ReadGate, end: () => Promise<void>): EmbeddedNode {
  const local = (): Node['local'] => {
    reads.check();
    return node.local;
  };
  const close = (): Promise<void> => {
    reads.close();
    return end();
  };
  return {
    address,
    get status() {
      return node.ports.admin.status();
    },
    get: (key) => local().value(key),
    view: (key) => local().view(key),
    entry: (key) => local().entry(key),
    has: (key) => local().has(key),
    close,
    [Symbol.asyncDispose]: close,
  };
}
