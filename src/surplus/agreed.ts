/** SQL of what was agreed on a day: what the plan says a budget costs a week. */
import { weeklyPenceOn } from '../plan/line-change.ts';

/**
 * The weekly lines (`source`, `weekly_pence`) of the joint plan in force on a day that the budget `b` pays: those in
 * one of its portions, and those in none that name a source it is made of.
 *
 * @param group SQL of the ids of the budget, its parts, and the one it is part of
 * @param funding a relation of the budget's funders with a column `source`
 */
export const weeklyLines = (b: string, group: string, funding: string, day: string): string => `
  select l.source, ${weeklyPenceOn('l', day)} as weekly_pence
    from (select p.id, p.person_id from plan p
           where p.person_id = ${b}.person_id and p.number is not null and p.status in ('AGREED', 'SUPERSEDED')
             and p.valid_from <= ${day} and case when p.valid_to is null then p.status = 'AGREED' else p.valid_to >= ${day} end
           order by p.number desc limit 1) p
    join plan_line l on l.plan_id = p.id and l.person_id = p.person_id
   where l.weekly_pence is not null
     and (exists (select from portion q where q.id = l.portion_id and q.person_id = l.person_id and q.budget_id in (${group}))
          or (l.portion_id is null and l.source in (select source from ${funding})))`;
