/** A professional's concern about a plan: no veto in silence, but said, answered, and kept. */
import type { Viewer } from '../access/viewer.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, UserFault } from '../write/command.ts';
import { textOf } from '../write/subject.ts';
import { changePlan, type PlanResult, planChanged, takePlan } from './change.ts';
import { concernPrefix, planPrefix } from './view.ts';

interface ConcernResult extends PlanResult {
  concernId: string;
}

interface RaiseInput {
  idempotencyKey: string;
  planId: string;
  lineKey?: string | null;
  text: string;
}

export const raiseConcernCommand: Command<RaiseInput, ConcernResult> = {
  name: 'raiseConcern',
  run: async (context, { planId, lineKey = null, text }) => {
    const plan = await takePlan(context, { planId, at: ['DRAFT', 'PROPOSED'] });
    if (lineKey !== null && plan.lines.every(({ key }) => key !== lineKey)) {
      throw new UserFault('LINE_NOT_IN_PLAN', 'The plan has no line of that key.', 'lineKey');
    }
    const { id } = await context.tx.concern.create({
      data: {
        planId: plan.id,
        personId: plan.personId,
        lineKey,
        text: textOf(text, 'text'),
        raisedBy: nameOf(context.viewer),
        raisedAt: context.now,
      },
    });
    await changePlan(context, plan, ['CONCERN_RAISED']);
    const { result, personIds } = await planChanged(context, plan);
    return { result: { ...result, concernId: idOf(concernPrefix, id) }, personIds };
  },
};

interface AnswerInput {
  idempotencyKey: string;
  concernId: string;
  answer: string;
}

export const answerConcernCommand: Command<AnswerInput, ConcernResult> = {
  name: 'answerConcern',
  run: async (context, { concernId, answer }) => {
    const { tx, now, viewer } = context;
    const uuid = uuidOf(concernPrefix, concernId);
    const absent = new UserFault(
      'NOT_FOUND',
      'There is no such concern, or it is not yours to see.',
      'concernId',
    );
    const found = uuid === null ? null : await tx.concern.findFirst({ where: { id: uuid } });
    if (found === null) throw absent;
    const plan = await takePlan(context, {
      planId: idOf(planPrefix, found.planId),
      at: ['DRAFT', 'PROPOSED'],
    }).catch((fault: unknown) => {
      // Whoever may not see the plan learns nothing of its concerns.
      throw fault instanceof UserFault && fault.code === 'NOT_FOUND' ? absent : fault;
    });
    const { count } = await tx.concern.updateMany({
      where: { id: found.id, answeredAt: null },
      data: { answer: textOf(answer, 'answer'), answeredBy: nameOf(viewer), answeredAt: now },
    });
    if (count === 0) {
      throw new UserFault('CONCERN_ANSWERED', 'It was answered already, and an answer stays.', 'concernId');
    }
    await changePlan(context, plan, ['CONCERN_ANSWERED']);
    const { result, personIds } = await planChanged(context, plan);
    return { result: { ...result, concernId }, personIds };
  },
};

/** As the plan shows who said it: their name if the sign-in gives one, and as what they spoke. */
function nameOf({ name, role, organisation }: Viewer): string {
  const part = `${role.toLowerCase().replaceAll('_', ' ')}, ${organisation}`;
  return name === null ? part : `${name} (${part})`;
}
