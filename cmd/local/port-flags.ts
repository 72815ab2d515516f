/** The arguments of a script that runs several processes on this machine. Pure. */
import { findSwallowed } from '#platform/npm-options.ts';
import { type LocalScript, startCommand } from './local-script.ts';

export type PortFlags =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly firstPort: number | undefined }
  | { readonly kind: 'error'; readonly message: string };

export function parsePortFlags(
  script: LocalScript,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): PortFlags {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help' };
  const refuse = (problem: string, port?: string): PortFlags => refusal(script, problem, port);
  const [argument, ...rest] = argv.flatMap((each) =>
    /^--port=/.test(each) ? ['--port', each.slice(7)] : [each],
  );
  const swallowed = findSwallowed(env, script.script, script.options);
  if (swallowed !== undefined) return refuse(swallowed.message, argument ?? env['npm_config_port']);
  if (argument === undefined) return { kind: 'run', firstPort: undefined };
  if (argument !== '--port') return refuse(`unexpected ${JSON.stringify(argument)}`);
  const [text = '', ...more] = rest;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  const portMax = 65_535 - script.portCount + 1;
  if (port < 1 || port > portMax)
    return refuse(`--port ${JSON.stringify(text)}: expected a number from 1 to ${portMax}`);
  if (more.length > 0) return refuse(`unexpected ${JSON.stringify(more[0])}`);
  return { kind: 'run', firstPort: port };
}

function refusal(script: LocalScript, problem: string, port = ''): PortFlags {
  const example = /^\d{1,5}$/.test(port) ? Number(port) : script.portExample;
  return {
    kind: 'error',
    message: `${script.command}: ${problem}\nType: ${startCommand(script, example)}\n\n${script.usage}`,
  };
}
