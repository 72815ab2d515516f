/** The shard map from a coordinator, by whichever Connect client: news come as values, and errors say what is wrong. */
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import type { MapNews } from '#cluster/coordinator-port.ts';
import type { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import { toMapNews } from '#wire/map-news-codec.ts';

export type MapClient = Pick<Client<typeof Coordinator>, 'getShardMap' | 'watchShardMap'>;

/** How long a coordinator has for an answer, milliseconds. */
const ASK_MS = 2_000;

/** `clusterId`: empty where any cluster will do; `epoch`: of the map that the caller has, 0 for none. */
export async function askMap(client: MapClient, clusterId: string, epoch: number): Promise<MapNews> {
  try {
    const request = { clusterId, knownEpoch: BigInt(epoch) };
    return toMapNews(await client.getShardMap(request, { timeoutMs: ASK_MS }));
  } catch (error) {
    throw explained(error);
  }
}

/** News since `epoch` as they come. Ends or throws where the stream breaks. */
export async function* followMap(
  client: MapClient,
  clusterId: string,
  epoch: number,
  signal: AbortSignal,
): AsyncGenerator<MapNews> {
  try {
    const request = { clusterId, fromEpoch: BigInt(epoch) };
    for await (const message of client.watchShardMap(request, { signal, timeoutMs: 0 }))
      yield toMapNews(message);
  } catch (error) {
    throw explained(error);
  }
}

/** Nodes and gateways do not have the service. */
function explained(error: unknown): Error {
  const { code, rawMessage } = ConnectError.from(error);
  if (code !== Code.Unimplemented) return new Error(rawMessage, { cause: error });
  const why =
    'it is no coordinator: expected the address of one, such as 127.0.0.1:8070, and not that of a node';
  return new Error(why, { cause: error });
}
