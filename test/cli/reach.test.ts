/** Files that cannot be used to reach a node: each is a mistake in the command, said once. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from '../../cmd/walnut/arguments.ts';
import { createReach } from '../../cmd/walnut/call/reach.ts';
import { CliError, EXIT } from '../../cmd/walnut/cli-error.ts';

const TOKEN = `walnut_${'a'.repeat(43)}`;

let directory: string;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-reach-'));
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  process.off('unhandledRejection', note);
  await rm(directory, { recursive: true });
});

/** The failure to reach a node by TLS; every rejection that nobody waits for would have been reported after it. */
async function failureOf(options: Parameters<typeof createReach>[0], env = {}): Promise<unknown> {
  const reach = createReach(options, env);
  const failure = await reach(parseAddress('https://localhost:1')).catch((error: unknown) => error);
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
  return failure;
}

describe('reach', () => {
  it.each([true, false])(
    'refuses an authority that is missing, with a token in a file: %s',
    async (inFile) => {
      const tokenFile = join(directory, 'token');
      await writeFile(tokenFile, TOKEN, { mode: 0o600 });
      const caFile = join(directory, 'none.pem');
      const failure = inFile
        ? await failureOf({ tokenFile, caFile })
        : await failureOf({ caFile }, { WALNUT_TOKEN: TOKEN });
      expect(failure).toBeInstanceOf(CliError);
      expect(failure).toMatchObject({ exitCode: EXIT.usage, message: expect.stringContaining('none.pem') });
    },
  );

  it('refuses a token file and an authority that are both missing', async () => {
    const failure = await failureOf({ tokenFile: join(directory, 't'), caFile: join(directory, 'c') });
    expect(failure).toMatchObject({ exitCode: EXIT.usage });
  });
});
