/** How clients of a simulated group call a member of it. */
import { WalnutError } from '#model/errors.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { Member } from '#test/node/simulated-members.ts';

/** A call that is not answered by then is given up. */
const CALL_MS_MAX = 1_500;

type Node = NonNullable<Member['running']>['node'];

/** Undefined: there was no answer, so nothing is known of what was done. A refusal is given back as it is. */
export async function callMember<T>(
  clock: VirtualClock,
  member: Member,
  ask: (node: Node) => Promise<T>,
): Promise<T | WalnutError | undefined> {
  const { running } = member;
  if (running === undefined) return undefined;
  const late = new AbortController();
  const given = clock.sleep(CALL_MS_MAX, late.signal).then(() => undefined);
  // A process that died or stands still meanwhile has not answered.
  const isThere = (): boolean => member.running === running && !member.isPaused;
  try {
    const answer = await Promise.race([(async () => ask(running.node))(), given]);
    return isThere() ? answer : undefined;
  } catch (error) {
    if (!(error instanceof WalnutError)) throw error;
    return isThere() ? error : undefined;
  } finally {
    late.abort();
  }
}
