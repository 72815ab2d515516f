/** The sections of the manuals by the names that alerts give them. */
import { describe, expect, it } from 'vitest';
import { pageFiles } from '#page/page-files.ts';
import { anchorOf, runbooksOf } from '#page/runbooks.ts';
import { ALERTS } from '#test/page/alert-rules.ts';

describe('runbooks', () => {
  it('are the sections of level 2 and 3 that have a text, by file and anchor', () => {
    const manual =
      '# Title\n\n## First part\n\n### A `key`, and more\n\nDo this:\n\n```sh\n## no heading\n```\n\n### Last\nend\n';
    expect([...runbooksOf(new Map([['a.md', manual]]))]).toEqual([
      [
        'docs/a.md#a-key-and-more',
        { title: 'A `key`, and more', text: 'Do this:\n\n```sh\n## no heading\n```' },
      ],
      ['docs/a.md#last', { title: 'Last', text: 'end' }],
    ]);
  });

  it('have the anchors that GitHub makes', () => {
    expect(anchorOf('Exit 3: the data directory cannot be used')).toBe(
      'exit-3-the-data-directory-cannot-be-used',
    );
    expect(anchorOf('aside/')).toBe('aside');
  });

  it('have the runbook of every alert', () => {
    const file = pageFiles().get('runbooks.json');
    const runbooks = JSON.parse(String(Buffer.from(file?.bytes ?? []))) as Record<string, { text: string }>;
    for (const { annotations } of ALERTS) expect(runbooks[annotations['runbook'] ?? '']?.text).toMatch(/\w/);
  });
});
