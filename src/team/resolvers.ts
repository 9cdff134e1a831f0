import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import {
  delegateTaskCommand,
  signOffCompetencyCommand,
  withdrawCompetencyCommand,
} from './competency-command.ts';
import { recordHoursCommand } from './hours-command.ts';
import { cancelAbsenceCommand, planWeekCommand, recordAbsenceCommand } from './rota-command.ts';
import {
  addWorkerCommand,
  correctWorkerCommand,
  endContractCommand,
  recordWorkerDocumentCommand,
  setContractCommand,
} from './worker-command.ts';

const worker = { worker: readById('workerId') };
const absence = { absence: readById('absenceId') };

export const teamResolvers = {
  Mutation: {
    addWorker: mutation(addWorkerCommand),
    correctWorker: mutation(correctWorkerCommand),
    setContract: mutation(setContractCommand),
    endContract: mutation(endContractCommand),
    recordWorkerDocument: mutation(recordWorkerDocumentCommand),
    delegateTask: mutation(delegateTaskCommand),
    signOffCompetency: mutation(signOffCompetencyCommand),
    withdrawCompetency: mutation(withdrawCompetencyCommand),
    planWeek: mutation(planWeekCommand),
    recordAbsence: mutation(recordAbsenceCommand),
    cancelAbsence: mutation(cancelAbsenceCommand),
    recordHours: mutation(recordHoursCommand),
  },
  AddWorkerPayload: worker,
  CorrectWorkerPayload: worker,
  SetContractPayload: worker,
  EndContractPayload: worker,
  RecordWorkerDocumentPayload: worker,
  DelegateTaskPayload: { task: readById('taskId') },
  SignOffCompetencyPayload: worker,
  WithdrawCompetencyPayload: worker,
  PlanWeekPayload: { rotaWeek: readById('rotaWeekId') },
  RecordAbsencePayload: absence,
  CancelAbsencePayload: absence,
  RecordHoursPayload: { timesheet: readById('timesheetId') },
};
