/** A node whose three doors are one object, so that tests call what they mean. */
import { Node, type NodeDoors } from '#node/node.ts';
import type { NodeOptions } from '#node/node-options.ts';

export type WholeNode = Node & NodeDoors['keyValue'] & NodeDoors['replication'] & NodeDoors['admin'];

/** Each method is called on the part that has it. */
export function createWholeNode(options: NodeOptions): WholeNode {
  const node = new Node(options);
  const { keyValue, replication, admin } = node.ports;
  // Keys first: `restore` is there too, and the door's own.
  const parts: readonly object[] = [node, keyValue, replication, admin];
  const partOf = (name: string | symbol): object | undefined => parts.find((one) => name in one);
  const get = (_: Node, name: string | symbol): unknown => {
    const part = partOf(name);
    if (part === undefined) return undefined;
    const found: unknown = Reflect.get(part, name, part);
    return typeof found === 'function' ? found.bind(part) : found;
  };
  // A test that replaces a method replaces it for the servers of the node too.
  const set = (_: Node, name: string | symbol, value: unknown): boolean =>
    Reflect.set(partOf(name) ?? node, name, value);
  return new Proxy(node, { get, set }) as WholeNode;
}
