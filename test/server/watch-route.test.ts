/** `GET /v1/watch`: server-sent events, whose id is what Last-Event-ID goes on from. */
import { type IncomingMessage, request as requestHttp1 } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WalnutError } from '#model/errors.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { http1, onCleanup, type Running, start, until } from '#test/server/running.ts';
import { toResumeText } from '#wire/resume-text.ts';

function messageOf(lsn: number, changes: Partial<WatchMessage> = {}): WatchMessage {
  const flags = { canResume: true, isFragment: false, isInitialDone: false, wallShiftMs: 0 };
  return { events: [], position: positionOf(lsn), ...flags, ...changes };
}

const CHANGE = {
  op: 'set',
  cause: 'client',
  key: 'a\n',
  value: Buffer.from('hi'),
  version: positionOf(5),
  expireAtMs: 0,
  timestampMs: 7,
  previous: undefined,
  isPreviousUnknown: false,
  isInitial: false,
} as const;

async function commandOf(query: string, headers: Record<string, string> = {}): Promise<WatchCommand> {
  const running = await start();
  await http1(running, 'GET', `/v1/watch${query}`, { headers });
  const call = running.node.calls.find(({ port }) => port === 'watch');
  if (call === undefined) throw new Error('nothing was watched');
  return call.argument as WatchCommand;
}

async function refusalOf(query: string, headers: Record<string, string> = {}): Promise<string> {
  const running = await start();
  const { status, text } = await http1(running, 'GET', `/v1/watch${query}`, { headers });
  expect(running.node.calls).toEqual([]);
  return `${status} ${JSON.parse(text).message}`;
}

describe('GET /v1/watch', () => {
  it('tells each message as one event, with its resume as id', async () => {
    const running = await start();
    running.node.watched = async function* () {
      yield messageOf(4);
      yield messageOf(4, { events: [CHANGE], isFragment: true, canResume: false });
      yield messageOf(5, { events: [CHANGE] });
      throw new WalnutError('unavailable', 'stopping', { resumeAfter: positionOf(5) });
    };
    const { status, headers, text } = await http1(running, 'GET', '/v1/watch');
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([
      200,
      'text/event-stream',
      'no-store',
    ]);
    const events = text.split('\n\n').filter((one) => one !== '');
    expect(events).toHaveLength(4);
    expect(events[0]).toMatch(new RegExp(`^id: ${toResumeText(positionOf(4))}\ndata: \\{"position"`));
    expect(events[1]).toMatch(/^data: /);
    const data = JSON.parse(events[2]?.split('\ndata: ')[1] ?? '');
    expect(data).toMatchObject({
      events: [{ op: 'OP_SET', cause: 'CAUSE_CLIENT', key: 'a\n', value: 'aGk=', version: { lsn: '5' } }],
      resume: toResumeText(positionOf(5)),
    });
    expect(events[3]).toBe(
      `event: end\ndata: ${JSON.stringify({ code: 'unavailable', message: 'stopping', resume: toResumeText(positionOf(5)) })}`,
    );
  });

  it.each([
    ['unavailable', { leaderHint: 'other:8080' }, { leaderHint: 'other:8080' }],
    ['out_of_range', { earliest: positionOf(9) }, { earliestPosition: '4294967297-9' }],
  ] as const)('says at its end by %s what the rpc says', async (code, details, told) => {
    const running = await start();
    running.node.watched = async function* () {
      yield messageOf(4);
      throw new WalnutError(code, 'over', details);
    };
    const { text } = await http1(running, 'GET', '/v1/watch?prefix=');
    expect(text).toContain(`\n\nevent: end\ndata: ${JSON.stringify({ code, message: 'over', ...told })}\n\n`);
  });

  it('sends a message when there is one, and ends at the node when its caller goes away', async () => {
    const running = await start();
    let isOver = false;
    running.node.watched = async function* (_command, signal) {
      try {
        yield messageOf(4);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      } finally {
        isOver = true;
      }
    };
    const answer = await open(running);
    let text = '';
    answer.on('data', (bytes: Buffer) => (text += String(bytes)));
    await until(() => text.includes('\n\n'));
    answer.destroy();
    await until(() => isOver);
  });

  it('means what its parameters say', async () => {
    const target = { kind: 'key', key: 'a b' };
    expect(await commandOf('?key=a%20b&ops=delete,touch&previous&keys_only=true&progress=2s')).toMatchObject({
      ...{
        target,
        ops: ['delete', 'touch'],
        withPrevious: true,
        keysOnly: true,
        progressEveryMs: 2_000,
        after: undefined,
      },
    });
    expect(await commandOf('?prefix=p&initial')).toMatchObject({ target: { prefix: 'p' }, isInitial: true });
    expect(await commandOf('?after=4294967297-9')).toMatchObject({
      target: { prefix: '' },
      after: positionOf(9),
    });
    expect(await commandOf(`?resume=${toResumeText(positionOf(3))}`)).toMatchObject({ after: positionOf(3) });
    const since = { after: undefined, sinceMs: 1_801_396_800_000 };
    expect(await commandOf('?since=2027-01-31T12:00:00Z')).toMatchObject(since);
    expect(await commandOf('?since=1801396800000')).toMatchObject(since);
  });

  it('goes on from Last-Event-ID, whatever the URL began with', async () => {
    const headers = { 'last-event-id': toResumeText(positionOf(8)) };
    expect(await commandOf('?initial', headers)).toMatchObject({ after: positionOf(8), isInitial: false });
    expect(await commandOf('?after=4294967297-2', headers)).toMatchObject({ after: positionOf(8) });
    const again = await commandOf('?since=5', headers);
    expect([again.after, again.sinceMs]).toEqual([positionOf(8), undefined]);
    expect(await commandOf('?initial', { 'last-event-id': '' })).toMatchObject({ isInitial: true });
  });

  it('says what is wrong before it begins', async () => {
    expect(await refusalOf('?prefx=a')).toContain('unknown parameter "prefx"');
    expect(await refusalOf('?prefix=a&key=b')).toContain('exclude each other');
    expect(await refusalOf('?after=1-2&resume=x')).toContain('after and resume exclude each other');
    expect(await refusalOf('?resume=x&since=5')).toContain('resume and since exclude each other');
    expect(await refusalOf('?since=5&initial')).toContain('initial and since_ms exclude each other');
    expect(await refusalOf('?since=yesterday')).toContain('expected milliseconds since 1970');
    expect(await refusalOf('?ops=touched')).toContain('expected set, delete');
    expect(await refusalOf('?previous=maybe')).toContain('expected true or false');
    expect(await refusalOf('?key=')).toContain('key is empty');
    expect(await refusalOf('', { 'last-event-id': 'nonsense' })).toContain('400 resume is malformed');
  });

  it('is refused with its status where the node refuses it, and takes GET only', async () => {
    const running = await start();
    running.node.failure = new WalnutError('out_of_range', 'gone', { earliest: positionOf(9) });
    const refused = await http1(running, 'GET', '/v1/watch?after=4294967297-1');
    expect([refused.status, refused.headers['x-earliest-position']]).toEqual([416, '4294967297-9']);
    running.node.failure = undefined;
    const post = await http1(running, 'POST', '/v1/watch');
    expect([post.status, post.headers.allow]).toEqual([405, 'GET, OPTIONS']);
    const options = await http1(running, 'OPTIONS', '/v1/watch?prefix=x');
    expect([options.status, options.headers.allow, options.text]).toEqual([204, 'GET, OPTIONS', '']);
  });
});

function open({ server }: Running): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = requestHttp1({ host: '127.0.0.1', port: server.port, path: '/v1/watch' }, resolve);
    request.on('error', reject);
    onCleanup(() => void request.destroy());
    request.end();
  });
}
