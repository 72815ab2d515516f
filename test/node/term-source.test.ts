/** Terms that somebody else issues: each way to lead asks for one, and none is led without. */
import { describe, expect, it } from 'vitest';
import { unavailable } from '#model/errors.ts';
import type { TermSource } from '#node/term-source.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

/** Issues every tenth term, and notes above which it was asked for one. */
class Issuer implements TermSource {
  readonly asked: number[] = [];
  isDown = false;

  async next(seen: number): Promise<number> {
    if (this.isDown) throw unavailable('the issuer of terms does not answer');
    this.asked.push(seen);
    return (Math.floor(seen / 10) + 1) * 10;
  }
}

async function pair() {
  const group = new TestGroup();
  const terms = new Issuer();
  const master = await group.master({ terms });
  const one = await group.replica('one', { terms });
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  return { group, terms, master, one };
}

describe('terms that are issued', () => {
  it('are led by a promotion and a failover', async () => {
    const { group, terms, master, one } = await pair();
    expect(await group.until(master.node.failover('one:1', 0))).toMatchObject({ term: 10 });
    expect(one.node.status()).toMatchObject({ role: 'master', term: 10 });
    await group.untilLevel([master, one]);
    group.kill(one);
    expect(await group.until(master.node.promote(false))).toMatchObject({ term: 20, isPromoted: true });
    expect(terms.asked).toEqual([1, 10]);
  });

  it('are led by a master that is forced', async () => {
    const { group, terms, master, one } = await pair();
    group.kill(master);
    const fileSystem = await group.stop(one);
    const again = await group.start('one', 'master', { fileSystem, terms, forcedRole: 'master' });
    expect(again.node.status()).toMatchObject({ role: 'master', term: 10 });
    expect(terms.asked).toEqual([1]);
  });

  it('are not made up where none is issued: the roles stay', async () => {
    const { group, terms, master, one } = await pair();
    terms.isDown = true;
    await expect(group.until(master.node.failover('one:1', 0))).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(master.node.status()).toMatchObject({ role: 'master', state: 'serving', term: 1 });
    await group.set(master, 'b', '2');
    group.kill(master);
    await expect(group.until(one.node.promote(true))).rejects.toMatchObject({ code: 'unavailable' });
    expect(one.node.status()).toMatchObject({ role: 'replica', term: 1 });
  });
});
