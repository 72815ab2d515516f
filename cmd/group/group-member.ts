/** One node of the group that `npm start` runs: a child process, its log file and its Status. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#platform/clock.ts';
import { PARENT_PID } from '#platform/parent-process.ts';
import type { MemberSpec } from './group-plan.ts';
import { RotatingLog } from './rotating-log.ts';

export interface MemberState {
  readonly name: string;
  readonly role: string;
  /** As Status calls it, in lower case; `starting` before it answers. */
  readonly state: string;
  readonly address: string;
  readonly position: string;
  readonly lag: string;
  readonly entries: string;
  readonly isReady: boolean;
  readonly reasons: readonly string[];
}

/** How a process ended: the code, or the signal, or why it could not be started. */
export interface MemberExit {
  readonly code: number | undefined;
  readonly reason: string;
}

/** The part of Status, as JSON, that is shown. */
interface StatusJson {
  readonly role?: string;
  readonly state?: string;
  readonly ready?: boolean;
  readonly reasons?: readonly string[];
  readonly position?: { readonly epoch?: string; readonly lsn?: string };
  readonly store?: { readonly entries?: string };
  readonly master?: { readonly lagRecords?: string };
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ASK_TIMEOUT_MS = 2_000;
const LAST_LINES = 12;
/** A node leaves by itself within 9.5 s of SIGTERM. */
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

  /** Resolves when the process has ended, for whatever reason, and its last words are in the log. */
  start(): Promise<MemberExit> {
    const { entry, config, sets } = this.spec;
    const time = new Date(this.#clock.wallMs()).toISOString();
    this.#log.write(Buffer.from(`${JSON.stringify({ level: 'info', time, msg: 'started by npm start' })}\n`));
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

  /** Resolves once the process has ended; undefined where it never ran. */
  async stop(): Promise<MemberExit | undefined> {
    this.#child?.kill('SIGTERM');
    const timer = this.#clock.after(STOP_MS_MAX, () => this.#child?.kill('SIGKILL'));
    const exit = await this.#exit;
    timer.cancel();
    return exit;
  }

  async lastLines(): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-LAST_LINES);
    return `${lines.map((line) => `  ${line}\n`).join('')}  (from ${this.logFile})\n`;
  }

  async describe(): Promise<MemberState> {
    const status = await this.#status();
    const position = status?.position;
    return {
      name: this.spec.name,
      role: (status?.role ?? '') === 'ROLE_MASTER' ? 'master' : 'replica',
      state: (status?.state ?? 'NODE_STATE_STARTING').replace('NODE_STATE_', '').toLowerCase(),
      address: this.spec.address,
      position: position === undefined ? '–' : `${position.epoch ?? 0}-${position.lsn ?? 0}`,
      lag: status?.role === 'ROLE_MASTER' ? '' : `${status?.master?.lagRecords ?? 0} records`,
      entries: status?.store?.entries ?? '0',
      isReady: status?.ready ?? false,
      reasons: status?.reasons ?? [],
    };
  }

  async #status(): Promise<StatusJson | undefined> {
    const timeout = new AbortController();
    const timer = this.#clock.after(ASK_TIMEOUT_MS, () => timeout.abort());
    try {
      const response = await fetch(`http://${this.spec.address}/walnut.v1.Admin/Status`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
        signal: timeout.signal,
      });
      return response.ok ? ((await response.json()) as StatusJson) : undefined;
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }
}
