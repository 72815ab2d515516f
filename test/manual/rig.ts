/**
 * The processes that documents tell how to start, in a copy of the project with free ports, and a shell that
 * types the other commands at them. `walnut …` runs within this process, where no shell is needed for it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '#test/cli/memory-io.ts';
import { eventually, killGroup } from '#test/cmd/real-node.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { freePorts } from '#test/doubles/free-ports.ts';
import { ROOT } from '#test/house/source-files.ts';
import { splitWords } from '../../cmd/walnut/repl/split-words.ts';

const COPIED = ['bin', 'configs', 'package.json'];
const LINKED = ['client', 'cmd', 'internal', 'node_modules', 'test'];
/** The ports of `configs/`, of a plain group and of a cluster: both have one 8081. */
const GROUP_PORTS = [8_080, 8_081];
const CLUSTER_PORTS = [8_070, 8_081, 8_082, 8_083, 8_000];
const SERVER = /^npm run (master|slave|node|coordinator|gateway) -- --config (\S+)/;
/** Seven processes that start at once, on a machine that runs other tests beside. */
const READY_MS_MAX = 100_000;
const OPERATOR = /[|<>]|^(?!walnut )/;

export type World = 'group' | 'cluster';
type Ports = ReadonlyMap<number, number>;

export interface Ended {
  readonly code: number | null;
  /** Standard output and standard error. */
  readonly said: string;
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly config: string;
  said: string;
}

export class Rig {
  readonly directory: string;
  readonly #ports: Readonly<Record<World, Ports>>;
  readonly #servers = new Map<string, ServerProcess>();
  readonly #collector: Server;

  private constructor(directory: string, ports: Readonly<Record<World, Ports>>, collector: Server) {
    this.directory = directory;
    this.#ports = ports;
    this.#collector = collector;
  }

  static async create(): Promise<Rig> {
    const directory = await fs.mkdtemp(join(tmpdir(), 'walnut-manual-'));
    for (const name of COPIED) await fs.cp(join(ROOT, name), join(directory, name), { recursive: true });
    for (const name of LINKED) await fs.symlink(join(ROOT, name), join(directory, name));
    const free = await freePorts(GROUP_PORTS.length + CLUSTER_PORTS.length);
    const taking = (ports: readonly number[]): Ports => new Map(ports.map((port) => [port, free.pop() ?? 0]));
    const collector = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const rig = new Rig(directory, { group: taking(GROUP_PORTS), cluster: taking(CLUSTER_PORTS) }, collector);
    await rig.#prepare();
    return rig;
  }

  /** The text with the ports of the processes in place of those of `configs/`. */
  withPorts(text: string, world: World): string {
    return text.replace(/(?<=[: ])8\d{3}\b/g, (port) => `${this.#ports[world].get(Number(port)) ?? port}`);
  }

  address(port: number, world: World): string {
    return this.withPorts(`127.0.0.1:${port}`, world);
  }

  get collectorUrl(): string {
    const { port } = this.#collector.address() as { port: number };
    return `http://127.0.0.1:${port}/v1/metrics`;
  }

  /** What the process with this configuration has said, and its process id by its own line. */
  server(config: string): { readonly said: string; readonly pid: string } {
    const { said = '' } = this.#servers.get(config) ?? {};
    return { said, pid: /"pid":(\d+)/.exec(said)?.[1] ?? '' };
  }

  /** Starts the process of the command, unless it is that of a command before. */
  start(text: string): boolean {
    const [, kind = '', config = ''] = SERVER.exec(text) ?? [];
    if (config === '') return false;
    if (this.#servers.has(config)) return true;
    const child = spawn('sh', ['-c', `exec ${text}`], {
      cwd: this.directory,
      env: this.#environment(kind === 'master' ? this.#tls() : {}),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const server: ServerProcess = { child, config, said: '' };
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (bytes: Buffer) => {
        server.said += bytes.toString();
      });
    this.#servers.set(config, server);
    return true;
  }

  /** Waits until every process listens, and those of the plain group serve. */
  async ready(): Promise<void> {
    for (const { config, child } of this.#servers.values()) {
      const world = /master|slave/.test(config) ? 'group' : 'cluster';
      const port = /^ {2}port: (\d+)/m.exec(await fs.readFile(join(this.directory, config), 'utf8'))?.[1];
      const path = world === 'group' ? 'readyz' : 'livez';
      await eventually(
        async () => (await fetch(`http://127.0.0.1:${port}/${path}`)).ok,
        () => `${config} listens; exit code ${child.exitCode}: ${this.server(config).said}`,
        READY_MS_MAX,
      );
    }
  }

  async type(text: string, env: Record<string, string> = {}, stdin = ''): Promise<Ended> {
    const given = { ...this.#tool(), ...env };
    if (!OPERATOR.test(text)) {
      const line = splitWords(text);
      if ('problem' in line) throw new Error(`${text}: ${line.problem}`);
      const args = line.words.slice(1).map((word) => word.text);
      const { code, out, err } = await runCli(args, { env: given, stdin: Buffer.from(stdin) });
      return { code, said: out + err };
    }
    const child = spawn('bash', ['-c', text], { cwd: this.directory, env: this.#environment(given) });
    // A command that reads nothing may have ended before.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, said };
  }

  async end(): Promise<void> {
    for (const { child } of this.#servers.values()) killGroup(child);
    this.#collector.close();
    await fs.rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #prepare(): Promise<void> {
    const configs = join(this.directory, 'configs');
    for (const name of await fs.readdir(configs)) {
      if (!name.endsWith('.yaml')) continue;
      const text = await fs.readFile(join(configs, name), 'utf8');
      await fs.writeFile(
        join(configs, name),
        this.withPorts(text, /^(master|slave)/.test(name) ? 'group' : 'cluster'),
      );
    }
    const authority = new Authority();
    const { cert, key } = authority.issue();
    await fs.writeFile(join(this.directory, 'node.crt'), cert);
    await fs.writeFile(join(this.directory, 'node.key'), key, { mode: 0o600 });
    await fs.writeFile(join(this.directory, 'live.ca'), authority.cert);
    await fs.writeFile(join(this.directory, 'live.token'), `walnut_${'a'.repeat(43)}\n`, { mode: 0o600 });
    await fs.mkdir(join(this.directory, 'on-path'));
    const walnut = join(this.directory, 'on-path', 'walnut');
    await fs.writeFile(walnut, `#!/bin/sh\nexec node '${join(ROOT, 'bin/walnut.cjs')}' "$@"\n`, {
      mode: 0o755,
    });
  }

  #tls(): Record<string, string> {
    return {
      WALNUT_SERVER__TLS__MODE: 'optional',
      WALNUT_SERVER__TLS__CERT: join(this.directory, 'node.crt'),
      WALNUT_SERVER__TLS__KEY: join(this.directory, 'node.key'),
    };
  }

  /** The settings of the tool: its files are those of a person whose home the directory is. */
  #tool(): Record<string, string> {
    return {
      HOME: this.directory,
      WALNUT_ADDRESS: this.address(8_080, 'group'),
      WALNUT_COORDINATORS: this.address(8_070, 'cluster'),
    };
  }

  /** The environment of a person's shell: nothing of the npm and the test runner around this test. */
  #environment(more: Record<string, string>): NodeJS.ProcessEnv {
    const foreign = /^(npm_|VITEST|FORCE_COLOR$|NODE_OPTIONS$|WALNUT_|XDG_|TEST$|NODE_ENV$)/i;
    const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
    const path = `${join(this.directory, 'on-path')}:${process.env['PATH']}`;
    return { ...Object.fromEntries(own), MANPAGER: 'cat', ...more, PATH: path };
  }
}
