/** What the page makes of text and numbers: formats, events, Markdown, values, the picture. */
import { describe, expect, it } from 'vitest';
import { EventReader } from '#page/assets/events.js';
import * as format from '#page/assets/format.js';
import { blocksOf, spansOf } from '#page/assets/markdown.js';
import { pictureOf } from '#page/assets/picture.js';
import { bytesOf, previewOf, showValue } from '#page/assets/values.js';
import { EPOCH, replicaOf, snapshotOf, statusOf } from '#test/page/snapshots.ts';

describe('formats', () => {
  it.each([
    [format.showCount(0), '0'],
    [format.showCount(0.5), '0.5'],
    [format.showCount(999), '999'],
    [format.showCount(12_345), '12.3 k'],
    [format.showBytes(1_536), '1.5 KiB'],
    [format.showBytes(300 * 1_024 * 1_024), '300 MiB'],
    [format.showPercent(0.954), '95.4 %'],
    [format.showPercent(1), '100 %'],
    [format.showMs(0.25), '250 µs'],
    [format.showMs(12.34), '12.3 ms'],
    [format.showMs(250), '250 ms'],
    [format.showMs(4_200), '4.2 s'],
    [format.showSpan(125_000), '2 min 5 s'],
    [format.showSpan(90_061_000), '1 d 1 h'],
    [format.showTime(1_767_225_600_000), '2026-01-01 00:00:00 UTC'],
    [format.showEnum('NODE_STATE_CATCHING_UP', 'NODE_STATE_'), 'catching up'],
    [String(format.termOf({ epoch: EPOCH })), '3'],
    [format.showKey('user:1 ü 😀'), 'user:1 ü 😀'],
    [format.showKey('a '), '"a "'],
    [format.showKey(' a'), '" a"'],
    [format.showKey('a  b'), '"a\\u0020\\u0020b"'],
    [format.showKey('a\nb'), '"a\\nb"'],
    [format.showKey('a\u200bb'), '"a\\u200bb"'],
    [format.showKey('a\u202eb'), '"a\\u202eb"'],
    [format.showKey('a\u00a0b'), '"a\\u00a0b"'],
    [format.showKey('a\u{e0041}b'), '"a\\udb40\\udc41b"'],
    [format.showKey('"a "'), '"\\"a \\""'],
    [format.showKey(''), '""'],
    [String(format.isToken('wk_abc-1~')), 'true'],
    [String(format.isToken('wk_ä')), 'false'],
    [String(format.isToken('wk a')), 'false'],
    [String(format.isToken('wk\u2019')), 'false'],
  ])('%s', (shown, expected) => {
    expect(shown).toBe(expected);
  });
});

describe('server-sent events', () => {
  it('are read from pieces that end anywhere', () => {
    const text = 'id: 1\ndata: {"a":1}\n\n: a comment\n\nevent: end\r\ndata: x\r\ndata: y\r\n\r\n';
    for (const size of [1, 7, text.length]) {
      const reader = new EventReader();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...reader.push(text.slice(at, at + size)));
      expect(events).toEqual([
        { type: 'message', data: '{"a":1}' },
        { type: 'end', data: 'x\ny' },
      ]);
    }
  });
});

describe('a large server-sent event', () => {
  it('is not searched again with each piece', () => {
    const reader = new EventReader();
    const piece = 'x'.repeat(1_024);
    const startedMs = performance.now();
    reader.push('data: ');
    for (let each = 0; each < 16 * 1_024; each++) reader.push(piece);
    const [event] = reader.push('\n\n');
    expect(event?.data.length).toBe(16 * 1_024 * 1_024);
    // It takes some 0.1 s; with a search of all there is for each piece it takes minutes.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('may have 32 MiB, which many pieces reach, too', () => {
    const reader = new EventReader();
    const piece = 'x'.repeat(1_024 * 1_024);
    for (let each = 0; each < 32; each++) reader.push(piece);
    expect(() => reader.push('x')).toThrow('larger than 32 MiB');
  });
});

describe('runbooks as blocks', () => {
  it('are paragraphs, lists, code and tables', () => {
    const text =
      'Do *this*:\nnow.\n\n1. One `a`\n   goes on\n2. Two\n\n```sh\nwalnut status\n\n# x\n```\n\n| a | b |\n|---|---|\n| `x\\|y` | [z](f.md#g) |\n\n- item';
    expect(blocksOf(text)).toEqual([
      {
        kind: 'p',
        spans: [
          { kind: 'text', text: 'Do ' },
          { kind: 'em', text: 'this' },
          { kind: 'text', text: ': now.' },
        ],
      },
      { kind: 'ol', items: [spansOf('One `a` goes on'), spansOf('Two')] },
      { kind: 'pre', text: 'walnut status\n\n# x' },
      {
        kind: 'table',
        head: [spansOf('a'), spansOf('b')],
        rows: [[spansOf('`x|y`'), [{ kind: 'link', text: 'z', to: 'f.md#g' }]]],
      },
      { kind: 'ul', items: [spansOf('item')] },
    ]);
  });

  it('keep what they do not know as text', () => {
    expect(spansOf('<b>5 * 3 [a] ~x~')).toEqual([{ kind: 'text', text: '<b>5 * 3 [a] ~x~' }]);
  });
});

describe('values', () => {
  const shown = (bytes: Uint8Array, max?: number) => showValue(bytes, max);

  it('are text where they are UTF-8 without control characters, else hexadecimal', () => {
    expect(shown(bytesOf('PGI+w7w8L2I+'))).toEqual({ form: 'text', text: '<b>ü</b>', isCut: false });
    expect(shown(Uint8Array.of(0xff, 65))).toMatchObject({
      form: 'hexadecimal',
      text: expect.stringMatching(/^0000 {2}ff 41 +\.A$/),
    });
    expect(shown(Uint8Array.of(65, 0)).form).toBe('hexadecimal');
  });

  it('are hexadecimal where a character in them is not seen or turns the text round', () => {
    for (const text of ['a\u0085', 'a\u202eb', 'a\u200bb', '\ufeffa', 'a\u007f'])
      expect([text, shown(Buffer.from(text)).form]).toEqual([text, 'hexadecimal']);
    for (const text of ['a\tb\r\nc', 'می\u200cخواهم'])
      expect(shown(Buffer.from(text))).toEqual({ form: 'text', text, isCut: false });
  });

  it('have a preview on which what is not shown has no bearing', () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    expect(previewOf(base64('x'.repeat(80)))).toBe('x'.repeat(80));
    expect(previewOf(base64('x'.repeat(81)))).toBe(`${'x'.repeat(80)}…`);
    expect(previewOf(`${base64('x'.repeat(84))}not base64, and not read`)).toBe(`${'x'.repeat(80)}…`);
    expect(previewOf('/w==')).toBe('ff');
  });

  it('are cut, within a character too', () => {
    expect(shown(Buffer.from('aaü'), 3)).toEqual({ form: 'text', text: 'aa', isCut: true });
  });
});

describe('the picture', () => {
  it('of a master has it first, then its replicas', () => {
    const [group] = pictureOf(
      snapshotOf({ view: statusOf({ replicas: [replicaOf({ different: true })] }) }),
      'here:1',
    );
    expect(
      group?.nodes.map(({ name, role, health, isHere, isLeader }) => [name, role, health, isHere, isLeader]),
    ).toEqual([
      ['here:1', 'master', 'good', true, true],
      ['r:8081', 'replica', 'bad', false, false],
    ]);
    expect(group?.nodes[0]?.facts).toContainEqual(['Term', '3']);
  });

  it('of a replica has its master first, and how far it is behind', () => {
    const master = { address: 'm:1', linked: false, lagRecords: '1234', lagMs: '65000' };
    const view = statusOf({ role: 'ROLE_REPLICA', state: 'NODE_STATE_CATCHING_UP', replicas: [], master });
    const [group] = pictureOf(snapshotOf({ view }), 'here:1');
    expect(group?.nodes.map(({ name, state, health }) => [name, state, health])).toEqual([
      ['m:1', 'not heard', 'bad'],
      ['here:1', 'catching up', 'warn'],
    ]);
    expect(group?.nodes[1]?.facts).toContainEqual(['Behind', '1,234 records']);
  });

  it('of a master does not show a replica that takes no pushes as one that catches up', () => {
    const problem = 'it takes no pushes: refused';
    const replicas = [replicaOf({ state: 'NODE_STATE_CATCHING_UP', problem })];
    const [group] = pictureOf(snapshotOf({ view: statusOf({ replicas }) }), 'here:1');
    expect([group?.nodes[1]?.state, group?.nodes[1]?.health]).toEqual(['takes no pushes', 'bad']);
  });

  it('of a cluster has each group with its term, slots and members', () => {
    const heartbeat = { state: 'NODE_STATE_SERVING', tail: { lsn: '50' }, term: 4, whyNoWrites: '' };
    const late = { ...heartbeat, state: 'NODE_STATE_STREAMING', tail: { lsn: '20' } };
    const nodes = [
      { node: { name: 'a', address: 'a:1' }, heard: true, heardAgoMs: '100', heartbeat },
      { node: { name: 'b', address: 'b:1' }, heard: true, heardAgoMs: '9000', heartbeat: late },
      { node: { name: 'c', address: 'c:1' }, heard: false },
    ];
    const own = {
      id: 'g1',
      term: 4,
      voters: [{ node: 'b' }, { node: 'a' }, { node: 'c' }],
      leader: { voter: { node: 'a' } },
    };
    const cluster = {
      isActive: true,
      groups: [{ group: own, slots: 8_192, takesWrites: true, votersHeard: 1 }],
    };
    const [group] = pictureOf(
      snapshotOf({ kind: 'coordinator', view: { cluster, nodes: { nodes } } }),
      'here:1',
    );
    expect(group).toMatchObject({
      title: 'Group g1',
      note: 'Term 4, 8,192 of 16,384 slots, 1 of 3 voters heard, takes writes',
      health: 'good',
    });
    expect(group?.nodes.map(({ name, role, state, health }) => [name, role, state, health])).toEqual([
      ['a', 'leader', 'serving', 'good'],
      ['b', 'voter', 'streaming, silent', 'bad'],
      ['c', 'voter', 'not heard', 'bad'],
    ]);
    expect(group?.nodes[1]?.facts).toContainEqual(['Behind', '30 records']);
  });

  it('of a member has its name, its group and the slots of that', () => {
    const ranges = [
      { first: 0, last: 99, group: 'g2' },
      { first: 100, last: 199, group: 'g1' },
    ];
    const member = { node: 'node-1', group: 'g2', owned: { ranges } };
    const [group] = pictureOf(snapshotOf({ view: statusOf({ member }) }), 'here:1');
    expect([group?.title, group?.note, group?.nodes[0]?.name]).toEqual([
      'Group g2',
      '100 of 16,384 slots, log abababab',
      'node-1',
    ]);
  });

  it('of a gateway has the members of each group, as the map lists them', () => {
    const groups = [{ id: 'g1', leader: 'b@1', slots: 9, calls: 3, bytes: 0, isHeld: false }];
    const own = {
      id: 'g1',
      term: 4,
      voters: [{ node: 'a' }, { node: 'b' }],
      leader: { voter: { node: 'b' } },
    };
    const cluster = {
      isActive: false,
      groups: [{ group: own, slots: 9, takesWrites: false, votersHeard: 0 }],
    };
    const nodes = {
      nodes: [{ node: { name: 'a', address: 'a:1' } }, { node: { name: 'b', address: 'b:1' } }],
    };
    const [group] = pictureOf(snapshotOf({ kind: 'gateway', view: { groups, cluster, nodes } }), 'here:1');
    expect(group?.nodes.map(({ name, address, state, health }) => [name, address, state, health])).toEqual([
      ['b', 'b:1', 'answers', 'good'],
      ['a', 'a:1', 'listed', 'none'],
    ]);
  });

  it('of a gateway has each group with its leader', () => {
    const groups = [
      { id: 'g1', leader: 'a@1', slots: 16_384, calls: 3, bytes: 0, isHeld: true },
      { id: 'g2', leader: '', slots: 0, calls: 0, bytes: 0, isHeld: false },
    ];
    const shown = pictureOf(snapshotOf({ kind: 'gateway', view: { groups } }), 'here:1');
    expect(shown.map(({ nodes: [leader] }) => [leader?.name, leader?.state, leader?.health])).toEqual([
      ['a', 'does not answer', 'bad'],
      ['no leader', 'missing', 'bad'],
    ]);
  });
});
