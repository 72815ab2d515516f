/** One node of the group that `npm start` runs: a child process, its log file and its Status. */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clock } from '#platform/clock.ts';

export interface MemberSpec {
  readonly name: string;
  readonly entry: string;
  readonly config: string;
  /** `host:port` that the configuration binds. */
  readonly address: string;
}

export interface MemberState {
  readonly name: string;
  readonly role: string;
  readonly address: string;
  readonly position: string;
  readonly lag: string;
  readonly entries: string;
  readonly isReady: boolean;
  readonly reasons: readonly string[];
}

/** The part of Status, as JSON, that is shown. */
interface StatusJson {
  readonly role?: string;
  readonly ready?: boolean;
  readonly reasons?: readonly string[];
  readonly position?: { readonly epoch?: string; readonly lsn?: string };
  readonly store?: { readonly entries?: string };
  readonly master?: { readonly lagRecords?: string };
}

const ASK_TIMEOUT_MS = 2_000;
const LAST_LINES = 12;

export class GroupMember {
  readonly spec: MemberSpec;
  readonly #clock: Clock;
  #child: ChildProcess | undefined;
  #exit: Promise<number | undefined> = Promise.resolve(undefined);

  constructor(spec: MemberSpec, clock: Clock) {
    this.spec = spec;
    this.#clock = clock;
  }

  get logFile(): string {
    return `data/${this.spec.name}.log`;
  }

  /** `onExit` is told when the process ends, for whatever reason. */
  start(onExit: (reason: string) => void): void {
    const log = openSync(this.logFile, 'w', 0o600);
    const child = spawn(
      process.execPath,
      [...process.execArgv, this.spec.entry, '--config', this.spec.config],
      {
        stdio: ['ignore', log, log],
      },
    );
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.once('error', (error) => {
        onExit(error.message);
        resolve(undefined);
      });
      child.once('exit', (code, signal) => {
        onExit(signal === null ? `exit code ${code}` : signal);
        resolve(code ?? undefined);
      });
    });
  }

  /** Resolves with the exit code once the process has ended; undefined where a signal ended it or it never ran. */
  stop(): Promise<number | undefined> {
    if (this.#child?.exitCode === null) this.#child.kill('SIGTERM');
    return this.#exit;
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
      role: status?.role === 'ROLE_MASTER' ? 'master' : 'replica',
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
