/** SQL of what the rules of the team go by. */

/**
 * SQL: a person's shifts as they will be worked. To each shift of somebody who is away comes whoever covers for them, if
 * they are not away themself. The minutes are those that pass, also in the night in which the clocks change.
 */
export const shiftsOf = (personId: string): string => `
  select s.*, case when a.id is null then s.worker_id when b.id is null then a.cover_id end as done_by_id,
         a.kind as absence_kind, a.id is not null and a.from_contingency as from_contingency, e.last_day,
         (extract(epoch from ((e.last_day + s.ends) at time zone 'Europe/London')
                           - ((s.day + s.starts) at time zone 'Europe/London')) / 60)::int as minutes
    from shift s
    cross join lateral (select s.day + case when s.ends <= s.starts then 1 else 0 end as last_day) e
    left join absence a on a.worker_id = s.worker_id and a.person_id = s.person_id and a.cancelled_at is null
                       and s.day between a.first_day and a.last_day
    left join absence b on b.worker_id = a.cover_id and b.person_id = s.person_id and b.cancelled_at is null
                       and s.day between b.first_day and b.last_day
   where s.person_id = ${personId}`;

/** SQL: whoever comes to a shift of `shiftsOf` has, for each of its delegated tasks, a sign-off that holds to its end. */
export const isCompetent = (shift: string): string => `
  not exists (
    select from unnest(${shift}.task_ids) as wanted(id)
     where not exists (
       select from competency c
        where c.person_id = ${shift}.person_id and c.worker_id = ${shift}.done_by_id and c.task_id = wanted.id
          and c.signed_off_on <= ${shift}.day and c.expires_on >= ${shift}.last_day
          and (c.withdrawn_on is null or c.withdrawn_on > ${shift}.last_day)))`;

/** SQL: whoever comes to a shift of `shiftsOf` has a contract on its day. */
export const isContracted = (shift: string): string => `
  exists (select from contract k
           where k.person_id = ${shift}.person_id and k.worker_id = ${shift}.done_by_id
             and k.valid_from <= ${shift}.day and (k.valid_to is null or k.valid_to > ${shift}.day))`;

/** SQL: the last day of a pay period. One of a month ends before the same day of the next. */
const lastDay = (from: string, frequency: string) => `
  (case ${frequency} when 'WEEKLY' then ${from} + 6 when 'FOUR_WEEKLY' then ${from} + 27
   else (${from} + interval '1 month')::date - 1 end)`;

interface Period {
  personId: string;
  from: string;
  frequency: string;
}

/** SQL: JSON of what the pay of a period follows from, as `PayFacts` has it. */
export const payFacts = ({ personId, from, frequency }: Period): string => `
  (select json_build_object('from', ${from}, 'to', p.last_day, 'frequency', ${frequency}, 'workers', array_to_json(array(
     select json_build_object('id', w.id, 'name', w.name, 'ref', w.payroll_ref, 'birthDate', w.birth_date,
       'contracts', array_to_json(array(
          select json_build_object('from', k.valid_from, 'to', k.valid_to, 'ratePence', k.hourly_pence::text,
                                   'frequency', k.pay_frequency, 'irregular', k.irregular, 'pension', k.pension,
                                   'lineKey', k.line_key)
            from contract k where k.worker_id = w.id and k.person_id = w.person_id
             and (k.valid_to is null or k.valid_to > k.valid_from) order by k.number)),
       'worked', array_to_json(array(
          select json_build_object('day', d.day, 'minutes', d.minutes)
            from timesheet t join worked_day d on d.timesheet_id = t.id and d.person_id = t.person_id
           where t.worker_id = w.id and t.person_id = w.person_id and d.day between ${from} and p.last_day
           order by d.day)),
       'covered', array_to_json(array(
          select json_build_object('day', e.day, 'minutes', e.minutes) from (${shiftsOf(personId)}) e
           where e.done_by_id = w.id and e.worker_id <> w.id and e.from_contingency
             and e.day between ${from} and p.last_day)),
       'missed', array_to_json(array(
          select json_build_object('day', e.day, 'minutes', e.minutes, 'kind', e.absence_kind)
            from (${shiftsOf(personId)}) e
           where e.worker_id = w.id and e.absence_kind is not null and e.day between ${from} and p.last_day)))
       from worker w where w.person_id = ${personId} order by w.payroll_ref, w.id)))
     from (select ${lastDay(from, frequency)} as last_day) p)`;
