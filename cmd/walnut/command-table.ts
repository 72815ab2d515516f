/**
 * The files of the commands, in the order of --help. Only the file of the requested command
 * is loaded, because loading all of them takes longer than most commands.
 */
import type { Command } from 'commander';
import type { CommandHost } from './command-host.ts';

/** Adds the commands of a file to the program. */
export type AddCommands = (program: Command, host: CommandHost) => void;

export interface CommandFile {
  /** The names of the commands that the file adds, in order. */
  readonly names: readonly string[];
  load(): Promise<AddCommands>;
}

export const COMMAND_FILES: readonly CommandFile[] = [
  { names: ['get'], load: async () => (await import('./keys/get-command.ts')).addGetCommand },
  { names: ['scan'], load: async () => (await import('./keys/scan-command.ts')).addScanCommand },
  { names: ['set', 'del'], load: async () => (await import('./keys/write-commands.ts')).addWriteCommands },
  {
    names: ['increment'],
    load: async () => (await import('./keys/increment-command.ts')).addIncrementCommand,
  },
  { names: ['touch'], load: async () => (await import('./keys/touch-command.ts')).addTouchCommand },
  { names: ['batch'], load: async () => (await import('./keys/batch-command.ts')).addBatchCommand },
  {
    names: ['delete-prefix'],
    load: async () => (await import('./keys/delete-prefix-command.ts')).addDeletePrefixCommand,
  },
  { names: ['explain'], load: async () => (await import('./keys/explain-command.ts')).addExplainCommand },
  { names: ['watch'], load: async () => (await import('./keys/watch-command.ts')).addWatchCommand },
  { names: ['await'], load: async () => (await import('./keys/await-command.ts')).addAwaitCommand },
  { names: ['status'], load: async () => (await import('./group/status-command.ts')).addStatusCommand },
  { names: ['slowlog'], load: async () => (await import('./group/slowlog-command.ts')).addSlowlogCommand },
  { names: ['doctor'], load: async () => (await import('./doctor/doctor-command.ts')).addDoctorCommand },
  { names: ['info'], load: async () => (await import('./figures/info-command.ts')).addInfoCommand },
  { names: ['top'], load: async () => (await import('./figures/top-command.ts')).addTopCommand },
  { names: ['latency'], load: async () => (await import('./figures/latency-command.ts')).addLatencyCommand },
  { names: ['bigkeys'], load: async () => (await import('./figures/bigkeys-command.ts')).addBigkeysCommand },
  { names: ['hotkeys'], load: async () => (await import('./figures/hotkeys-command.ts')).addHotkeysCommand },
  { names: ['digest'], load: async () => (await import('./group/digest-command.ts')).addDigestCommand },
  { names: ['scrub'], load: async () => (await import('./group/scrub-command.ts')).addScrubCommand },
  { names: ['bench'], load: async () => (await import('./bench/bench-command.ts')).addBenchCommand },
  { names: ['replay'], load: async () => (await import('./replay/replay-command.ts')).addReplayCommand },
  { names: ['import'], load: async () => (await import('./move/import-command.ts')).addImportCommand },
  { names: ['export'], load: async () => (await import('./move/export-command.ts')).addExportCommand },
  { names: ['wal'], load: async () => (await import('./log/wal-command.ts')).addWalCommand },
  { names: ['backup'], load: async () => (await import('./backup/backup-command.ts')).addBackupCommand },
  {
    names: ['restore-to'],
    load: async () => (await import('./backup/restore-to-command.ts')).addRestoreToCommand,
  },
  { names: ['drill'], load: async () => (await import('./backup/drill-command.ts')).addDrillCommand },
  {
    names: ['checkpoint', 'rotate', 'add-replica', 'remove-replica', 'quarantine'],
    load: async () => (await import('./group/admin-commands.ts')).addAdminCommands,
  },
  {
    names: ['failover', 'promote'],
    load: async () => (await import('./group/leader-commands.ts')).addLeaderCommands,
  },
  { names: ['cluster'], load: async () => (await import('./cluster/cluster-command.ts')).addClusterCommand },
  { names: ['config'], load: async () => (await import('./group/config-command.ts')).addConfigCommand },
  { names: ['delay'], load: async () => (await import('./group/delay-command.ts')).addDelayCommand },
  { names: ['clock'], load: async () => (await import('./group/clock-command.ts')).addClockCommand },
  { names: ['context'], load: async () => (await import('./context/context-command.ts')).addContextCommand },
  { names: ['auth'], load: async () => (await import('./auth/auth-command.ts')).addAuthCommand },
  { names: ['diverged'], load: async () => (await import('./log/diverged-command.ts')).addDivergedCommand },
  {
    names: ['completion'],
    load: async () =>
      (await import('./completion/completion-command.ts')).createCompletionCommand(() => loadCommands([])),
  },
  {
    names: ['man'],
    load: async () => (await import('./manual/man-command.ts')).createManCommand(() => loadCommands([])),
  },
];

/**
 * Loads the file of the command in `args`, or all files if there is none: for help, and to suggest
 * a command. The version alone needs none.
 */
export async function loadCommands(args: readonly string[]): Promise<AddCommands[]> {
  const name = commandNameOf(args);
  if (name === undefined && args.length > 0 && args.every((argument) => VERSION.has(argument))) return [];
  const file = COMMAND_FILES.find(({ names }) => name !== undefined && names.includes(name));
  return Promise.all((file === undefined ? COMMAND_FILES : [file]).map((one) => one.load()));
}

/** Options of the program that are followed by a value. */
const VALUED = new Set([
  '--address',
  '--context',
  '--token-file',
  '--ca-file',
  '--cert-file',
  '--key-file',
  '--server-name',
]);

/** Returns the first argument that is neither an option of the program nor the value of one. */
export function commandNameOf(args: readonly string[]): string | undefined {
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? '';
    if (VALUED.has(argument)) i++;
    else if (!argument.startsWith('-')) return argument;
  }
  return undefined;
}

const VERSION = new Set(['--version', '-V']);
const TELLS = new Set(['--help', '-h', ...VERSION]);

/** True if the arguments have no command and ask for nothing else. */
export function isBare(args: readonly string[]): boolean {
  return commandNameOf(args) === undefined && !args.some((argument) => TELLS.has(argument));
}
