/** What a change costs, and what it leaves: one SQL value for reads and commands. */
import { agreedChanges, extraPence, type LineChangeRow, lineChange } from '../plan/line-change.ts';
import { budgetYear } from '../spending/rules.ts';
import { type ForecastFacts, forecastFacts, forecastOf } from '../surplus/facts.ts';
import { leftAtEnd } from './rules.ts';

/** As they come out of the statement: pence as texts. */
export interface EffectFacts {
  from: string;
  to: string | null;
  weekly: string;
  planned: string;
  budgetFrom: string;
  budgetTo: string | null;
  /** What was agreed of the line before. */
  agreed: LineChangeRow[];
  forecast: ForecastFacts;
}

/** SQL of one JSON value, an `EffectFacts`, for the change row `c` on a day; null where no account pays the line any more. */
export const effectFacts = (c: string, day: string): string => `
  (select json_build_object('from', ${c}.valid_from, 'to', ${c}.valid_to, 'weekly', ${c}.weekly_pence::text,
            'planned', l.weekly_pence::text, 'budgetFrom', b.valid_from, 'budgetTo', b.valid_to,
            'agreed', ${agreedChanges('l')}, 'forecast', ${forecastFacts('b', day)})
     from plan_line l
     join portion q on q.id = l.portion_id and q.person_id = l.person_id
     join budget b on b.id = q.budget_id and b.person_id = q.person_id
    where l.plan_id = ${c}.plan_id and l.person_id = ${c}.person_id and l.key = ${c}.line_key)`;

export interface Effect {
  /** The first day of the budget's next year, or after its end where that is before. */
  until: string;
  /** Until then, beyond what is agreed already. */
  extra: bigint;
  left: { before: bigint; after: bigint } | null;
}

export function effectOf(facts: EffectFacts): Effect {
  const { from, to, budgetFrom, budgetTo, forecast } = facts;
  const year = budgetYear(budgetFrom, from);
  const until = budgetTo !== null && budgetTo < year.to ? budgetTo : year.to;
  const planned = BigInt(facts.planned);
  const agreed = facts.agreed.map(lineChange);
  const change = { from, to, weeklyPence: BigInt(facts.weekly) };
  const during = { from: year.from, to: until };
  const extra = extraPence(planned, [...agreed, change], during) - extraPence(planned, agreed, during);
  return { until, extra, left: leftAtEnd({ ...forecastOf(forecast), today: forecast.day }, extra, until) };
}
