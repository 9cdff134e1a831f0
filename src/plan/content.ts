/** What an edit says, checked: from the input to rows. No database here; what must be looked up comes as an argument. */
import type {
  CostFrequency,
  EligibilityScheme,
  FundingSource,
  OutcomeStatus,
  PlanLineKind,
} from '../generated/prisma/enums.ts';
import { penceOfDecimal } from '../platform/money.ts';
import { UserFault } from '../write/command.ts';
import { type MoneyGiven, noting, penceOf, textOf } from '../write/subject.ts';
import { isQuantity, weeklyPence, yearlyPence } from './rules.ts';
import { type SectionName, sectionNames, sections } from './section.ts';

export interface NeedInput {
  key: string;
  text: string;
  scheme?: EligibilityScheme | null;
}

export interface OutcomeInput {
  key: string;
  text: string;
  status: OutcomeStatus;
  targetOn?: string | null;
}

export interface LineInput {
  key: string;
  kind: PlanLineKind;
  what: string;
  providerName?: string | null;
  quantity: string;
  unitCost: MoneyGiven;
  frequency: CostFrequency;
  outcomeKeys: string[];
  needKeys: string[];
  portionId?: string | null;
  source?: FundingSource | null;
  reason?: string | null;
}

type Entry = Record<string, string | null | undefined>;

/** Left out: stays as it is. Null: is emptied. */
export type PlanContent = {
  title?: string | null;
  aboutMe?: string | null;
  whatMatters?: string | null;
  coordinatorName?: string | null;
  needs?: NeedInput[] | null;
  outcomes?: OutcomeInput[] | null;
  lines?: LineInput[] | null;
} & { [Name in SectionName]?: Entry[] | null };

const maxEntries = 50;
const maxLines = 100;
/** Units a week, or things at a time. */
const maxYearPence = 99_999_999_999n;
const keyShape = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** Runs checks, and keeps what the caller must mend, so that they hear of everything at once. */
export function gather() {
  const faults: UserFault[] = [];
  return {
    faults,
    /** What the check gives; null when it found a fault. */
    take: <T>(check: () => T): T | null => noting(faults, check) ?? null,
    refuse(code: string, message: string, field: string) {
      faults.push(new UserFault(code, message, field));
    },
  };
}

export type Gathered = ReturnType<typeof gather>;

/** Words, or null where there are none. */
const optionalText = (text: string | null | undefined, field: string) =>
  text === null || text === undefined || text.trim() === '' ? null : textOf(text, field);

const day = (text: string | null | undefined) => (text == null ? null : new Date(text));

function checkSize(entries: unknown[], field: string, max: number, { refuse }: Gathered) {
  if (entries.length > max) refuse('TOO_MANY', `There may be at most ${max} here.`, field);
}

function checkKeys(entries: { key: string }[], field: string, { refuse }: Gathered) {
  const seen = new Set<string>();
  for (const [i, { key }] of entries.entries()) {
    if (!keyShape.test(key))
      refuse(
        'KEY_INVALID',
        'A key is 1 to 40 small letters, digits and hyphens, such as "n1".',
        `${field}.${i}.key`,
      );
    else if (seen.has(key)) refuse('KEY_INVALID', 'Each key stands for one thing only.', `${field}.${i}.key`);
    seen.add(key);
  }
}

/** The words of the plan's own row. */
export function wordsOf(content: PlanContent, gathered: Gathered) {
  const data: {
    title?: string;
    aboutMe?: string | null;
    whatMatters?: string | null;
    coordinatorName?: string | null;
  } = {};
  if (content.title !== undefined) {
    const title = gathered.take(() => textOf(content.title ?? '', 'title', 200));
    if (title !== null) data.title = title;
  }
  for (const name of ['aboutMe', 'whatMatters', 'coordinatorName'] as const) {
    if (content[name] !== undefined) data[name] = gathered.take(() => optionalText(content[name], name));
  }
  return data;
}

/** The entries of the sections given. */
export function itemsOf(content: PlanContent, gathered: Gathered) {
  return sectionNames
    .filter((name) => content[name] !== undefined)
    .flatMap((name) => {
      const entries = content[name] ?? [];
      checkSize(entries, name, maxEntries, gathered);
      return entries.map((entry, i) => itemOf(name, entry, i, gathered));
    });
}

function itemOf(name: SectionName, entry: Entry, index: number, { take }: Gathered) {
  const { section, columns } = sections[name];
  const words: Record<string, string | null> = {};
  let onDay: Date | null = null;
  for (const [field, to] of Object.entries(columns)) {
    const path = `${name}.${index}.${field}`;
    const given = entry[field];
    if (to === 'on_day') onDay = day(given);
    else words[to] = take(() => (to === 'text' ? textOf(given ?? '', path) : optionalText(given, path)));
  }
  const { text, kind = null, who = null, procedure = null, reference = null } = words;
  return { section, position: index + 1, text: text ?? '', kind, who, procedure, reference, onDay };
}

export function needsOf(needs: NeedInput[], gathered: Gathered) {
  checkSize(needs, 'needs', maxEntries, gathered);
  checkKeys(needs, 'needs', gathered);
  return needs.map(({ key, text, scheme = null }, i) => ({
    key,
    position: i + 1,
    text: gathered.take(() => textOf(text, `needs.${i}.text`)) ?? '',
    scheme,
  }));
}

export function outcomesOf(outcomes: OutcomeInput[], gathered: Gathered) {
  checkSize(outcomes, 'outcomes', maxEntries, gathered);
  checkKeys(outcomes, 'outcomes', gathered);
  return outcomes.map(({ key, text, status, targetOn }, i) => ({
    key,
    text: gathered.take(() => textOf(text, `outcomes.${i}.text`)) ?? '',
    status,
    targetOn: day(targetOn),
  }));
}

/** @param portionIds UUIDs of the portions the lines name, null where there is no such portion of this person */
export function linesOf(lines: LineInput[], portionIds: (string | null)[], gathered: Gathered) {
  checkSize(lines, 'lines', maxLines, gathered);
  checkKeys(lines, 'lines', gathered);
  return lines.map((line, i) => {
    if (line.portionId != null && portionIds[i] == null) {
      gathered.refuse(
        'NOT_FOUND',
        'There is no such portion of this person’s budgets.',
        `lines.${i}.portionId`,
      );
    }
    return lineOf(line, i, portionIds[i] ?? null, gathered);
  });
}

function lineOf(line: LineInput, index: number, portionId: string | null, { take, refuse }: Gathered) {
  const at = (field: string) => `lines.${index}.${field}`;
  const { key, kind, frequency, outcomeKeys, needKeys, source = null } = line;
  const hundredths = penceOfDecimal(line.quantity);
  const isPossible = isQuantity(hundredths);
  if (!isPossible) refuse('QUANTITY_INVALID', 'A quantity is above 0 and at most 10000.', at('quantity'));
  const unitCostPence = take(() => penceOf(line.unitCost, at('unitCost'))) ?? 0n;
  const price = [unitCostPence, frequency, isPossible ? hundredths : 0n] as const;
  const year = yearlyPence(...price);
  if (year > maxYearPence) {
    refuse('AMOUNT_INVALID', 'A line may come to 999999999.99 a year at most.', at('unitCost.amount'));
  }
  return {
    key,
    kind,
    position: index + 1,
    what: take(() => textOf(line.what, at('what'))) ?? '',
    providerName: take(() => optionalText(line.providerName, at('providerName'))),
    outcomeKeys: [...new Set(outcomeKeys)],
    needKeys: [...new Set(needKeys)],
    quantity: line.quantity,
    unitCostPence,
    frequency,
    weeklyPence: weeklyPence(...price),
    yearlyPence: year,
    portionId,
    source,
    reason: take(() => optionalText(line.reason, at('reason'))),
  };
}

/** Every line serves an outcome of the plan, and names no need that is not in it. */
export function checkTies(
  lines: { outcomeKeys: string[]; needKeys: string[] }[],
  { outcomes, needs }: { outcomes: { key: string | null }[]; needs: { key: string | null }[] },
  { refuse }: Gathered,
): void {
  const known = (things: { key: string | null }[]) => new Set(things.map(({ key }) => key));
  const outcomeKeys = known(outcomes);
  const needKeys = known(needs);
  for (const [i, line] of lines.entries()) {
    if (line.outcomeKeys.length === 0 || line.outcomeKeys.some((key) => !outcomeKeys.has(key))) {
      refuse(
        'PLAN_LINE_WITHOUT_OUTCOME',
        'Money is for an outcome: name by its key at least one that is in the plan, and none that is not.',
        `lines.${i}.outcomeKeys`,
      );
    }
    if (line.needKeys.some((key) => !needKeys.has(key))) {
      refuse(
        'NEED_NOT_IN_PLAN',
        'Name only needs that are in the plan, by their keys.',
        `lines.${i}.needKeys`,
      );
    }
  }
}
