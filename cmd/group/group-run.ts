/**
 * Runs the three processes of `npm start` from their start to their stop. Nothing is
 * started once stopping has begun, and a stop ends everything that was started.
 */
import type { Clock } from '#platform/clock.ts';
import { STOP_SIGNALS } from '#platform/shutdown-signals.ts';
import type { GroupMember, MemberExit, MemberState } from './group-member.ts';
import { adviceOnExit, invitation, statusTable, waitingNote } from './group-text.ts';
import { startCommand } from './start-command.ts';
import { needsOperator, WaitingNotes } from './waiting-notes.ts';

/** The part of `GroupMember` that is used here. */
export type Member = Pick<GroupMember, 'spec' | 'logFile' | 'start' | 'stop' | 'lastLines' | 'describe'>;

export interface Terminal {
  say(text: string): void;
  complain(text: string): void;
}

const POLL_MS = 100;
/** Used once the table is shown. */
const LATER_POLL_MS = 1_000;

export class GroupRun {
  readonly #members: readonly Member[];
  readonly #clock: Clock;
  readonly #terminal: Terminal;
  /** What to type to start this group again. */
  readonly #again: string;
  readonly #notes = new WaitingNotes();
  /** The node that ended by itself and so stopped the group. Its end is reported already. */
  #lost: Member | undefined;
  #stopping: Promise<number> | undefined;
  /** Resolves with the exit code when everything has stopped. */
  readonly ended: Promise<number>;
  readonly #end: (code: number) => void;

  /** `firstPort`: the value of `--port`, if it was given. */
  constructor(members: readonly Member[], clock: Clock, terminal: Terminal, firstPort?: number) {
    this.#members = members;
    this.#clock = clock;
    this.#terminal = terminal;
    this.#again = startCommand(firstPort);
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** Resolves when all nodes are ready or stopping has begun. */
  async start(): Promise<void> {
    const [master] = this.#members as [Member];
    this.#terminal.say('Starting a master and two replicas…\n');
    this.#begin(master);
    // The master must answer before a replica starts, because a replica that reaches no
    // master waits before it tries again.
    await this.#until([master], ([state]) => state?.state !== 'starting');
    for (const member of this.#members) if (member !== master) this.#begin(member);
    await this.#untilSettled();
  }

  /** Stops all nodes. Later calls return the same promise. */
  stop(code: number): Promise<number> {
    this.#stopping ??= this.#stopAll(code);
    return this.#stopping;
  }

  #begin(member: Member): void {
    if (this.#stopping !== undefined) return;
    void member.start().then((exit) => this.#noteExit(member, exit));
  }

  async #noteExit(member: Member, exit: MemberExit): Promise<void> {
    if (this.#stopping !== undefined) return;
    const { spec, logFile } = member;
    this.#lost = member;
    // Set before the first await: the other nodes end because of this one, and that is not
    // reported.
    const stopped = this.stop(1);
    const lines = await member.lastLines();
    this.#terminal.complain(
      `${spec.name} ended: ${exit.reason}\n${lines}${adviceOnExit(exit, { spec, logFile, again: this.#again })}`,
    );
    await stopped;
  }

  /** Shows the table when every node is ready or waits for an operator. Resolves when all are ready. */
  async #untilSettled(): Promise<void> {
    const isSettled = ({ isReady, state }: MemberState): boolean => isReady || needsOperator(state);
    const states = await this.#until(this.#members, (all) => all.every(isSettled));
    if (states === undefined) return;
    this.#terminal.say(`${statusTable(states)}\n${invitation(states)}\n`);
    await this.#until(this.#members, (all) => all.every(({ isReady }) => isReady), LATER_POLL_MS);
  }

  /**
   * Resolves with the states for which `isDone` is true, or with undefined if stopping
   * begins first. Meanwhile it says from time to time which nodes are not ready.
   */
  async #until(
    members: readonly Member[],
    isDone: (states: readonly MemberState[]) => boolean,
    pollMs = POLL_MS,
  ): Promise<readonly MemberState[] | undefined> {
    while (this.#stopping === undefined) {
      const states = await Promise.all(members.map((member) => member.describe()));
      if (this.#stopping !== undefined) break;
      if (isDone(states)) return states;
      for (const state of this.#notes.due(states, this.#clock.monotonicMs()))
        this.#terminal.say(waitingNote(state, states));
      await this.#clock.sleep(pollMs);
    }
    return undefined;
  }

  async #stopAll(code: number): Promise<number> {
    this.#terminal.say('\nStopping…\n');
    const exits = await Promise.all(this.#members.map((member) => member.stop()));
    const unclean = this.#members.filter((member, index) => member !== this.#lost && !isClean(exits[index]));
    for (const { spec, logFile } of unclean)
      this.#terminal.complain(`${spec.name} did not stop cleanly; its log: less ${logFile}\n`);
    const again = this.#lost === undefined ? ` Again: ${this.#again}` : '';
    this.#terminal.say(`Stopped; the data is in ./data.${again}\n`);
    const exitCode = code === 0 && unclean.length > 0 ? 1 : code;
    this.#end(exitCode);
    return exitCode;
  }
}

/**
 * Stopped as asked, or never started. A signal itself ends a node only before the node
 * listens for signals, so before it has opened anything. Ctrl-C reaches every process
 * of the terminal as SIGINT, before the SIGTERM of this stop.
 */
function isClean(exit: MemberExit | undefined): boolean {
  return exit === undefined || exit.code === 0 || STOP_SIGNALS.includes(exit.reason);
}
