/** What the runbooks share: a fresh group of real nodes for each test, and what Status of a node says. */
import { afterEach, beforeEach } from 'vitest';
import { collectEngines } from '#test/doubles/engines.ts';
import { LiveGroup, type LiveNode, until } from './live-node.ts';

/** In the order in which the nodes of a test opened them. */
export const engines = collectEngines();
export const rig = {} as { group: LiveGroup };
beforeEach(async () => {
  rig.group = await LiveGroup.create();
});
afterEach(() => rig.group.close());

/** What the tool asks where a command names no node. */
export const at = (node: LiveNode) => ({ WALNUT_ADDRESS: node.address });

/** Waits until Status of the node says it. */
export const says = (node: LiveNode, words: RegExp) =>
  until(
    () => words.test(node.reasons),
    () => `${words} in: ${node.status.state} ${node.reasons}`,
  );

/** The promotion that Status names, and the node that it names. */
export async function advised(nodes: readonly LiveNode[], asked: LiveNode): Promise<LiveNode> {
  await says(asked, /walnut promote --address \S+/);
  const address = /walnut promote --address ([\d.:]+)/.exec(asked.reasons)?.[1];
  const chosen = nodes.find((one) => one.address === address);
  if (chosen === undefined) throw new Error(`${address} is none of the group`);
  return chosen;
}
