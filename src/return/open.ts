/** Opening a return for those who give the money, all at once. */

import { policyRows } from '../commissioner/policy.ts';
import { personPrefix } from '../person/view.ts';
import { addDays } from '../platform/day.ts';
import { uuidOf } from '../platform/id.ts';
import { type Command, Refused, UserFault } from '../write/command.ts';
import { announce, visiblePerson } from '../write/subject.ts';
import { type Result, resultOf } from './subject.ts';

const maxReceivers = 10;

/** Who gives money to the person, of those that are named by code, and within how many days they want the evidence. */
const funders = `
select o.id::text as id, o.ods_code as code, min(p.evidence_due_days) as "dueDays"
  from organisation o
  join funding_line l on l.organisation_id = o.id and l.person_id = $1::uuid
  left join lateral (${policyRows('l.organisation_id', 'l.source', '$3::date')}) p on true
 where o.ods_code = any($2::text[]) group by o.id`;

export const openReturnCommand: Command<
  {
    idempotencyKey: string;
    personId: string;
    from: string;
    to: string;
    receivers: string[];
    dueOn?: string | null;
  },
  Result
> = {
  name: 'openReturn',
  run: async (context, input) => {
    const { tx, viewer } = context;
    const { from, to } = input;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId), 'personId', 'MONEY');
    if (to < from) throw new UserFault('DAY_INVALID', '"to" must not be before "from".', 'to');
    const codes = [...new Set(input.receivers)];
    if (codes.length < 1 || codes.length > maxReceivers)
      throw new UserFault('TOO_MANY', `Name 1 to ${maxReceivers} receivers.`, 'receivers');
    const found = await tx.$queryRawUnsafe<{ id: string; code: string; dueDays: number | null }[]>(
      funders,
      personId,
      codes,
      to,
    );
    const known = new Set(found.map((funder) => funder.code));
    const stranger = input.receivers.findIndex((code) => !known.has(code));
    if (stranger >= 0) {
      const message = 'A return goes to those who give the money: this organisation funds no budget here.';
      throw new UserFault('RECEIVER_NOT_FUNDER', message, `receivers.${stranger}`);
    }
    if (!codes.includes(viewer.organisation ?? ''))
      throw new UserFault('NOT_YOURS', 'Your own organisation must be one of the receivers.', 'receivers');
    const days = found.map(({ dueDays }) => dueDays).filter((due) => due !== null);
    const dueOn = input.dueOn ?? (days.length === 0 ? null : addDays(to, Math.min(...days)));
    if (dueOn === null || dueOn <= to) {
      const message = 'Say by when, after the last day: no policy of the receivers does.';
      throw new UserFault('DAY_INVALID', message, 'dueOn');
    }
    // Of two commissioners who open the same period, the second joins the return of the first.
    await tx.$queryRawUnsafe('select id from person where id = $1::uuid for no key update', personId);
    const period = { personId, periodFrom: new Date(from), periodTo: new Date(to) };
    const before = await tx.financialReturn.findFirst({ where: period, include: { receivers: true } });
    if (before !== null && before.status !== 'DUE') {
      const message = `There is a return of this period already; it is ${before.status}.`;
      throw new Refused([new UserFault('WRONG_STAGE', message, 'from')], resultOf(before));
    }
    const { id } =
      before ?? (await tx.financialReturn.create({ data: { ...period, dueOn: new Date(dueOn) } }));
    await tx.returnReceiver.createMany({
      data: found.map((receiver) => ({ returnId: id, personId, organisationId: receiver.id })),
      skipDuplicates: true,
    });
    await announce(context, 'return.changed', [personId]);
    return { result: resultOf({ id }), personIds: [personId] };
  },
};
