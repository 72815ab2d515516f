/** What a local run says about a process that ended by itself. */
import { expect, it } from 'vitest';
import { adviceOnExit } from '../../cmd/local/local-text.ts';

const place = {
  spec: {
    name: 'master',
    kind: 'master',
    entry: 'cmd/master.ts',
    config: 'configs/master.yaml',
    address: '127.0.0.1:8080',
    host: '127.0.0.1',
    port: 8_080,
    directory: 'data/master',
    sets: [],
  },
  logFile: 'data/master.log',
  again: 'npm start',
} as const;

it.each([
  [1, /^The whole log: less data\/master\.log\nMend what it says last; .* Then type: npm start\n$/],
  [2, /^Correct configs\/master\.yaml, and type: npm start\n$/],
  [3, /walnut -- wal verify data\/master\n.*"Exit 3"\n$/],
  [4, /less data\/master\.log\nWhat to do: docs\/operations\.md, "Exit 4: the disk failed"\nMend /],
])('after exit code %i it names what to mend before the next start', (code, text) => {
  expect(adviceOnExit({ code, reason: `exit code ${code}` }, place)).toMatch(text);
});
