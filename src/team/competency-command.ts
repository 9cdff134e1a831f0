/** Healthcare tasks that clinicians delegate, and who was found able to do them. By the care team alone. */
import { personPrefix } from '../person/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { lineOf } from '../spending/input.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import { announce, notFound, reasonOf, textOf, visiblePerson } from '../write/subject.ts';
import { dayFault, keepWorker, openWorker, type WorkerResult, workerResult } from './subject.ts';
import { taskPrefix } from './view.ts';

const maxName = 200;

export const delegateTaskCommand: Command<
  { idempotencyKey: string; personId: string; what: string; instructions: string; delegatedBy: string },
  { taskId: string }
> = {
  name: 'delegateTask',
  run: async (context, input) => {
    const { tx, viewer } = context;
    const personId = await visiblePerson(context, uuidOf(personPrefix, input.personId), 'personId', 'TEAM');
    const task = await tx.delegatedTask.create({
      data: {
        personId,
        what: lineOf(input.what, 'what', maxName),
        instructions: textOf(input.instructions, 'instructions'),
        delegatedBy: lineOf(input.delegatedBy, 'delegatedBy', maxName),
        recordedBy: viewer.subject,
      },
      select: { id: true },
    });
    announce(context, 'team.changed', [personId]);
    return { result: { taskId: idOf(taskPrefix, task.id) }, personIds: [personId] };
  },
};

/** A delegated task of the same person. @throws UserFault NOT_FOUND */
async function taskOf({ tx }: CommandContext, personId: string, taskId: string): Promise<string> {
  const id = uuidOf(taskPrefix, taskId);
  const task = id === null ? null : await tx.delegatedTask.findFirst({ where: { id, personId } });
  if (task === null) throw notFound('taskId');
  return task.id;
}

export const signOffCompetencyCommand: Command<
  {
    idempotencyKey: string;
    workerId: string;
    taskId: string;
    clinician: string;
    signedOffOn: string;
    expiresOn: string;
  },
  WorkerResult
> = {
  name: 'signOffCompetency',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const worker = await openWorker(context, input.workerId);
    const { id: workerId, personId } = worker;
    const taskId = await taskOf(context, personId, input.taskId);
    const { signedOffOn, expiresOn } = input;
    if (signedOffOn > today) throw dayFault('It was signed off today or before.', 'signedOffOn');
    if (expiresOn < signedOffOn)
      throw dayFault('It holds at least on the day it was signed off.', 'expiresOn');
    await tx.competency.create({
      data: {
        workerId,
        taskId,
        personId,
        clinician: lineOf(input.clinician, 'clinician', maxName),
        signedOffOn: new Date(signedOffOn),
        expiresOn: new Date(expiresOn),
        recordedBy: viewer.subject,
      },
    });
    await keepWorker(context, worker);
    announce(context, 'team.changed', [personId]);
    return { result: workerResult(worker), personIds: [personId] };
  },
};

/** What is withdrawn is withdrawn from today on: shifts from then on say so, and what was done before stays as it was. */
export const withdrawCompetencyCommand: Command<
  { idempotencyKey: string; workerId: string; taskId: string; reason: string },
  WorkerResult
> = {
  name: 'withdrawCompetency',
  run: async (context, input) => {
    const { tx, today } = context;
    const worker = await openWorker(context, input.workerId);
    const { id: workerId, personId } = worker;
    const taskId = await taskOf(context, personId, input.taskId);
    const reason = reasonOf(input.reason);
    const day = new Date(today);
    const { count } = await tx.competency.updateMany({
      where: { workerId, taskId, personId, withdrawnOn: null, expiresOn: { gte: day } },
      data: { withdrawnOn: day },
    });
    if (count === 0) {
      const message = 'They have no sign-off for that task that still holds.';
      throw new UserFault('WRONG_STAGE', message, 'taskId');
    }
    await keepWorker(context, worker);
    announce(context, 'team.changed', [personId]);
    return { result: workerResult(worker), personIds: [personId], reason };
  },
};
