/**
 * The single executable: all binaries in one. `walnut master --config FILE` is walnut-master, and
 * likewise `slave`, `node`, `coordinator` and `gateway`; anything else is the command line tool.
 *
 * V8's limits of memory are chosen when a process starts, so a server first replaces this process
 * by one with its own: same process id, same terminal, same supervisor.
 */
import { setFlagsFromString } from 'node:v8';
import { processEnvironment, v8Flags, YOUNG_AT_FIRST } from '../bin/process-settings.cjs';

const SERVERS: Readonly<Record<string, () => Promise<unknown>>> = {
  master: () => import('./master.ts'),
  slave: () => import('./slave.ts'),
  node: () => import('./node.ts'),
  coordinator: () => import('./coordinator.ts'),
  gateway: () => import('./gateway.ts'),
};
/** Stands before the name of a server whose process has its settings. */
const SETTLED = '--settled';
/** Given to every process of the executable when it is built; Node takes others at its start only. */
const BUILT_IN = ['--disable-sigusr1', '--no-parallel-scavenge'];
/** Not built in: the tool could not use the compiled code that Node brings. V8 takes it while a process runs. */
const SET_LATER = [YOUNG_AT_FIRST];
const NOT_OPTIONS = new Set([...BUILT_IN, ...SET_LATER]);

const [first = '', ...rest] = process.argv.slice(2);
const [name = '', ...args] = first === SETTLED ? rest : [first, ...rest];
if (first === SETTLED) {
  process.argv = [process.execPath, name, ...args];
  for (const flag of SET_LATER) setFlagsFromString(flag);
  await SERVERS[name]?.();
} else if (Object.hasOwn(SERVERS, name)) {
  replaceBy(name, args);
} else {
  await import('./walnut.ts');
}

function replaceBy(server: string, given: readonly string[]): void {
  const entry = `cmd/${server}.ts`;
  const flags = v8Flags(entry, given).filter((flag) => !NOT_OPTIONS.has(flag));
  const command = [process.execPath, `--node-options=${flags.join(' ')}`, SETTLED, server, ...given];
  if (process.execve === undefined) throw new Error('this system cannot replace a process by another');
  process.execve(process.execPath, command, { ...process.env, ...processEnvironment(entry) });
}
