/** What the commands of a cluster are given. */
import type { NamedAddress } from '../arguments.ts';

export interface ClusterOptions {
  readonly coordinators: readonly NamedAddress[];
}

export interface PlannedGroup {
  readonly id: string;
  readonly nodes: readonly string[];
}
