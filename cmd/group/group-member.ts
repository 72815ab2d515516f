/** One node of the group that `npm start` runs: a child process, its log file and its Status. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { formatPosition } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { Clock } from '#platform/clock.ts';
import { PARENT_PID } from '#platform/parent-process.ts';
import type { MemberSpec } from './group-plan.ts';
import { RotatingLog } from './rotating-log.ts';

export interface MemberState {
  readonly name: string;
  readonly role: string;
  /** `NodeStatus.state`, or `starting` before it answers. */
  readonly state: string;
  readonly address: string;
  /** `wal.directory`. */
  readonly directory: string;
  readonly position: string;
  readonly lag: string;
  readonly entries: string;
  readonly isReady: boolean;
  readonly reasons: readonly string[];
}

/** How a process ended. `reason` is its exit code, its signal, or the error that kept it from starting. */
export interface MemberExit {
  readonly code: number | undefined;
  readonly reason: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ASK_TIMEOUT_MS = 2_000;
const LAST_LINES = 12;
/** The line of the log that precedes those of each run. */
const STARTED = 'started by npm start';
/** A node ends by itself within 9.5 s of SIGTERM. */
const STOP_MS_MAX = 12_000;

export class GroupMember {
  readonly spec: MemberSpec;
  readonly #clock: Clock;
  readonly #log: RotatingLog;
  #child: ChildProcess | undefined;
  #exit: Promise<MemberExit> | undefined;

  constructor(spec: MemberSpec, clock: Clock) {
    this.spec = spec;
    this.#clock = clock;
    this.#log = new RotatingLog(`data/${spec.name}.log`);
  }

  get logFile(): string {
    return this.#log.path;
  }

  /** Resolves when the process has ended, for whatever reason, and all of its output is in the log. */
  start(): Promise<MemberExit> {
    const { entry, config, sets } = this.spec;
    const time = new Date(this.#clock.wallMs()).toISOString();
    this.#log.write(Buffer.from(`${JSON.stringify({ level: 'info', time, msg: STARTED })}\n`));
    const overrides = sets.flatMap((set) => ['--set', set]);
    const child = spawn(
      process.execPath,
      [...process.execArgv, `${ROOT}${entry}`, '--config', config, ...overrides],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: { ...process.env, [PARENT_PID]: String(process.pid) },
      },
    );
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
  async stop(): Promise<MemberExit | undefined> {
    this.#child?.kill('SIGTERM');
    const timer = this.#clock.after(STOP_MS_MAX, () => this.#child?.kill('SIGKILL'));
    const exit = await this.#exit;
    timer.cancel();
    return exit;
  }

  /** The last lines that this run of the node has logged. */
  async lastLines(): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    const lines = text
      .slice(Math.max(0, text.lastIndexOf(STARTED)))
      .trimEnd()
      .split('\n')
      .slice(1)
      .slice(-LAST_LINES);
    return `${lines.map((line) => `  ${line}\n`).join('')}  (from ${this.logFile})\n`;
  }

  async describe(): Promise<MemberState> {
    const status = await this.#status();
    const role = status?.role ?? 'replica';
    return {
      name: this.spec.name,
      role,
      state: status?.state ?? 'starting',
      address: this.spec.address,
      directory: this.spec.directory,
      position: status === undefined ? '–' : formatPosition(status.position),
      lag: role === 'master' ? '' : `${status?.upstream?.lagRecords ?? 0} records`,
      entries: String(status?.store.entries ?? 0),
      isReady: status?.isReady ?? false,
      reasons: status?.reasons ?? [],
    };
  }

  /** Undefined if nothing answers at the address, or something that is not a node. */
  async #status(): Promise<NodeStatus | undefined> {
    const link = createPeerDialer({ clock: this.#clock }).dial(this.spec.address);
    try {
      return await link.status({ timeoutMs: ASK_TIMEOUT_MS });
    } catch {
      return undefined;
    } finally {
      link.close();
    }
  }
}
