/** Everything that is checked of a group and its nodes. Pure. */
import { Role } from '#gen/walnut/v1/types_pb.ts';
import { isUnanswered } from '../cli-error.ts';
import { type GroupReading, isSilent, type NodeReading, type SilentNode } from '../figures/read-figures.ts';
import { type Finding, findingsOf, type Judgement, ok, problem, runbook, warning } from './judgement.ts';
import { NODE_CHECKS } from './node-checks.ts';

/** In the order of the nodes; what is about the group comes first. */
export function examine(group: GroupReading): Finding[] {
  return [...examineGroup(group), ...group.nodes.flatMap(examineNode)];
}

function examineNode(node: NodeReading | SilentNode): Finding[] {
  if (isSilent(node)) return [{ node: node.address, check: 'answer', ...judgeSilence(node) }];
  return findingsOf(node.address, NODE_CHECKS, node);
}

/** What is said of a process that tells nothing of itself. */
export function judgeSilence({ failure }: Pick<SilentNode, 'failure'>): Judgement {
  const advice = isUnanswered(failure) ? undefined : failure.advice;
  return problem(failure.message, advice ?? runbook('A node does not answer'));
}

function examineGroup({ nodes, isWhole, id }: GroupReading): Finding[] {
  const answering = nodes.filter((node): node is NodeReading => !isSilent(node));
  const versions = [...new Set(answering.map(({ status }) => status.version))];
  const about = (check: string, judged: Judgement): Finding => ({
    ...{ node: id === undefined ? '' : `group ${id}`, check },
    ...judged,
  });
  return [
    about('one master', judgeMasters(nodes, answering, isWhole)),
    ...(isWhole
      ? []
      : [
          about(
            'every node',
            warning(
              'other nodes are not known without the master, and none of them was looked at',
              'Look at each of them: walnut doctor --address HOST:PORT',
            ),
          ),
        ]),
    about(
      'one version',
      versions.length <= 1
        ? ok(versions[0] ?? '')
        : warning(versions.join(', '), runbook('Upgrading from 0.1')),
    ),
  ];
}

function judgeMasters(
  nodes: GroupReading['nodes'],
  answering: readonly NodeReading[],
  isWhole: boolean,
): Judgement {
  const masters = nodes
    .filter((node) => (isSilent(node) ? node.role : node.status.role) === Role.MASTER)
    .map(({ address }) => address);
  if (masters.length > 1) return problem(masters.join(', '), runbook('Two masters that see each other'));
  const [master] = masters;
  if (master !== undefined) return ok(master);
  const linked = answering.find(({ status }) => status.master?.linked === true);
  if (!isWhole && linked !== undefined)
    return problem(
      `${linked.address} hears its master ${linked.status.master?.address}, which is slow, or cannot be reached from here`,
      runbook('A node does not answer'),
    );
  const isOfCluster = answering.some(({ status }) => status.member !== undefined);
  return problem(
    isWhole ? 'none of them leads' : 'none answers',
    isOfCluster ? runbook('A cluster takes no writes') : runbook('Replacing a dead master'),
  );
}
