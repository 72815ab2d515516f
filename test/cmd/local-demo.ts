/** A local run such as `npm start`, as a real process in a working directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { expect } from 'vitest';
import { LAUNCHER } from '#test/doubles/binaries.ts';
import { isFree } from '#test/doubles/free-ports.ts';
import { eventually, killGroup } from './real-node.ts';

/** A start of up to seven processes, each of which has the machine to share with other tests. */
const SAYS_MS_MAX = 90_000;

/** All local runs that a test has started; `end` kills what is left of them. */
export class Demos {
  readonly #line: readonly string[];
  readonly #all: Demo[] = [];

  /** `entry`: what the script runs, from the root of the project. */
  constructor(entry: string, launcher = LAUNCHER) {
    this.#line = [launcher, entry];
  }

  start(directory: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Demo {
    const demo = new Demo([...this.#line, ...args], directory, env);
    this.#all.push(demo);
    return demo;
  }

  async end(): Promise<void> {
    for (const demo of this.#all.splice(0)) await demo.end();
  }
}

class Demo {
  readonly child: ChildProcess;
  /** Resolves once it and its nodes have ended, and `output` has all that they said. */
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  output = '';

  constructor(line: readonly string[], directory: string, env: NodeJS.ProcessEnv) {
    const inherited: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', ...env };
    delete inherited['FORCE_COLOR'];
    delete inherited['npm_lifecycle_event'];
    this.child = spawn(process.execPath, [...line], {
      cwd: directory,
      env: inherited,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (bytes: Buffer) => {
        this.output += bytes.toString();
      });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  async says(text: string): Promise<void> {
    await eventually(
      () => this.output.includes(text),
      () => `${text} in: ${this.output}`,
      SAYS_MS_MAX,
    );
  }

  async stop(): Promise<void> {
    this.child.kill('SIGINT');
    expect(await this.ended).toEqual({ code: 0, signal: null });
  }

  async end(): Promise<void> {
    killGroup(this.child);
    await this.ended;
  }
}

export async function areFree(ports: readonly number[]): Promise<void> {
  for (const port of ports) await eventually(() => isFree(port), `port ${port} is free`);
}
