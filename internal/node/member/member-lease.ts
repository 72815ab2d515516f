/**
 * The lease of a member that leads a term (ADR 17): it may take writes, and answer them,
 * only while a coordinator or enough of its voters stood behind it lately, and not before
 * its predecessor's lease is over for certain. It is lost and held again without a change
 * of role. Who counts is the newest member list of its log.
 */
import { FIRST_WRITE_WAIT_MS } from '#cluster/figures.ts';
import { type ClockReading, MasterLease, type SentAt } from '#cluster/lease.ts';
import type { WriteLease } from '#node/write-lease.ts';
import type { LoggedMember, LoggedMembers } from '#storage/logged-members.ts';

export interface MemberLeaseOptions {
  /** The name by which the cluster lists this node. */
  readonly node: string;
  readonly readClocks: () => ClockReading;
  /** The newest member list of the log; undefined before the first. */
  readonly members: () => LoggedMembers | undefined;
  /** False where no master before takes writes: it handed its role over, there was none, or its lease was waited for. */
  readonly waits: boolean;
  /** `cluster.lease`, milliseconds: at most `LEASE_MS`, since other members wait by that. */
  readonly leaseMs: number;
}

/** When something was sent, by the list of members that was in force then. */
export interface LeaseSent {
  readonly lease: MasterLease;
  readonly at: SentAt;
}

export class MemberLease implements WriteLease {
  readonly #options: MemberLeaseOptions;
  readonly #firstWriteMs: number;
  #members: LoggedMembers | undefined;
  #lease: MasterLease | undefined;
  /** Monotonic time at which the lease was last seen held; before that, when this node was told to lead. */
  #heldMs: number;

  constructor(options: MemberLeaseOptions) {
    this.#options = options;
    const { monotonicMs } = options.readClocks();
    this.#heldMs = monotonicMs;
    this.#firstWriteMs = options.waits ? monotonicMs + FIRST_WRITE_WAIT_MS : monotonicMs;
  }

  /** Call it as a heartbeat or a push is sent, and give the result to `leased` or `acked` when it is answered. */
  sent(): LeaseSent | undefined {
    const lease = this.#current;
    return lease && { lease, at: lease.sent(this.#options.readClocks()) };
  }

  /** The active coordinator leased the heartbeat that was sent then. */
  leased(sent: LeaseSent | undefined): void {
    if (sent !== undefined && sent.lease === this.#current) sent.lease.leased(sent.at);
  }

  /** A member answered the push that was sent then, and did not say that this term is over. */
  acked({ node, incarnation }: LoggedMember, sent: LeaseSent | undefined): void {
    if (sent === undefined || sent.lease !== this.#current) return;
    const isListed = this.#members?.voters.some(
      (one) => one.node === node && one.incarnation === incarnation,
    );
    if (isListed === true) sent.lease.acked(node, sent.at);
  }

  /** How many other voters acked a push that was sent within the lease. */
  get voters(): number {
    return this.#current?.voters(this.#options.readClocks()) ?? 0;
  }

  get whyNotHeld(): string | undefined {
    const lease = this.#current;
    if (lease === undefined) return 'its log has no member list yet';
    const reading = this.#options.readClocks();
    if (!lease.isHeld(reading)) return NO_LEASE;
    this.#heldMs = reading.monotonicMs;
    if (reading.monotonicMs >= this.#firstWriteMs) return undefined;
    return 'it waits until the lease of the master before it is over';
  }

  get lostForMs(): number {
    if (this.whyNotHeld === undefined) return 0;
    return Math.max(0, this.#options.readClocks().monotonicMs - this.#heldMs);
  }

  /** The lease by the newest member list. What was acked under an older one does not count: it comes again at once. */
  get #current(): MasterLease | undefined {
    const members = this.#options.members();
    if (members !== this.#members) {
      this.#members = members;
      const others = members?.voters.map(({ node }) => node).filter((node) => node !== this.#options.node);
      this.#lease = others && new MasterLease({ others, leaseMs: this.#options.leaseMs });
    }
    return this.#lease;
  }
}

const NO_LEASE = 'neither a coordinator nor enough voters of its group have answered it lately';
