/** Exit codes of the tool, where people look them up. */
import { describe, expect, it } from 'vitest';
import { runCli } from '#test/cli/memory-io.ts';
import { EXIT } from '../../cmd/walnut/cli-error.ts';
import { readText } from './source-files.ts';

describe('exit codes', () => {
  it('are all in --help and in the documents', async () => {
    const { out } = await runCli(['--help']);
    const table = readText('docs/operations.md').split('The tool `walnut` has its own:')[1]?.split('\n\n')[1];
    for (const code of Object.values(EXIT)) {
      expect(out.split('Exit codes:')[1]).toMatch(new RegExp(`(^|\\s)${code} [a-z]`));
      expect(table).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
    }
  });
});
