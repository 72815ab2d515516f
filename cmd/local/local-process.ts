/** One child process of a local run, and its log file. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#platform/clock.ts';
import { PARENT_PID } from '#platform/parent-process.ts';
import type { AnySpec } from './local-files.ts';
import type { LocalScript } from './local-script.ts';
import { RotatingLog } from './rotating-log.ts';

/** How a process ended. `reason` is its exit code, its signal, or the error that kept it from starting. */
export interface ProcessExit {
  readonly code: number | undefined;
  readonly reason: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LAST_LINES = 12;
/** A process ends by itself within 9.5 s of SIGTERM. */
const STOP_MS_MAX = 12_000;

export class LocalProcess<Spec extends AnySpec = AnySpec> {
  readonly spec: Spec;
  readonly #clock: Clock;
  readonly #log: RotatingLog;
  /** The line of the log that precedes those of each run. */
  readonly #started: string;
  #child: ChildProcess | undefined;
  #exit: Promise<ProcessExit> | undefined;

  constructor(spec: Spec, clock: Clock, { place, command }: LocalScript) {
    this.spec = spec;
    this.#clock = clock;
    this.#log = new RotatingLog(`${place}/${spec.name}.log`);
    this.#started = `started by ${command}`;
  }

  get logFile(): string {
    return this.#log.path;
  }

  /** Undefined before the first start. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the process has ended, for whatever reason, and all of its output is in the log. */
  start(): Promise<ProcessExit> {
    const time = new Date(this.#clock.wallMs()).toISOString();
    this.#log.write(Buffer.from(`${JSON.stringify({ level: 'info', time, msg: this.#started })}\n`));
    const [command, ...args] = lineOf(this.spec);
    const child = spawn(command, args, {
      cwd: 'workingDirectory' in this.spec ? this.spec.workingDirectory : undefined,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, [PARENT_PID]: String(process.pid) },
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (bytes: Buffer) => this.#log.write(bytes));
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: undefined, reason: error.message }));
      child.once('close', (code, signal) => {
        this.#log.close();
        resolve({ code: code ?? undefined, reason: signal ?? `exit code ${code}` });
      });
    });
    return this.#exit;
  }

  /** Resolves when the process has ended; with undefined if it was never started. */
  async stop(): Promise<ProcessExit | undefined> {
    this.#child?.kill('SIGTERM');
    const timer = this.#clock.after(STOP_MS_MAX, () => this.#child?.kill('SIGKILL'));
    const exit = await this.#exit;
    timer.cancel();
    return exit;
  }

  /** The last lines that this run of the process has logged. */
  async lastLines(): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    const lines = text
      .slice(Math.max(0, text.lastIndexOf(this.#started)))
      .trimEnd()
      .split('\n')
      .slice(1)
      .slice(-LAST_LINES);
    return `${lines.map((line) => `  ${line}\n`).join('')}  (from ${this.logFile})\n`;
  }
}

function lineOf(spec: AnySpec): readonly [string, ...string[]] {
  if ('line' in spec) return endsWithThis(spec.line);
  const overrides = spec.sets.flatMap((set) => ['--set', set]);
  const program = `${ROOT}${spec.entry}`;
  return [process.execPath, ...process.execArgv, program, '--config', spec.config, ...overrides];
}

/** Our own programs notice that this process has ended; others are told by the system, where it can. */
function endsWithThis(line: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const tie = ['setpriv', '--pdeathsig', 'TERM', '--'] as const;
  const [command, ...args] = tie;
  const isThere = spawnSync(command, [...args, 'true'], { stdio: 'ignore' }).status === 0;
  return isThere ? [...tie, ...line] : line;
}
