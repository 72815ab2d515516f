import type { Command } from 'commander';
import type { CommandHost } from './command-host.ts';
export function addWalCommand(_program: Command, _host: CommandHost): void {}
