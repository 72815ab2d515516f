/**
 * `npm start`: runs one master and two replicas from `configs/` as three processes on this
 * machine. It waits until the replicas have caught up, shows the addresses and what to try,
 * and stops all three on Ctrl-C. The exit codes are those of `runLocal`.
 */
import type { EarlySignals } from '#platform/early-signals.ts';
import { runLocal } from '../local/run-local.ts';
import { GroupMember } from './group-member.ts';
import { GROUP, GROUP_FILES, planGroup } from './group-plan.ts';
import { GroupRun } from './group-run.ts';

/** Runs the group until it is stopped, and sets the exit code of the process. */
export function startGroup(argv: readonly string[], signals: EarlySignals): Promise<void> {
  return runLocal(
    {
      script: GROUP,
      files: GROUP_FILES,
      plan: planGroup,
      create: (specs, { clock, terminal, firstPort }) =>
        new GroupRun(
          specs.map((spec) => new GroupMember(spec, clock)),
          clock,
          terminal,
          firstPort,
        ),
    },
    argv,
    signals,
  );
}
