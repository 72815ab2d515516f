/**
 * What the coordinators of a cluster say of it, for a process that passes it on. All are asked at the
 * same time, since only the active one hears nodes and a stopped one would cost a time-out. Callers at
 * one time share one question.
 */
import type { GetClusterResponse, ListNodesResponse } from '#gen/walnut/v1/coordinator_pb.ts';

/** `MapLinks` has it. Each rejects where there is no answer within a second. */
export interface CoordinatorLooks {
  getCluster(address: string): Promise<GetClusterResponse>;
  listNodes(address: string): Promise<ListNodesResponse>;
}

export class ClusterReads {
  /** The answer of the active coordinator, else that of another one, which knows the map only; undefined: none answers. Never rejects. */
  readonly getCluster: () => Promise<GetClusterResponse | undefined>;
  readonly listNodes: () => Promise<ListNodesResponse | undefined>;

  constructor(coordinators: readonly string[], looks: CoordinatorLooks) {
    this.getCluster = shared(() => bestOf(coordinators, (address) => looks.getCluster(address)));
    this.listNodes = shared(() => bestOf(coordinators, (address) => looks.listNodes(address)));
  }
}

/** Resolves with the first answer of an active one, or when all have answered or failed. */
async function bestOf<T extends { readonly isActive: boolean }>(
  coordinators: readonly string[],
  look: (address: string) => Promise<T>,
): Promise<T | undefined> {
  const answers: T[] = [];
  const asked = coordinators.map(async (address) => {
    // An address that cannot be used throws before there is a promise.
    const answer = await look(address);
    answers.push(answer);
    if (!answer.isActive) throw new Error(`${address} is not active`);
    return answer;
  });
  return Promise.any(asked).catch(() => answers[0]);
}

function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
