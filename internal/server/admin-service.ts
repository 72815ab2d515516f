/** Admin over Connect. */
import { Admin, type ScrubResponse } from '#gen/walnut/v1/admin_pb.ts';
import type { AdminPort } from '#model/ports.ts';
import type { NodeStatus } from '#model/status.ts';
import type { MessageLimits } from '#server/message-limits.ts';
import type { RpcRoutes } from '#server/rpc-routes.ts';
import {
  fromCheckpoint,
  fromDelayAnswer,
  fromDigest,
  fromQuarantines,
  fromRotate,
  fromScrub,
  toDelayControl,
  toQuarantineRelease,
} from '#wire/admin-codec.ts';
import type { DescribeError } from '#wire/batch-codec.ts';
import { fromMendClock, toMendClock } from '#wire/clock-codec.ts';
import { fromDivergedList, fromDivergedSlice, toDivergedShow } from '#wire/diverged-codec.ts';
import { fromFailoverAnswer, fromPromoteAnswer, toFailover } from '#wire/leadership-codec.ts';
import { checkAddress, checkWaitMs } from '#wire/numbers.ts';
import { toPosition } from '#wire/position-codec.ts';
import { fromRestoreResults, type RestoreLimits, toRestoreOperations } from '#wire/restore-codec.ts';
import { fromStatus } from '#wire/status-codec.ts';

/** What Restore needs besides the port. */
export interface RestoreRpcOptions extends RestoreLimits {
  readonly describe: DescribeError;
}

/** `status`: the node's, as the server shows it. */
export function routeAdmin(
  routes: RpcRoutes,
  port: AdminPort,
  status: () => NodeStatus,
  restore: RestoreRpcOptions,
  messages: MessageLimits['admin'],
): void {
  const { method } = Admin;
  routes
    .unary(method.status, () => fromStatus(status()), messages.status)
    .unary(
      method.digest,
      async ({ at, waitMs }, { signal }) =>
        fromDigest(
          at === undefined
            ? port.digest()
            : await port.digestAt(toPosition(at, 'at'), checkWaitMs(waitMs, 'wait_ms'), signal),
        ),
      messages.digest,
    )
    .stream(method.scrub, (_request, { signal }) => scrub(port, signal), messages.scrub)
    .unary(
      method.addReplica,
      async (request) => {
        const warning = await port.addReplica(checkAddress(request.address, 'address'));
        return { warning };
      },
      messages.addReplica,
    )
    .unary(
      method.removeReplica,
      async (request) => {
        await port.removeReplica(checkAddress(request.address, 'address'));
        return {};
      },
      messages.removeReplica,
    )
    .unary(method.checkpoint, async () => fromCheckpoint(await port.checkpoint()), messages.checkpoint)
    .unary(method.rotateWal, async () => fromRotate(await port.rotateWal()), messages.rotateWal)
    .unary(method.quarantineList, () => fromQuarantines(port.quarantineList()), messages.quarantineList)
    .unary(
      method.quarantineRelease,
      async (request) => {
        await port.quarantineRelease(toQuarantineRelease(request));
        return {};
      },
      messages.quarantineRelease,
    )
    .unary(
      method.restore,
      async (request, { signal }) => {
        const operations = toRestoreOperations(request, restore);
        return fromRestoreResults(await port.restore(operations, signal), restore.describe);
      },
      messages.restore,
    );
  routeReplicaControl(routes, port, messages);
}

/** Who leads, what a delayed replica shows, and what was left for another history. */
function routeReplicaControl(routes: RpcRoutes, port: AdminPort, messages: MessageLimits['admin']): void {
  const { method } = Admin;
  routes
    .unary(
      method.mendClock,
      async (request) => fromMendClock(await port.mendClock(toMendClock(request))),
      messages.mendClock,
    )
    .unary(
      method.promote,
      async (request) => fromPromoteAnswer(await port.promote(request.force)),
      messages.promote,
    )
    .unary(
      method.failover,
      async (request) => {
        const { to, timeoutMs } = toFailover(request);
        return fromFailoverAnswer(await port.failover(to, timeoutMs));
      },
      messages.failover,
    )
    .unary(
      method.divergedList,
      async () => fromDivergedList(await port.divergedList()),
      messages.divergedList,
    )
    .unary(
      method.divergedShow,
      async (request) => {
        const { id, afterLsn, bytesMax } = toDivergedShow(request);
        return fromDivergedSlice(await port.divergedShow(id, afterLsn, bytesMax));
      },
      messages.divergedShow,
    )
    .unary(
      method.divergedSeen,
      async ({ id }) => {
        await port.divergedSeen(id);
        return {};
      },
      messages.divergedSeen,
    )
    .unary(
      method.controlDelay,
      async (request, { signal }) =>
        fromDelayAnswer(await port.controlDelay(toDelayControl(request), signal)),
      messages.controlDelay,
    );
}

async function* scrub(port: AdminPort, signal: AbortSignal): AsyncIterable<ScrubResponse> {
  for await (const progress of port.scrub(signal)) yield fromScrub(progress);
}
