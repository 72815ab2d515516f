/**
 * A node in its own process on a port chosen in advance, so that tests that take its
 * standard error away can still call it.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BINARIES, LAUNCHER } from '#test/doubles/binaries.ts';
import { freePort } from '#test/doubles/free-ports.ts';

const WAIT_MS_MAX = 30_000;
const POLL_MS = 25;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly binary?: 'master' | 'slave' | 'node' | 'gateway' | 'coordinator';
  /** Default: one that is free now. */
  readonly port?: number;
  /** `section.key=value`. */
  readonly sets?: readonly string[];
  readonly stdio?: StdioOptions;
  /** Added to the environment of the test. */
  readonly env?: NodeJS.ProcessEnv;
  /** Put behind the node's settings. */
  readonly flags?: readonly string[];
  /** Put before the node's command line. */
  readonly wrapper?: readonly string[];
  /** Starts it by `bin/launch.cjs`, as npm does. */
  readonly isLaunched?: boolean;
}

/**
 * All processes that a test has started, each in its own process group, and their
 * directories. `end` kills and removes them.
 */
export class RealNodes {
  readonly #children: ChildProcess[] = [];
  readonly #directories: string[] = [];

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'walnut-cmd-'));
    this.#directories.push(path);
    return path;
  }

  async start(options: StartOptions = {}): Promise<RealNode> {
    const { binary = 'master', sets = [], flags = [], wrapper = [], isLaunched = false } = options;
    const port = options.port ?? (await freePort());
    const settings = [
      `server.port=${port}`,
      ...(binary === 'coordinator' || binary === 'gateway'
        ? []
        : [`wal.directory=${await this.directory()}`]),
      'log.format=json',
      ...sets,
    ];
    const entry = isLaunched ? [LAUNCHER, `cmd/${binary}.ts`] : [join(BINARIES, `cmd/${binary}.ts`)];
    const set = settings.flatMap((each) => ['--set', each]);
    const line = [...wrapper, process.execPath, ...entry, ...set, ...flags];
    const env = { ...process.env, ...options.env };
    delete env['npm_lifecycle_event'];
    const child = spawn(line[0] as string, line.slice(1), {
      env,
      stdio: options.stdio ?? ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#children.push(child);
    return new RealNode(child, port);
  }

  async end(): Promise<void> {
    for (const child of this.#children.splice(0)) killGroup(child);
    for (const path of this.#directories.splice(0))
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class RealNode {
  readonly child: ChildProcess;
  readonly port: number;
  /** Resolves once it has ended, nobody has its standard error any more, and `output` has all of it. */
  readonly ended: Promise<Ended>;
  output = '';

  constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
    child.stderr?.on('data', (bytes: Buffer) => {
      this.output += bytes.toString();
    });
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://${this.address}${path}`, {
      signal: AbortSignal.timeout(WAIT_MS_MAX),
    });
    return { status: response.status, text: await response.text() };
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a test reads from JSON it checks by value.
  async call(method: string, body: object = {}): Promise<{ status: number; body: any }> {
    const response = await fetch(`http://${this.address}/walnut.v1.${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(WAIT_MS_MAX),
    });
    return { status: response.status, body: await response.json() };
  }

  async metric(name: string): Promise<number> {
    const { text } = await this.get('/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  ready(): Promise<void> {
    return eventually(
      async () => (await this.get('/readyz')).status === 200,
      () => `ready: ${this.output}`,
    );
  }
}

/** Waits until `check` returns true, by default at most half a minute. A `check` that throws counts as false. */
export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string | (() => string),
  waitMsMax = WAIT_MS_MAX,
): Promise<void> {
  for (const endMs = Date.now() + waitMsMax; Date.now() < endMs; ) {
    if (
      await Promise.resolve()
        .then(check)
        .catch(() => false)
    )
      return;
    await pause(POLL_MS);
  }
  throw new Error(`not within ${waitMsMax} ms: ${typeof what === 'string' ? what : what()}`);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Kills a detached child and every process that it has started. */
export function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended already.
  }
}
