/** Shows the three processes of `npm start` from their start to their stop. */
import type { Clock } from '#platform/clock.ts';
import { startCommand } from '../local/local-script.ts';
import { type Process, ProcessSet, type Terminal } from '../local/process-set.ts';
import type { GroupMember, MemberState } from './group-member.ts';
import { GROUP } from './group-plan.ts';
import { invitation, statusTable, waitingNote } from './group-text.ts';
import { needsOperator, WaitingNotes } from './waiting-notes.ts';

/** The part of `GroupMember` that is used here. */
export type Member = Process & Pick<GroupMember, 'describe'>;

const POLL_MS = 100;
/** Used once the table is shown. */
const LATER_POLL_MS = 1_000;

export class GroupRun {
  readonly #members: readonly Member[];
  readonly #clock: Clock;
  readonly #terminal: Terminal;
  readonly #set: ProcessSet<Member>;
  readonly #notes = new WaitingNotes();

  /** `firstPort`: the value of `--port`, if it was given. */
  constructor(members: readonly Member[], clock: Clock, terminal: Terminal, firstPort?: number) {
    this.#members = members;
    this.#clock = clock;
    this.#terminal = terminal;
    const again = startCommand(GROUP, firstPort);
    this.#set = new ProcessSet(members, { clock, terminal, again, place: GROUP.place });
  }

  /** Resolves with the exit code when everything has stopped. */
  get ended(): Promise<number> {
    return this.#set.ended;
  }

  /** Resolves when all nodes are ready or stopping has begun. */
  async start(): Promise<void> {
    const [master] = this.#members as [Member];
    this.#terminal.say('Starting a master and two replicas…\n');
    this.#set.begin(master);
    // The master must answer before a replica starts, because a replica that reaches no
    // master waits before it tries again.
    await this.#until([master], ([state]) => state?.state !== 'starting');
    for (const member of this.#members) if (member !== master) this.#set.begin(member);
    await this.#untilSettled();
  }

  /** Stops all nodes. Later calls return the same promise. */
  stop(code: number): Promise<number> {
    return this.#set.stop(code);
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
    while (!this.#set.isStopping) {
      const states = await Promise.all(members.map((member) => member.describe()));
      if (this.#set.isStopping) break;
      if (isDone(states)) return states;
      for (const state of this.#notes.due(states, this.#clock.monotonicMs()))
        this.#terminal.say(waitingNote(state, states));
      await this.#clock.sleep(pollMs);
    }
    return undefined;
  }
}
