/** Formats of level 1 (ADR 14) are written from here on, where every node of the group reads them. */
import type { FormatStep } from '#engine/format-step.ts';
import { WalnutError } from '#model/errors.ts';
import { STEP_LEVEL } from '#model/formats.ts';
import type { ReplicaRegistry } from '#replication/replica-registry.ts';

/** Resolves when MANIFEST says so. Throws `failed_precondition` naming a node that could not read them. */
export function takeFormatStep(
  formats: FormatStep,
  registry: Pick<ReplicaRegistry, 'firstBelow'>,
): Promise<void> {
  const below = registry.firstBelow(STEP_LEVEL);
  if (below === undefined) return formats.take();
  throw new WalnutError(
    'failed_precondition',
    `this needs formats of level ${STEP_LEVEL}, and replica ${below.address} has not said that it reads them: ` +
      `start it with this version, or take it out with: walnut remove-replica ${below.address}`,
  );
}
