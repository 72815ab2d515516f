/** `walnut doctor --config FILE`: checks what a node would run with, without a node. */
import { resolve } from 'node:path';
import { type BinaryKind, commandOf } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { findDoubtful } from '#config/doubtful.ts';
import { type LoadedConfig, loadWithOrigins } from '#config/load-config.ts';
import { findMisspelt } from '#config/misspelt-variables.ts';
import { readConfigFile } from '#config/read-config-file.ts';
import { parseYaml } from '#config/yaml-source.ts';
import { CONFIG_CHECKS } from './config-checks.ts';
import type { Machine } from './config-machine.ts';
import { type Finding, ok, problem, runbook, warning } from './judgement.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The sections that only one kind of process has. */
const OWN_SECTIONS: Readonly<Record<string, BinaryKind>> = {
  cluster: 'node',
  coordinator: 'coordinator',
  gateway: 'gateway',
  master: 'slave',
};

/** `kind`: undefined: by the sections of the file. Never rejects for what is wrong with the file. */
export async function examineConfig(
  path: string,
  kind: BinaryKind | undefined,
  env: Environment,
  machine: Machine,
): Promise<Finding[]> {
  const about = { node: path };
  const read = await readAndCheck(path, kind, env, machine);
  if (!('config' in read))
    return read.problems.map((found) => ({
      ...about,
      check: 'configuration',
      ...problem(found, runbook('Configuration')),
    }));
  const { config } = read;
  const findings: Finding[] = [
    { ...about, check: 'configuration', ...ok(`valid for ${commandOf(config.kind)}`) },
    ...findMisspelt(config.kind, env).map((found) => ({
      ...about,
      check: 'environment',
      ...warning(found, 'Unset the variable, or spell it so'),
    })),
    ...findDoubtful(read).map((found) => ({
      ...about,
      check: 'keys',
      ...warning(found, runbook('Configuration')),
    })),
  ];
  for (const [check, judge] of CONFIG_CHECKS) {
    const judged = await judge(config, machine);
    if (judged !== undefined) findings.push({ ...about, check, ...judged });
  }
  return findings;
}

async function readAndCheck(
  path: string,
  kind: BinaryKind | undefined,
  env: Environment,
  { fileSystem, memoryLimitBytes }: Machine,
): Promise<LoadedConfig | { problems: readonly string[] }> {
  try {
    const text = await readConfigFile(fileSystem, path);
    const source = { kind: kind ?? kindOf(path, text), file: path, text, env, cwd: resolve('.') };
    return loadWithOrigins({ ...source, memoryLimitBytes });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.message.split('\n') };
  }
}

/** A file without a section that tells is a master's. */
function kindOf(path: string, text: string): BinaryKind {
  const { values } = parseYaml(path, text);
  const [own] = Object.keys(OWN_SECTIONS).filter((section) => values[section] !== undefined);
  return own === undefined ? 'master' : (OWN_SECTIONS[own] as BinaryKind);
}
