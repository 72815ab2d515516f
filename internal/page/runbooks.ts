/** The sections of the manuals, so that the page shows a runbook without any other server. Pure. */

export interface Runbook {
  readonly title: string;
  /** Markdown without the heading. */
  readonly text: string;
}

/** Headings of this level and the next are sections of their own. */
const HEADING = /^(#{2,3}) (.+)$/;

/** `manuals`: Markdown by file name. Gives the sections by `docs/FILE#ANCHOR`, as alerts name them. */
export function runbooksOf(manuals: ReadonlyMap<string, string>): Map<string, Runbook> {
  const found = new Map<string, Runbook>();
  for (const [file, markdown] of manuals)
    for (const { title, text } of sectionsOf(markdown))
      found.set(`docs/${file}#${anchorOf(title)}`, { title, text });
  return found;
}

function* sectionsOf(markdown: string): Generator<Runbook> {
  let title: string | undefined;
  let lines: string[] = [];
  let isCode = false;
  const section = function* (): Generator<Runbook> {
    const text = lines.join('\n').trim();
    if (title !== undefined && text !== '') yield { title, text };
  };
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode;
    // A comment in a script looks like a heading.
    const heading = isCode ? undefined : HEADING.exec(line)?.[2];
    if (heading === undefined) {
      lines.push(line);
      continue;
    }
    yield* section();
    title = heading;
    lines = [];
  }
  yield* section();
}

/** The anchor that GitHub makes of a heading. */
export function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
