import { describe, expect, it } from 'vitest';
import { readAtMost } from '../../cmd/walnut/read-input.ts';

async function* chunks(count: number, taken: number[] = []): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) {
    taken.push(i);
    yield Buffer.alloc(10, i);
  }
}

describe('readAtMost', () => {
  it('returns the whole input', async () => {
    expect(await readAtMost(chunks(3), 30, 'stdin', 'a value')).toHaveLength(30);
    expect(await readAtMost(chunks(0), 0, 'stdin', 'a value')).toHaveLength(0);
  });

  it('reads no further than the chunk that has too many bytes', async () => {
    const taken: number[] = [];
    await expect(readAtMost(chunks(1_000, taken), 29, 'stdin', 'a value')).rejects.toThrow(
      'stdin has more than 29 bytes, too many for a value',
    );
    expect(taken).toHaveLength(3);
  });
});
