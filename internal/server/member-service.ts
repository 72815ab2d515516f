/** Member over Connect: what the active coordinator asks of a node of a cluster. */
import type { MemberPort } from '#cluster/member-port.ts';
import { Member } from '#gen/walnut/cluster/v1/member_pb.ts';
import { createRpcModule, FEW, type RpcModule } from '#rpc/rpc-routes.ts';
import { SHARD_MAP } from '#server/message-limits.ts';
import {
  fromHandOverAnswer,
  fromLeadAnswer,
  fromTermClaimAnswer,
  toHandOver,
  toLeadRequest,
  toTermClaim,
} from '#wire/member-codec.ts';

export function createMemberModule(port: MemberPort): RpcModule {
  return createRpcModule(Member, {
    claim: {
      limits: FEW,
      impl: async (request) => fromTermClaimAnswer(await port.claim(toTermClaim(request))),
    },
    takeOver: {
      limits: SHARD_MAP,
      impl: async (request) => fromLeadAnswer(await port.takeOver(toLeadRequest(request))),
    },
    handOver: {
      limits: FEW,
      impl: async (request) => fromHandOverAnswer(await port.handOver(toHandOver(request))),
    },
  });
}
