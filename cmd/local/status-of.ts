/** Asks a node on this machine how it is. */
import type { NodeStatus } from '#model/status.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { Clock } from '#platform/clock.ts';

const ASK_TIMEOUT_MS = 2_000;

/** Undefined if nothing answers at the address, or something that is not a node. */
export async function statusOf(address: string, clock: Clock): Promise<NodeStatus | undefined> {
  const link = createPeerDialer({ clock }).dial(address);
  try {
    return await link.status({ timeoutMs: ASK_TIMEOUT_MS });
  } catch {
    return undefined;
  } finally {
    link.close();
  }
}
