/** The connections of a load, which its callers share over HTTP/2 and have for themselves over HTTP/1.1. */
import type { DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { toCallError } from '../call/connection.ts';
import { LeanClient } from '../call/lean-client.ts';
import type { BenchPlan } from './bench-plan.ts';

export interface BenchLink {
  /** Rejects with `CallError`. */
  call(method: DescMethodUnary, request: MessageShape<DescMethodUnary['input']>): Promise<unknown>;
  /** Fails the calls under way. */
  close(): void;
}

/** A call that takes as long has failed. */
export const CALL_MS_MAX = 10_000;
/**
 * How long calls under way may still be answered after an interruption: a write that is given up
 * may be carried out after the keys of the load were deleted.
 */
export const GRACE_MS = 2_000;

/** The link of each caller to a node, in their order. */
export async function openLinks(endpoint: Endpoint, plan: BenchPlan): Promise<BenchLink[]> {
  const { clients, connections, protocol } = plan;
  if (protocol === 'http1')
    return Array.from({ length: clients }, (): BenchLink => new LeanClient(endpoint, CALL_MS_MAX));
  const [{ createOwnTransport }, { createNodeClock }] = await Promise.all([
    import('#dial/http2/own-transport.ts'),
    import('#platform/node-clock.ts'),
  ]);
  const clock = createNodeClock();
  const links = Array.from({ length: connections }, (): BenchLink => {
    const { transport, close } = createOwnTransport(endpoint, clock);
    return {
      call: async (method, request) => {
        try {
          return (await transport.unary(method, undefined, CALL_MS_MAX, undefined, request)).message;
        } catch (error) {
          throw await toCallError(error);
        }
      },
      close,
    };
  });
  return Array.from({ length: clients }, (_, i) => links[i % connections] as BenchLink);
}
