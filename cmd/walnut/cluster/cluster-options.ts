/** What the commands of a cluster are given. */
import { InvalidArgumentError } from 'commander';
import { isGroupId, isNodeName } from '#cluster/names.ts';
import type { NamedAddress } from '../arguments.ts';

export interface ClusterOptions {
  readonly coordinators: readonly NamedAddress[];
}

export interface PlannedGroup {
  readonly id: string;
  readonly nodes: readonly string[];
}

/** Throws for commander where the text is no `ID=NODE,NODE`. */
export function parseGroup(text: string): PlannedGroup {
  const [id = '', members = '', ...more] = text.split('=');
  const nodes = members.split(',').map((each) => each.trim());
  if (more.length === 0 && isGroupId(id) && nodes.every(isNodeName)) return { id, nodes };
  throw new InvalidArgumentError('Expected ID=NODE,NODE such as g1=node-1,node-2,node-3.');
}
