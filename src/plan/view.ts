/** How plans are read. */
import { judgeCharges } from '../eligibility/rules.ts';
import {
  type At,
  children,
  column,
  datedChildren,
  derived,
  type Field,
  instant,
  many,
  money,
  one,
  organisation,
  personView,
  type Views,
  value,
  withAsAt,
} from '../read/view.ts';
import { type ChargeFacts, judgingSql, type SigningFacts, signingSql, stateOf } from './facts.ts';
import { type SectionName, sectionNames, sections } from './section.ts';

export const planPrefix = 'pln';
export const concernPrefix = 'cnc';
/** Of the portions that pay for lines; how they are read is said in a later room. */
export const portionPrefix = 'por';

/**
 * The plan in force on the day looked at. The joint plan comes before what a source holds; a version that was
 * superseded since was in force on its days.
 */
const inForce = (at: At) => `
  select p.* from ${at.table('plan', `${at.parent}.id`)} p
   where p.person_id = ${at.parent}.id and (p.status = 'AGREED' or (p.status = 'SUPERSEDED' and p.number is not null))
     and (p.valid_from is null or p.valid_from <= ${at.day()}) and (p.valid_to is null or p.valid_to >= ${at.day()})
   order by p.number is null, p.number desc, p.valid_from desc nulls last, p.id desc limit 1`;

const rowsOf = (name: string) => (at: At) => at.table(name, `${at.parent}.person_id`);

const factsAt = (at: At) => ({
  plan: at.parent,
  day: at.day(),
  table: (name: string) => rowsOf(name)(at),
});

const signing = <T>(answer: (state: ReturnType<typeof stateOf>) => T) =>
  derived(
    (at) => signingSql(factsAt(at)),
    (facts: SigningFacts) => answer(stateOf(facts)),
  );

const section = (name: SectionName): Field =>
  many(
    sections[name].type,
    (at) => `
      select i.* from ${rowsOf('plan_item')(at)} i
       where i.plan_id = ${at.parent}.id and i.person_id = ${at.parent}.person_id and i.section = '${sections[name].section}'
       order by i.position`,
  );

const perSection = <T>(make: (name: SectionName) => [string, T]): Record<string, T> =>
  Object.fromEntries(sectionNames.map(make));

export const planViews: Views = {
  Person: {
    fields: {
      plan: withAsAt(one('Plan', inForce)),
      plans: many(
        'Plan',
        ({ parent }) =>
          `select * from plan where person_id = ${parent}.id order by number desc nulls last, valid_from desc nulls last, id desc`,
      ),
    },
  },
  Plan: personView(
    {
      number: column('number'),
      version: column('version'),
      status: column('status'),
      origin: value(
        ({
          parent,
        }) => `coalesce((select s.side::text from person_link l join source_system s on s.id = l.source_id
          where l.id = ${parent}.link_id and l.person_id = ${parent}.person_id), 'JOINT')`,
      ),
      title: column('title'),
      aboutMe: column('about_me'),
      whatMatters: column('what_matters'),
      coordinatorName: column('coordinator_name'),
      coordinatorOrganisation: organisation('coordinator_organisation_id'),
      from: column('valid_from'),
      to: column('valid_to'),
      reviewOn: column('review_on'),
      proposedAt: instant('proposed_at'),
      agreedAt: instant('agreed_at'),
      supersedes: one(
        'Plan',
        ({ parent }) =>
          `select * from plan where id = ${parent}.supersedes_id and person_id = ${parent}.person_id`,
      ),
      needs: datedChildren('Need', 'need', 'plan_id', 'position'),
      outcomes: datedChildren('Outcome', 'outcome', 'plan_id', 'target_on, id'),
      ...perSection((name) => [name, section(name)]),
      lines: datedChildren('PlanLine', 'plan_line', 'plan_id', 'position'),
      cost: one(
        'PlanCost',
        (at) => `
          select coalesce(sum(weekly_pence), 0)::bigint as weekly_pence, coalesce(sum(yearly_pence), 0)::bigint as yearly_pence,
                 coalesce(sum(yearly_pence) filter (where frequency = 'ONE_OFF'), 0)::bigint as once_pence, ${at.parent}.person_id
            from ${rowsOf('plan_line')(at)} l
           where l.plan_id = ${at.parent}.id and l.person_id = ${at.parent}.person_id`,
      ),
      warnings: derived(
        (at) => judgingSql(factsAt(at)),
        ({ eligible, charges }: ChargeFacts) =>
          // A plan without lines charges nobody.
          charges.length === 0
            ? []
            : judgeCharges(eligible, charges).warnings.map(({ key, code, message }) => ({
                code,
                message,
                lineKey: key,
              })),
      ),
      concerns: children('Concern', 'concern', 'plan_id', 'raised_at, id'),
      signOffs: children('SignOff', 'sign_off', 'plan_id', 'signed_at, id'),
      missingSignatures: signing(({ missing }) => missing),
      representativesDisagree: signing(({ representativesDisagree }) => representativesDisagree),
      changes: many('PlanChange', (at) => {
        const since = at.arg('int', (args) => args.since ?? 0);
        return `select c.* from plan_change c where c.plan_id = ${at.parent}.id and c.person_id = ${at.parent}.person_id
          and c.version > ${since} order by c.version`;
      }),
    },
    { prefix: planPrefix, table: 'plan', side: 'LINK' },
  ),
  Need: personView({ key: column('key'), text: column('text'), scheme: column('scheme') }),
  Outcome: personView(
    { key: column('key'), text: column('text'), status: column('status'), targetOn: column('target_on') },
    { prefix: 'out', table: 'outcome', side: 'PLAN' },
  ),
  ...perSection((name) => {
    const { type, columns } = sections[name];
    const fields = Object.entries(columns).map(([field, from]) => [field, column(from)]);
    return [type, personView(Object.fromEntries(fields))];
  }),
  PlanLine: personView({
    key: column('key'),
    kind: column('kind'),
    what: column('what'),
    providerName: column('provider_name'),
    quantity: value(({ parent }) => `${parent}.quantity::text`),
    unitCost: money('unit_cost_pence'),
    frequency: column('frequency'),
    weeklyCost: money('weekly_pence'),
    yearlyCost: money('yearly_pence'),
    outcomes: many('Outcome', (at) => tied(at, 'outcome', 'outcome_keys', 't.target_on, t.id')),
    needs: many('Need', (at) => tied(at, 'need', 'need_keys', 't.position')),
    portion: one(
      'Portion',
      (at) => `select q.* from ${rowsOf('portion')(at)} q
        where q.id = ${at.parent}.portion_id and q.person_id = ${at.parent}.person_id`,
    ),
    source: column('source'),
    reason: column('reason'),
  }),
  PlanCost: personView({
    weekly: money('weekly_pence'),
    yearly: money('yearly_pence'),
    once: money('once_pence'),
  }),
  Concern: personView(
    {
      lineKey: column('line_key'),
      text: column('text'),
      raisedBy: column('raised_by'),
      raisedAt: instant('raised_at'),
      answer: column('answer'),
      answeredBy: column('answered_by'),
      answeredAt: instant('answered_at'),
    },
    { prefix: concernPrefix, table: 'concern', side: 'PLAN' },
  ),
  SignOff: personView({
    party: column('party'),
    agrees: column('agrees'),
    tests: column('tests'),
    words: column('words'),
    name: column('name'),
    organisation: organisation(),
    actingAs: column('acting_as'),
    planVersion: column('plan_version'),
    signedAt: instant('signed_at'),
    withdrawnAt: instant('withdrawn_at'),
  }),
  PlanChange: personView({
    version: column('version'),
    what: column('what'),
    role: column('role'),
    organisation: one(
      'Organisation',
      ({ parent }) => `select * from organisation where ods_code = ${parent}.organisation`,
    ),
    at: instant('at'),
  }),
};

/** What of the same plan a line names by its keys. */
const tied = (at: At, table: string, keys: string, order: string) =>
  `select t.* from ${rowsOf(table)(at)} t where t.plan_id = ${at.parent}.plan_id
    and t.person_id = ${at.parent}.person_id and t.key = any(${at.parent}.${keys}) order by ${order}`;
