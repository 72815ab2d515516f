/** Clients of one coordinator, or of a gateway, which answers what reads the cluster. */
import type { Endpoint } from '#dial/endpoint.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import { Connections, createUnaryClient, type UnaryClient } from './connection.ts';

export type CoordinatorClient = UnaryClient<typeof Coordinator>;

export function createCoordinatorClient(address: Endpoint): CoordinatorClient {
  return createUnaryClient(Coordinator, new Connections(address));
}
