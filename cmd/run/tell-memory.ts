/** How a process without a store may use its memory: told at its start rather than when it is killed. */
import { heapLimitBytes } from '#platform/heap.ts';
import type { Logger } from '#platform/logger.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { type MemoryPlan, planMemory, whyNoRoomToServe } from '#platform/memory-plan.ts';

/** `heldBytes`: what calls that wait may take. */
export function tellMemory(logger: Logger, heldBytes = 0): MemoryPlan {
  const plan = planMemory(memoryLimitBytes());
  const { limitBytes, programBytes, callBytes, answerBytes, bodyBytes } = plan;
  const fields = { limitBytes, programBytes, callBytes, answerBytes, bodyBytes };
  logger.info({ ...fields, heapLimitBytes: heapLimitBytes() }, 'memory');
  const why = whyNoRoomToServe(plan, heldBytes);
  if (why !== undefined) logger.warn({}, why);
  return plan;
}
