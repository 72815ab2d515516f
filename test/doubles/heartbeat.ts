/** A heartbeat of an empty node that belongs nowhere, with what a test needs in it. */
import type { Heartbeat, NodeReport } from '#cluster/heartbeat.ts';
import { NO_POSITION } from '#model/position.ts';

export const NO_REPORT: NodeReport = {
  version: '0.0.0',
  formatLevel: 2,
  state: 'loading',
  reasons: [],
  links: [],
  oldestWriteMs: 0,
  entries: 0,
  bytes: 0,
  bytesMax: 0,
};

export function heartbeatOf(node: string, fields: Partial<Heartbeat> = {}): Heartbeat {
  return {
    clusterName: '',
    clusterId: '',
    node,
    incarnation: 1,
    process: 'p',
    sequence: 1,
    address: `${node}:1`,
    zone: '',
    role: 'unassigned',
    term: 0,
    tail: NO_POSITION,
    mapEpoch: 0,
    keptMapEpoch: 0,
    whyNoWrites: '',
    ackedByVoters: 0,
    lastAck: undefined,
    group: '',
    voters: [],
    logVoters: [],
    plain: undefined,
    votersMin: 0,
    logId: '',
    report: NO_REPORT,
    ...fields,
  };
}
