/** Admin over Connect. */
import type { ConnectRouter } from '@connectrpc/connect';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import type { AdminPort } from '#model/ports.ts';
import type { NodeStatus } from '#model/status.ts';
import {
  fromCheckpoint,
  fromDigest,
  fromQuarantines,
  fromRotate,
  toQuarantineRelease,
} from '#wire/admin-codec.ts';
import { checkAddress } from '#wire/numbers.ts';
import { fromStatus } from '#wire/status-codec.ts';

const REQUEST_BYTES_MAX = 65_536;

/** `status`: the node's, as the server shows it. */
export function routeAdmin(router: ConnectRouter, port: AdminPort, status: () => NodeStatus): void {
  const { method } = Admin;
  const options = { readMaxBytes: REQUEST_BYTES_MAX };
  router
    .rpc(method.status, () => fromStatus(status()), options)
    .rpc(method.digest, () => fromDigest(port.digest()), options)
    .rpc(
      method.addReplica,
      async (request) => {
        await port.addReplica(checkAddress(request.address, 'address'));
        return {};
      },
      options,
    )
    .rpc(
      method.removeReplica,
      async (request) => {
        await port.removeReplica(checkAddress(request.address, 'address'));
        return {};
      },
      options,
    )
    .rpc(method.checkpoint, async () => fromCheckpoint(await port.checkpoint()), options)
    .rpc(method.rotateWal, async () => fromRotate(await port.rotateWal()), options)
    .rpc(method.quarantineList, () => fromQuarantines(port.quarantineList()), options)
    .rpc(
      method.quarantineRelease,
      async (request) => {
        await port.quarantineRelease(toQuarantineRelease(request));
        return {};
      },
      options,
    );
}
