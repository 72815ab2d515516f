/** One node of the group that `npm start` runs: its process and its Status. */
import { formatPosition } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import { LocalProcess } from '../local/local-process.ts';
import { statusOf } from '../local/status-of.ts';
import { GROUP, type MemberSpec } from './group-plan.ts';

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

export class GroupMember extends LocalProcess<MemberSpec> {
  readonly #clock: Clock;

  constructor(spec: MemberSpec, clock: Clock) {
    super(spec, clock, GROUP);
    this.#clock = clock;
  }

  async describe(): Promise<MemberState> {
    const status = await statusOf(this.spec.address, this.#clock);
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
}
