/** Shared by the runbooks: a fresh group of real nodes for each test, and reading their Status. */
import { afterEach, beforeEach } from 'vitest';
import { collectEngines } from '#test/doubles/engines.ts';
import { LiveGroup, type LiveNode, until } from './live-node.ts';

/** The engines, in the order in which the nodes of a test opened them. */
export const engines = collectEngines();
export const rig = {} as { group: LiveGroup };
beforeEach(async () => {
  rig.group = await LiveGroup.create();
});
afterEach(() => rig.group.close());

/** The node that the tool calls if a command names none. */
export const at = (node: LiveNode) => ({ WALNUT_ADDRESS: node.address });

/** Waits until the Status of the node contains the text. */
export const says = (node: LiveNode, words: RegExp) =>
  until(
    () => words.test(node.reasons),
    () => `${words} in: ${node.status.state} ${node.reasons}`,
  );

/** The promotion command that Status names, and the node in it. */
export async function advised(nodes: readonly LiveNode[], asked: LiveNode): Promise<LiveNode> {
  await says(asked, /walnut promote --address \S+/);
  const address = /walnut promote --address ([\d.:]+)/.exec(asked.reasons)?.[1];
  const chosen = nodes.find((one) => one.address === address);
  if (chosen === undefined) throw new Error(`${address} is none of the group`);
  return chosen;
}
