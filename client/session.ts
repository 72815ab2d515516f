/**
 * The newest position that a caller has written or read. A read that carries it as
 * its token never shows an older state, on any node. Clients of several nodes may
 * share one session, and a session can go to another process as a text.
 *
 * A forced promotion may discard records that a session has seen. Its next read says so
 * by DATA_LOSS, once; what is left of the session then belongs to the history of today.
 * Two positions of one epoch are of one history, and the later one has all that the
 * earlier one has. Two of different epochs say nothing of each other: the later history
 * may have been branched off before the earlier position, and no term or LSN tells. So
 * where an answer brings another epoch and did not have to include what was seen before,
 * as with a write or a Scan, that is kept as unproven until a read has asked for it.
 *
 * Answers of a cluster say which group each position is of. Of the groups behind a gateway the session
 * keeps what `x-walnut-positions` says, and the gateway asks each group for its own. A node is of one
 * group, and shows it by telling that header unasked: then the session is as one of a plain group.
 */
import { create } from '@bufbuild/protobuf';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { shown } from '#platform/shown.ts';
import { newestParts } from '#wire/call-headers.ts';
import { invalid } from './failures.ts';
import {
  afterAnswer,
  formatHeader,
  type GroupPositions,
  parseHeader,
  positionOf,
  withPositions,
} from './group-positions.ts';

/** The bits of the nonce in an epoch; the term is above them. */
const NONCE_BITS = 32n;
/** Every number of a position is below. */
const NUMBER_END = 2n ** 53n;
/**
 * What the text of a session begins with: its version. The second has positions of groups, each with its
 * name; the third is of one group, which its nodes have named; in the first nobody has named one.
 */
const VERSION = 's1';
const VERSION_OF_GROUPS = 's2';
const VERSION_OF_NODE = 's3';
/** The token, and up to four positions that are unproven. */
const TEXT = /^s1(?:\.\d{1,16}-\d{1,16}){0,5}$/;
/** The same, and positions of groups. */
const TEXT_OF_GROUPS = /^s2(?:\.\d{1,16}-\d{1,16}){0,5}((?:\.[A-Za-z0-9-]{1,64}_\d{1,16}-\d{1,16})+)$/;
/** The group, the token, and what is unproven. */
const TEXT_OF_NODE = /^s3\.([A-Za-z0-9-]{1,64})(?:\.\d{1,16}-\d{1,16}){1,5}$/;
const GROUP_PART = /^([A-Za-z0-9-]+)_(\d+)-(\d+)$/;
const TEXT_CHARACTERS_MAX = 8_600;
/** Each is of another epoch: so many changes of the history without a read. The oldest is forgotten. */
const UNPROVEN_MAX = 4;
const NONE: readonly Position[] = [];

/** What a call brings of a session. */
export interface SentPositions {
  readonly positions: GroupPositions;
  /** `x-walnut-positions`. */
  readonly text: string;
}

export class Session {
  #token: Position | undefined;
  /** What reads must show: the newest write, and what was brought along. */
  #required: Position | undefined;
  /** At most one of an epoch, none of that of the token. Never changed in place. */
  #unproven: readonly Position[] = NONE;
  /** The group that all of these are of, which no position repeats; empty where no node has named it. */
  #group = '';
  /** A node has answered, and no answer since was of another group. */
  #isOfNode = false;
  /** It comes from a text of a node, and nobody has answered yet, so it may be of another group than who is asked. */
  #isUnmet = false;
  /** Never changed in place. */
  #ofGroups: GroupPositions = NONE;

  /** `token` continues an earlier session. */
  constructor(token?: Position) {
    this.#token = token;
    this.#required = token;
  }

  /**
   * Continues the session that `toString` gave, maybe in another process. Throws
   * INVALID_ARGUMENT for any other text: it may come from a cookie that somebody made up.
   * A made-up position can make reads fail, and shows nothing that its caller may not read.
   */
  static from(text: string): Session {
    if (typeof text !== 'string' || text.length > TEXT_CHARACTERS_MAX) throw badText(text);
    const [, group] = TEXT_OF_NODE.exec(text) ?? [];
    if (group === undefined && !TEXT.test(text) && !TEXT_OF_GROUPS.test(text)) throw badText(text);
    const parts = text.split('.').slice(group === undefined ? 1 : 2);
    const [token, ...unproven] = parts
      .filter((part) => !part.includes('_'))
      .map((part) => {
        const [epoch = 0n, lsn = 0n] = part.split('-').map(BigInt);
        if (lsn === 0n || epoch >= NUMBER_END || lsn >= NUMBER_END) throw badText(text);
        return create(PositionSchema, { epoch, lsn });
      });
    const session = new Session(token);
    session.#group = group ?? '';
    session.#isOfNode = session.#isUnmet = group !== undefined;
    for (const position of unproven) session.doubt(position);
    session.#ofGroups = parts
      .filter((part) => part.includes('_'))
      .map((part) => {
        const position = positionOf(GROUP_PART.exec(part) ?? []);
        if (position === null) throw badText(text);
        return position;
      });
    return session;
  }

  /** A session of groups that has seen these positions, each with its group and the newest last. */
  static ofGroups(positions: GroupPositions): Session {
    const session = new Session();
    session.#ofGroups = withPositions(NONE, positions);
    return session;
  }

  /** What this session has seen of one group, as a session of that group alone. */
  partOf(group: string): Session {
    const seen = this.#group === '' ? this.#ofGroups : this.positionsAs(this.#group);
    const own = seen.filter((one) => one.group === group).map(withoutGroup);
    const session = new Session(own.pop());
    for (const position of own) session.doubt(position);
    session.#isOfNode = true;
    return session;
  }

  /** What this session, which is of one group, has seen: for `ofGroups`. */
  positionsAs(group: string): GroupPositions {
    const own = this.#token === undefined ? this.#unproven : [...this.#unproven, this.#token];
    return own.map((position) => withGroup(position, group));
  }

  /**
   * At most 40 characters, and 180 while positions are unproven; in a cluster with the names of its groups
   * and some 25 more for each, at most 8,600. All are safe in cookies, headers and URLs.
   */
  toString(): string {
    // What is unproven stays so where nothing newer was seen: reads of the other process ask for the first.
    const positions = this.#token === undefined ? this.#unproven : [this.#token, ...this.#unproven];
    const plain = positions.map(({ epoch, lsn }) => `${epoch}-${lsn}`);
    if (this.#group !== '' && plain.length > 0) return [VERSION_OF_NODE, this.#group, ...plain].join('.');
    if (this.#ofGroups.length === 0) return [VERSION, ...plain].join('.');
    const groups = newestParts(this.#ofGroups, ({ group, epoch, lsn }) => `${group}_${epoch}-${lsn}`, '.');
    return [VERSION_OF_GROUPS, ...plain, groups].join('.');
  }

  toJSON(): string {
    return this.toString();
  }

  /**
   * The token, to store or to pass to another process; undefined before the first answer, and
   * in a session of several groups, of which `toString` has all. It names its group where a text has named
   * that, until an answer is of it: nodes of other groups and gateways know then what it says nothing of.
   */
  get token(): Position | undefined {
    return this.isOfGroups ? undefined : this.#token && this.#asked(this.#token);
  }

  /** True if answers said which groups of a cluster they are of. */
  get isOfGroups(): boolean {
    return this.#ofGroups.length > 0;
  }

  /** True if nothing was seen. */
  get isEmpty(): boolean {
    return this.#token === undefined && !this.isOfGroups;
  }

  /** All that reads must show, for `doubt`, each with its group where that is known; of one group the newest last. */
  get positions(): readonly Position[] {
    return [...this.positionsAs(this.#group), ...this.#ofGroups];
  }

  /** What a call to a gateway brings; undefined where no answer has named a group. */
  get sent(): SentPositions | undefined {
    if (!this.isOfGroups) return undefined;
    return { positions: this.#ofGroups, text: formatHeader(this.#ofGroups) };
  }

  /** The answer to a call that brought `sent`, an error too. `text`: its `x-walnut-positions`; null: it has none. */
  onAnswer({ positions }: SentPositions, text: string | null): void {
    const answered = text === null ? undefined : parseHeader(text);
    if (answered !== undefined) this.#ofGroups = afterAnswer(this.#ofGroups, positions, answered);
  }

  /** A node said that a position without a group is of this one. */
  assign(position: Position, group: string): void {
    this.#forget(position);
    this.doubt(withGroup(position, group));
  }

  /**
   * The position of the newest write, or of the session that this one continues or has
   * joined. Reads of other keys do not move it, so that answers which are allowed to be
   * somewhat old (`NearCache`) need not include them.
   */
  get required(): Position | undefined {
    return this.#required;
  }

  /**
   * Positions of earlier epochs that no answer has shown to be in the history of the
   * token. A client asks for them before its next read, which rejects with DATA_LOSS if
   * one of them was discarded. In a session of groups these are the positions of which nobody has
   * said yet which group they are of.
   */
  get unproven(): readonly Position[] {
    if (this.#isUnmet) return this.#unproven.map((position) => this.#asked(position));
    if (!this.isOfGroups || this.#token === undefined) return this.#unproven;
    return [this.#token, ...this.#unproven];
  }

  /**
   * Moves the session to the position of an answer to a read, if that is newer.
   * `included`: what the read asked for, so that the answer includes it.
   */
  observe(position: Position | undefined, included?: Position): void {
    if (position === undefined || position.lsn === 0n) return;
    if (!this.#isOwn(position)) {
      this.#doubtOfGroups(position);
      return;
    }
    const known = this.#token;
    const isMove = known === undefined || isNewer(position, known);
    if (isMove) {
      this.#token = withoutGroup(position);
      // The token has all that an earlier position of its epoch has.
      if (this.#unproven.some((one) => one.epoch === position.epoch))
        this.#unproven = this.#unproven.filter((one) => one.epoch !== position.epoch);
    }
    if (known !== undefined && known.epoch !== position.epoch) this.doubt(isMove ? known : position);
    if (included !== undefined && this.#unproven.length > 0 && position.epoch === this.#token?.epoch)
      this.#unproven = this.#unproven.filter((one) => !hasAll(included, one));
  }

  /** Moves the session to the position of a write, if that is newer. */
  observeWrite(position: Position | undefined): void {
    this.observe(position);
    if (position !== undefined && this.#isOwn(position))
      this.#required = newer(this.#required, withoutGroup(position));
  }

  /** Moves the session to where another one is, if that is newer. */
  join(other: Session): void {
    if (this.#group === '' && other.#group !== '' && !this.isOfGroups) this.#isOfNode = true;
    this.observeWrite(other.#token && withGroup(other.#token, other.#group));
    for (const position of other.#unproven) this.doubt(withGroup(position, other.#group));
    for (const position of other.#ofGroups) this.observeWrite(position);
    this.#isUnmet ||= other.#isUnmet && this.#group === other.#group;
  }

  /**
   * A node has answered DATA_LOSS to a call that asked for `position`: that was discarded,
   * and no node can ever include it again. The call tells that what this session saw may
   * be gone, so nothing that was seen before it is told again.
   */
  onDiscarded(position: Position): void {
    if (this.isOfGroups) this.#forget(position);
    else if (this.#token !== undefined && hasAll(this.#token, position)) this.reset();
    else if (this.#unproven.some((one) => hasAll(one, position))) {
      this.#unproven = NONE;
      // What it was may be gone, too; the token is of the history of today and newer.
      if (this.#required !== undefined) this.#required = this.#token;
    }
  }

  /** Discards all positions: the session begins anew. */
  reset(): void {
    this.#token = undefined;
    this.#required = undefined;
    this.#unproven = NONE;
    this.#group = '';
    this.#isUnmet = false;
    this.#ofGroups = NONE;
  }

  /** The next read asks if `position` was discarded, and rejects with DATA_LOSS if it was. */
  doubt(position: Position): void {
    if (!this.#isOwn(position)) {
      this.#doubtOfGroups(position);
      return;
    }
    if (position.epoch === this.#token?.epoch) return;
    const same = this.#unproven.find(({ epoch }) => epoch === position.epoch);
    if (same !== undefined && hasAll(same, position)) return;
    const others = this.#unproven.filter((one) => one !== same);
    this.#unproven = [...others, withoutGroup(position)].slice(-UNPROVEN_MAX);
  }

  /** The client has an answer of a node: it told positions unasked, as no gateway does. */
  onNode(): void {
    if (this.#isOfNode) return;
    this.#isOfNode = true;
    const seen = this.#ofGroups;
    const [first] = seen;
    const hasOthers = this.#token !== undefined || this.#unproven.length > 0;
    if (first === undefined || hasOthers || seen.some(({ group }) => group !== first.group)) return;
    this.#ofGroups = NONE;
    for (const position of seen) this.observeWrite(position);
  }

  /** True unless the position is of another group than the session, or of one of several. */
  #isOwn({ group }: Position): boolean {
    if (group === '') return true;
    if (!this.#isOfNode || this.isOfGroups) return false;
    if (this.#group === '') this.#group = group;
    if (this.#group === group) this.#isUnmet = false;
    return this.#group === group;
  }

  /** The position as a call has it. */
  #asked(position: Position): Position {
    return this.#isUnmet ? withGroup(position, this.#group) : position;
  }

  /** From now on the session is of groups. */
  #doubtOfGroups(position: Position): void {
    if (this.#group !== '') {
      this.#ofGroups = this.positionsAs(this.#group);
      this.#token = this.#required = undefined;
      this.#unproven = NONE;
      this.#group = '';
    }
    this.#isOfNode = this.#isUnmet = false;
    this.#ofGroups = withPositions(this.#ofGroups, [position]);
  }

  /** One without a group, in a session of groups. */
  #forget(position: Position): void {
    const left = [this.#token, ...this.#unproven].filter(
      (one): one is Position => one !== undefined && !hasAll(position, one),
    );
    [this.#token] = left;
    this.#unproven = left.slice(1);
    this.#required = this.#token;
  }
}

/** True if every state that includes `one` includes `other`: both are of one epoch. */
function hasAll(one: Position, other: Position): boolean {
  return one.epoch === other.epoch && one.lsn >= other.lsn;
}

function withoutGroup(position: Position): Position {
  return withGroup(position, '');
}

function withGroup(position: Position, group: string): Position {
  return position.group === group ? position : { ...position, group };
}

function badText(text: unknown): Error {
  return invalid(`${shown(text)} is no session: expected what toString gave, such as s1.4294967297-12`);
}

function newer(known: Position | undefined, position: Position | undefined): Position | undefined {
  if (position === undefined || position.lsn === 0n) return known;
  return known === undefined || isNewer(position, known) ? position : known;
}

/** True if `one` is of a higher term, or later in the same. */
export function isNewer(one: Position, other: Position): boolean {
  const [term, otherTerm] = [one.epoch >> NONCE_BITS, other.epoch >> NONCE_BITS];
  return term === otherTerm ? one.lsn > other.lsn : term > otherTerm;
}
