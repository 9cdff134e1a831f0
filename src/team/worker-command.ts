/** Who works for somebody, on what terms, and which of their papers were seen. */
import type { PayFrequency, WorkerDocumentKind } from '../generated/prisma/enums.ts';
import { agreedPlan } from '../plan/agreed.ts';
import { portionPrefix } from '../plan/view.ts';
import { addDays, dayOf } from '../platform/day.ts';
import { uuidOf } from '../platform/id.ts';
import { amountOf, lineOf } from '../spending/input.ts';
import { evidencePrefix } from '../spending/prefix.ts';
import { mustPay } from '../spending/subject.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { announce, expectVersion, isVisibleRow, type MoneyGiven, notFound } from '../write/subject.ts';
import { judgeRate } from './pay-rules.ts';
import {
  dayFault,
  keepWorker,
  type OpenWorker,
  openTeam,
  openWorker,
  type WorkerResult,
  workerResult,
} from './subject.ts';

const maxName = 200;
const maxRef = 40;

function birthDateOf(birthDate: string | null | undefined, today: string): Date | null {
  if (birthDate == null) return null;
  if (birthDate < today && birthDate >= '1900-01-01') return new Date(birthDate);
  throw dayFault('A day of birth is one that has been.', 'birthDate');
}

/** The next of PA1, PA2 and so on that nobody of the team has. */
function freeRef(team: { payrollRef: string }[]): string {
  const taken = new Set(team.map(({ payrollRef }) => payrollRef));
  let n = team.length + 1;
  while (taken.has(`PA${n}`)) n += 1;
  return `PA${n}`;
}

export const addWorkerCommand: Command<
  {
    idempotencyKey: string;
    personId: string;
    name: string;
    birthDate?: string | null;
    payrollRef?: string | null;
    portionId?: string | null;
  },
  WorkerResult
> = {
  name: 'addWorker',
  run: async (context, input) => {
    const { tx, today } = context;
    const personId = await openTeam(context, input.personId);
    const name = lineOf(input.name, 'name', maxName);
    const birthDate = birthDateOf(input.birthDate, today);
    const team = await tx.worker.findMany({ where: { personId }, select: { payrollRef: true } });
    const payrollRef = lineOf(input.payrollRef ?? freeRef(team), 'payrollRef', maxRef);
    if (team.some((worker) => worker.payrollRef === payrollRef)) {
      const message = 'Somebody of this team has that reference: give another.';
      throw new UserFault('PAYROLL_REF_TAKEN', message, 'payrollRef');
    }
    const portionId = input.portionId == null ? null : uuidOf(portionPrefix, input.portionId);
    if (input.portionId != null) {
      const seen = await isVisibleRow(context, 'portion', portionId);
      const portion = seen ? await tx.portion.findFirst({ where: { id: portionId!, personId } }) : null;
      if (portion === null) throw notFound('portionId');
      await mustPay(context, { ...portion, portionId }, 'portionId');
    }
    const worker = await tx.worker.create({
      data: { personId, name, birthDate, payrollRef, portionId },
      select: { id: true },
    });
    announce(context, 'team.changed', [personId]);
    return { result: workerResult(worker), personIds: [personId] };
  },
};

/** A reference may stand in a payroll by now, so that stays as it is. */
export const correctWorkerCommand: Command<
  {
    idempotencyKey: string;
    workerId: string;
    expectedVersion: number;
    name?: string | null;
    birthDate?: string | null;
  },
  WorkerResult
> = {
  name: 'correctWorker',
  run: async (context, input) => {
    const worker = await openWorker(context, input.workerId);
    const { id, personId } = worker;
    expectVersion(worker.version, input.expectedVersion, workerResult(worker));
    const name = input.name == null ? worker.name : lineOf(input.name, 'name', maxName);
    const birthDate = birthDateOf(input.birthDate, context.today) ?? worker.birthDate;
    await context.tx.worker.update({ where: { id_personId: { id, personId } }, data: { name, birthDate } });
    await keepWorker(context, worker);
    announce(context, 'team.changed', [personId]);
    return { result: workerResult(worker), personIds: [personId] };
  },
};

interface ContractInput {
  idempotencyKey: string;
  workerId: string;
  expectedVersion: number;
  from: string;
  to?: string | null;
  minutesPerWeek: number;
  hourlyRate: MoneyGiven;
  payFrequency: PayFrequency;
  lineKey?: string | null;
  irregularHours: boolean;
  pensionEnrolled: boolean;
}

const weekMinutes = 7 * 24 * 60;

/** Pence an hour, which must not be less than the law allows at the age that is known. */
function rateOf(input: ContractInput, worker: OpenWorker): bigint {
  const pence = amountOf(input.hourlyRate, 'hourlyRate');
  const birthDate = worker.birthDate === null ? null : dayOf(worker.birthDate);
  if (!judgeRate(pence, birthDate, input.from).includes('BELOW_MINIMUM_WAGE')) return pence;
  const message = 'This is below the minimum wage at their age on that day. Agree a higher rate.';
  throw new UserFault('WAGE_TOO_LOW', message, 'hourlyRate.amount');
}

/** Sees to it that the plan agreed for the first day has a line of that key. */
async function lineKeyOf({ tx }: CommandContext, input: ContractInput, personId: string) {
  if (input.lineKey == null) return null;
  const plan = await agreedPlan(tx, personId, input.from);
  if (plan?.lines.some(({ key }) => key === input.lineKey)) return input.lineKey;
  throw new UserFault('LINE_NOT_IN_PLAN', 'The plan agreed for that day has no line of that key.', 'lineKey');
}

export const setContractCommand: Command<ContractInput, WorkerResult> = {
  name: 'setContract',
  run: async (context, input) => {
    const { tx, viewer } = context;
    const worker = await openWorker(context, input.workerId);
    const { id: workerId, personId, contracts } = worker;
    const shown = workerResult(worker);
    expectVersion(worker.version, input.expectedVersion, shown);
    const { from, minutesPerWeek } = input;
    const before = contracts.at(-1);
    if (before !== undefined && from < dayOf(before.validFrom)) {
      const message = 'A contract begins no earlier than the one before it did.';
      throw new Refused([dayFault(message, 'from')], shown);
    }
    if (input.to != null && input.to < from) throw dayFault('"to" must not be before "from".', 'to');
    if (minutesPerWeek < 0 || minutesPerWeek > weekMinutes) {
      const message = `A week has 0 to ${weekMinutes} minutes.`;
      throw new UserFault('TIME_INVALID', message, 'minutesPerWeek');
    }
    const hourlyPence = rateOf(input, worker);
    const lineKey = await lineKeyOf(context, input, personId);
    if (before !== undefined && (before.validTo === null || dayOf(before.validTo) > from)) {
      const where = { id_personId: { id: before.id, personId } };
      await tx.contract.update({ where, data: { validTo: new Date(from) } });
    }
    await tx.contract.create({
      data: {
        workerId,
        personId,
        number: contracts.length + 1,
        validFrom: new Date(from),
        validTo: input.to == null ? null : new Date(addDays(input.to, 1)),
        minutesPerWeek,
        hourlyPence,
        payFrequency: input.payFrequency,
        lineKey,
        irregular: input.irregularHours,
        pension: input.pensionEnrolled,
        agreedBy: viewer.subject,
      },
    });
    await keepWorker(context, worker);
    announce(context, 'team.changed', [personId]);
    return { result: shown, personIds: [personId] };
  },
};

export const endContractCommand: Command<
  { idempotencyKey: string; workerId: string; expectedVersion: number; lastDay: string },
  WorkerResult
> = {
  name: 'endContract',
  run: async (context, input) => {
    const worker = await openWorker(context, input.workerId);
    const { personId, contracts } = worker;
    const shown = workerResult(worker);
    expectVersion(worker.version, input.expectedVersion, shown);
    const last = contracts.at(-1);
    const end = addDays(input.lastDay, 1);
    if (last === undefined || (last.validTo !== null && dayOf(last.validTo) < end)) {
      const message = 'No contract of theirs lasts until then.';
      throw new Refused([new UserFault('WRONG_STAGE', message, 'workerId')], shown);
    }
    if (end < dayOf(last.validFrom)) {
      const message = 'The last day must not be before the day before the contract began.';
      throw new Refused([dayFault(message, 'lastDay')], shown);
    }
    const where = { id_personId: { id: last.id, personId } };
    await context.tx.contract.update({ where, data: { validTo: new Date(end) } });
    await keepWorker(context, worker);
    announce(context, 'team.changed', [personId]);
    return { result: shown, personIds: [personId] };
  },
};

export const recordWorkerDocumentCommand: Command<
  {
    idempotencyKey: string;
    workerId: string;
    kind: WorkerDocumentKind;
    seenOn: string;
    expiresOn?: string | null;
    evidenceId?: string | null;
  },
  WorkerResult
> = {
  name: 'recordWorkerDocument',
  run: async (context, input) => {
    const { tx, viewer, today } = context;
    const worker = await openWorker(context, input.workerId);
    const { id: workerId, personId } = worker;
    const { kind, seenOn } = input;
    if (seenOn > today) throw dayFault('It was seen today or before.', 'seenOn');
    const expiresOn = input.expiresOn ?? null;
    if (expiresOn !== null && expiresOn < seenOn)
      throw dayFault('It cannot have expired before it was seen.', 'expiresOn');
    const evidenceId = input.evidenceId == null ? null : uuidOf(evidencePrefix, input.evidenceId);
    if (input.evidenceId != null) {
      const seen = await isVisibleRow(context, 'evidence', evidenceId);
      const evidence = seen ? await tx.evidence.findFirst({ where: { id: evidenceId!, personId } }) : null;
      if (evidence === null) throw notFound('evidenceId');
    }
    await tx.workerDocument.create({
      data: {
        workerId,
        personId,
        kind,
        seenOn: new Date(seenOn),
        expiresOn: expiresOn === null ? null : new Date(expiresOn),
        evidenceId,
        recordedBy: viewer.subject,
      },
    });
    await keepWorker(context, worker);
    announce(context, 'team.changed', [personId]);
    return { result: workerResult(worker), personIds: [personId] };
  },
};
