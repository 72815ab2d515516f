/** The arguments of `npm start`. Pure. */
import { findSwallowed } from '#platform/npm-options.ts';
import { GROUP_FILES } from './group-plan.ts';

export const USAGE = `Usage: npm start [-- --port N]

Starts one master and two replicas from configs/master.yaml, slave-1.yaml and
slave-2.yaml, with their data under ./data. Ctrl-C stops all three; the next
start finds the data again.

  --port N   listen on N, N+1 and N+2 instead of the ports in the files

To start the nodes one by one instead:
  npm run master -- --config configs/master.yaml
  npm run slave -- --config configs/slave-1.yaml
`;

export type GroupFlags =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly firstPort: number | undefined }
  | { readonly kind: 'error'; readonly message: string };

const PORT_MAX = 65_535 - GROUP_FILES.length + 1;

export function parseGroupFlags(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): GroupFlags {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help' };
  const [argument, ...rest] = argv.flatMap((each) =>
    /^--port=/.test(each) ? ['--port', each.slice(7)] : [each],
  );
  const swallowed = findSwallowed(env, 'start', ['port']);
  if (swallowed !== undefined) return refuse(swallowed.message, argument ?? env['npm_config_port']);
  if (argument === undefined) return { kind: 'run', firstPort: undefined };
  if (argument !== '--port') return refuse(`unexpected ${JSON.stringify(argument)}`);
  const [text = '', ...more] = rest;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > PORT_MAX)
    return refuse(`--port ${JSON.stringify(text)}: expected a number from 1 to ${PORT_MAX}`);
  if (more.length > 0) return refuse(`unexpected ${JSON.stringify(more[0])}`);
  return { kind: 'run', firstPort: port };
}

function refuse(problem: string, port = '9080'): GroupFlags {
  const example = /^\d{1,5}$/.test(port) ? port : '9080';
  return {
    kind: 'error',
    message: `npm start: ${problem}\nType: npm start -- --port ${example}\n\n${USAGE}`,
  };
}
