/**
 * A group of real nodes on this machine whose configuration is what documents state: their
 * paths and names are replaced by those of a temporary directory and of loopback ports.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Ran, runCli } from '#test/cli/memory-io.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { codeBlocksOf } from '#test/doubles/markdown.ts';
import { readText } from '#test/house/source-files.ts';
import type { ClientTlsOptions } from '../../client/client-options.ts';
import { eventually, type RealNode, type RealNodes } from './real-node.ts';

const DOCUMENT = 'docs/security.md';
/** The name that the certificates of all nodes have. */
export const NODES_NAME = 'nodes.walnut.internal';

/** The text of the blocks under a heading of docs/security.md, in their order. */
export function stated(heading: string, language: 'sh' | 'yaml'): string[] {
  const blocks = codeBlocksOf(readText(DOCUMENT)).filter(
    (block) => block.heading === heading && block.language === language,
  );
  if (blocks.length === 0) throw new Error(`${DOCUMENT} has no ${language} under "${heading}"`);
  return blocks.map(({ text }) => text);
}

/** Files in PEM for up to three nodes: by the commands of the document, or without openssl by ourselves. */
export class Certificates {
  readonly #directory: string;
  readonly #authority: Authority | undefined;
  readonly caFile: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.caFile = join(directory, 'ca.crt');
    mkdirSync(directory, { recursive: true });
    if (spawnSync('openssl', ['version']).status === 0) this.#type(0);
    else {
      console.warn('SKIPPED: the commands of docs/security.md that make certificates need openssl');
      this.#authority = new Authority();
      writeFileSync(this.caFile, this.#authority.cert);
    }
  }

  /** A new certificate for each node. Returns the path of one without its ending. */
  issue(): (index: number) => string {
    const path = (index: number): string => join(this.#directory, `walnut-${index + 1}`);
    if (this.#authority === undefined) this.#type(1);
    else
      for (const index of [0, 1, 2]) {
        const { cert, key } = this.#authority.issue({ dns: [NODES_NAME] });
        writeFileSync(`${path(index)}.crt`, cert);
        writeFileSync(`${path(index)}.key`, key, { mode: 0o600 });
      }
    return path;
  }

  #type(block: number): void {
    const input = stated('Certificates', 'sh')[block];
    const { status, stderr } = spawnSync('sh', ['-eu'], { cwd: this.#directory, input });
    if (status !== 0) throw new Error(`the commands of the document fail: ${stderr}`);
  }
}

/** Puts a file in its place as the document says: whole, by a rename. */
export function put(from: string, to: string): void {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
}

export class SecureMember {
  readonly index: number;
  readonly port: number;
  /** What stands for /etc/walnut on this node. */
  readonly directory: string;
  readonly #group: SecureGroup;
  #real: RealNode | undefined;

  constructor(group: SecureGroup, index: number, port: number) {
    this.#group = group;
    this.index = index;
    this.port = port;
    this.directory = join(group.directory, `node-${index + 1}`);
    mkdirSync(this.directory);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Stops it if it runs, and starts it with this configuration, later texts over earlier ones. Resolves when it is ready. */
  async restart(yaml: readonly string[]): Promise<void> {
    this.#real?.kill('SIGTERM');
    await this.#real?.ended;
    const sets = [
      ...yaml.flatMap((text) => settingsOf(this.#group.localized(text, this))),
      'server.address=127.0.0.1',
      `server.port=${this.port}`,
      `wal.directory=${join(this.directory, 'data')}`,
      'log.level=warn',
    ];
    const binary = this.index === 0 ? 'master' : 'slave';
    this.#real = await this.#group.nodes.start({ binary, port: this.port, sets });
    let said = '';
    const isReady = async (): Promise<boolean> => {
      const { out, err } = await this.#group.tool(['status', '--json'], this);
      said = `${out}${err}`;
      return JSON.parse(out).ready === true;
    };
    await eventually(isReady, `node ${this.index + 1} is ready`).catch((error: Error) => {
      throw new Error(`${error.message}; it says ${said} and logs ${this.#real?.output}`);
    });
  }
}

export class SecureGroup {
  readonly nodes: RealNodes;
  readonly directory: string;
  readonly members: SecureMember[] = [];
  readonly certificates: Certificates;
  /** How the tool calls the nodes from now on. */
  isSecure = false;

  static async create(nodes: RealNodes, count: number): Promise<SecureGroup> {
    const group = new SecureGroup(nodes, await nodes.directory());
    for (let i = 0; i < count; i++) group.members.push(new SecureMember(group, i, await freePort()));
    return group;
  }

  private constructor(nodes: RealNodes, directory: string) {
    this.nodes = nodes;
    this.directory = directory;
    this.certificates = new Certificates(join(directory, 'certificates'));
  }

  /** Replaces what stands for places of this machine. */
  localized(yaml: string, { directory }: SecureMember): string {
    const here = yaml
      .replaceAll('/etc/walnut/', `${directory}/`)
      .replaceAll('/var/log/walnut/', `${directory}/`);
    return here.replace(/walnut-(\d)\.example\.net:8080/g, (_, number: string) => {
      // A smaller group names its members more than once.
      const member = this.members[(Number(number) - 1) % this.members.length];
      return member?.address ?? '';
    });
  }

  /** Runs the tool as the operator of the group. */
  tool(args: readonly string[], { address, directory }: SecureMember): Promise<Ran> {
    if (!this.isSecure) return runCli([...args, '--address', address]);
    const secure = ['--ca-file', this.certificates.caFile, '--server-name', NODES_NAME];
    const token = ['--token-file', join(directory, 'operator.token')];
    return runCli([...args, '--address', `https://${address}`, ...secure, ...token]);
  }

  /** What a client is opened with. */
  clientTls(): ClientTlsOptions {
    return { ca: readFileSync(this.certificates.caFile, 'utf8'), serverName: NODES_NAME };
  }
}

/** `section.key=value` for each key of a configuration in YAML. */
export function settingsOf(yaml: string): string[] {
  const flatten = (value: unknown, name: string): string[] => {
    if (Array.isArray(value)) return [`${name}=${value.join(',')}`];
    if (typeof value !== 'object' || value === null) return [`${name}=${value}`];
    return Object.entries(value).flatMap(([key, each]) =>
      flatten(each, name === '' ? key : `${name}.${key}`),
    );
  };
  return flatten(parse(yaml), '');
}
