/** Admin over Connect. */
import { Admin, type ScrubResponse } from '#gen/walnut/v1/admin_pb.ts';
import type { AdminPort } from '#model/ports.ts';
import type { SettingsPort } from '#model/settings.ts';
import type { SlowLogPort } from '#model/slow-call.ts';
import type { NodeStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';
import { createRpcModule, FEW, type MethodTable, type RpcModule } from '#rpc/rpc-routes.ts';
import { operationsLimits } from '#server/message-limits.ts';
import { createSlicedBatch } from '#server/sliced-batch.ts';
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
import { fromHotKeys, toHotKeys } from '#wire/hot-keys-codec.ts';
import { fromFailoverAnswer, fromPromoteAnswer, toFailover } from '#wire/leadership-codec.ts';
import { checkAddress, checkWaitMs, toSafeNumber } from '#wire/numbers.ts';
import { toPosition } from '#wire/position-codec.ts';
import { fromRestoreResults, type RestoreLimits, toRestoreOperations } from '#wire/restore-codec.ts';
import { fromSlotSizes, toFromSlot } from '#wire/slot-sizes-codec.ts';
import { fromSlowLog } from '#wire/slow-log-codec.ts';
import { fromStatus } from '#wire/status-codec.ts';

export interface AdminModuleOptions extends RestoreLimits {
  readonly port: AdminPort;
  readonly clock: Clock;
  readonly slices: SlicePace;
  readonly slowLog: SlowLogPort;
  readonly settings: SettingsPort;
  /** The node's, as the server shows it. */
  readonly status: () => NodeStatus;
  /** `server.max_batch_bytes` */
  readonly batchBytesMax: number;
  readonly describe: DescribeError;
}

export function createAdminModule(options: AdminModuleOptions): RpcModule {
  const { port, clock, slices, status, slowLog, settings } = options;
  const restore = createSlicedBatch((...given) => port.restore(...given), clock, slices);
  return createRpcModule(Admin, {
    ...replicaMethods(port),
    ...leadershipMethods(port),
    ...divergedMethods(port),
    status: {
      limits: FEW,
      impl: () => fromStatus(status()),
    },
    digest: {
      limits: FEW,
      impl: async ({ at, waitMs }, { signal }) =>
        fromDigest(
          at === undefined
            ? port.digest()
            : await port.digestAt(toPosition(at, 'at'), checkWaitMs(waitMs, 'wait_ms'), signal),
        ),
    },
    scrub: { limits: FEW, impl: (_request, { signal }) => scrub(port, signal) },
    checkpoint: {
      limits: FEW,
      impl: async () => fromCheckpoint(await port.checkpoint()),
    },
    rotateWal: { limits: FEW, impl: async () => fromRotate(await port.rotateWal()) },
    restore: {
      limits: operationsLimits(options.batchBytesMax),
      impl: async (request, { signal }) => {
        const operations = toRestoreOperations(request, options);
        return fromRestoreResults(await restore(operations, signal), options.describe);
      },
    },
    getSlowLog: {
      limits: FEW,
      impl: ({ limit, afterId }) =>
        fromSlowLog(slowLog.read(limit === 0 ? Infinity : limit, toSafeNumber(afterId, 'after_id'))),
    },
    hotKeys: {
      limits: FEW,
      impl: async (request, { signal }) => fromHotKeys(await port.hotKeys(toHotKeys(request), signal)),
    },
    getConfig: { limits: FEW, impl: () => ({ settings: [...settings.list()] }) },
    setConfig: {
      limits: FEW,
      impl: async ({ set }) => ({ settings: [...(await settings.change(new Map(Object.entries(set))))] }),
    },
    getSlotSizes: {
      limits: FEW,
      impl: async (request, { signal }) => fromSlotSizes(await port.slotSizes(toFromSlot(request), signal)),
    },
    mendClock: {
      limits: FEW,
      impl: async (request) => fromMendClock(await port.mendClock(toMendClock(request))),
    },
  });
}

type AdminMethods = MethodTable<typeof Admin>;

/** Methods about the replicas that a master pushes to, and about what a replica does with pushes. */
function replicaMethods(
  port: AdminPort,
): Pick<
  AdminMethods,
  'addReplica' | 'removeReplica' | 'quarantineList' | 'quarantineRelease' | 'controlDelay'
> {
  return {
    addReplica: {
      limits: FEW,
      impl: async (request) => {
        await port.addReplica(checkAddress(request.address, 'address'));
        return {};
      },
    },
    removeReplica: {
      limits: FEW,
      impl: async (request) => {
        await port.removeReplica(checkAddress(request.address, 'address'));
        return {};
      },
    },
    quarantineList: {
      limits: FEW,
      impl: () => fromQuarantines(port.quarantineList()),
    },
    quarantineRelease: {
      limits: FEW,
      impl: async (request) => {
        await port.quarantineRelease(toQuarantineRelease(request));
        return {};
      },
    },
    controlDelay: {
      limits: FEW,
      impl: async (request, { signal }) =>
        fromDelayAnswer(await port.controlDelay(toDelayControl(request), signal)),
    },
  };
}

function leadershipMethods(port: AdminPort): Pick<AdminMethods, 'promote' | 'failover'> {
  return {
    promote: {
      limits: FEW,
      impl: async (request) => fromPromoteAnswer(await port.promote(request.force)),
    },
    failover: {
      limits: FEW,
      impl: async (request) => {
        const { to, timeoutMs } = toFailover(request);
        return fromFailoverAnswer(await port.failover(to, timeoutMs));
      },
    },
  };
}

/** Records that were moved to `aside/` for another history. */
function divergedMethods(
  port: AdminPort,
): Pick<AdminMethods, 'divergedList' | 'divergedShow' | 'divergedSeen'> {
  return {
    divergedList: {
      limits: FEW,
      impl: async () => fromDivergedList(await port.divergedList()),
    },
    divergedShow: {
      limits: FEW,
      impl: async (request) => {
        const { id, afterLsn, bytesMax } = toDivergedShow(request);
        return fromDivergedSlice(await port.divergedShow(id, afterLsn, bytesMax));
      },
    },
    divergedSeen: {
      limits: FEW,
      impl: async ({ id }) => {
        await port.divergedSeen(id);
        return {};
      },
    },
  };
}

async function* scrub(port: AdminPort, signal: AbortSignal): AsyncIterable<ScrubResponse> {
  for await (const progress of port.scrub(signal)) yield fromScrub(progress);
}
