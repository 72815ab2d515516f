/** What `walnut cluster nodes` says of nodes that the coordinator has not heard. */
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ListNodesResponseSchema } from '#gen/walnut/v1/coordinator_pb.ts';
import { nodesText } from '../../cmd/walnut/cluster/cluster-views.ts';
import { PLAIN } from '../../cmd/walnut/output/terminal.ts';

it.each([
  [true, 'silent since this coordinator became active'],
  [false, 'unknown'],
])('says of a node that was never heard what that means, at one that is active: %s', (isActive, said) => {
  const nodes = [{ node: { name: 'n1', address: 'n1:8080' }, listed: true, group: 'g1' }];
  const view = create(ListNodesResponseSchema, { nodes, isActive });
  expect(nodesText(PLAIN, view, '').split('\n')[1]).toMatch(new RegExp(` ${said} *$`));
});
