/** Ending at once what a source or a token still says: a role on a record, and somebody's work for an organisation. */

import { personPrefix, rolePrefix } from '../person/view.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, UserFault } from '../write/command.ts';
import { announce, isVisibleRow, notFound, reasonOf, textOf } from '../write/subject.ts';

interface RoleInput {
  idempotencyKey: string;
  roleId: string;
  reason: string;
}

async function changeRole(context: CommandContext, input: RoleInput, suspend: boolean) {
  const { tx, viewer, now } = context;
  const reason = reasonOf(input.reason);
  const id = uuidOf(rolePrefix, input.roleId);
  const role = id === null ? null : await tx.roleOnRecord.findFirst({ where: { id } });
  if (role === null || !(await isVisibleRow(context, 'role_on_record', id))) throw notFound('roleId');
  const { personId, organisationId, individualNhsNumber, individualName } = role;
  // Whoever holds it may hold others here, by the word of another source: all of them go and come together.
  const holder =
    organisationId !== null
      ? { organisationId }
      : individualNhsNumber !== null
        ? { individualNhsNumber }
        : { individualName, organisationId: null, individualNhsNumber: null };
  const { count } = await tx.roleOnRecord.updateMany({
    where: { personId, ...holder, suspendedAt: suspend ? null : { not: null } },
    data: suspend
      ? { suspendedAt: now, suspendedBy: viewer.subject, suspendedFor: reason }
      : { suspendedAt: null, suspendedBy: null, suspendedFor: null },
  });
  if (count === 0) {
    const message = suspend ? 'It is suspended already.' : 'It is not suspended.';
    throw new UserFault('WRONG_STAGE', message, 'roleId');
  }
  await announce(context, 'role.changed', [personId]);
  return { result: { personId: idOf(personPrefix, personId) }, personIds: [personId], reason };
}

export const suspendRoleCommand: Command<RoleInput, { personId: string }> = {
  name: 'suspendRole',
  run: (context, input) => changeRole(context, input, true),
};

export const resumeRoleCommand: Command<RoleInput, { personId: string }> = {
  name: 'resumeRole',
  run: (context, input) => changeRole(context, input, false),
};

interface EmploymentInput {
  idempotencyKey: string;
  organisationCode: string;
  subject: string;
  reason: string;
}

async function employer({ tx, viewer }: CommandContext, code: string): Promise<string> {
  const found = await tx.organisation.findUnique({ where: { odsCode: code } });
  // Whoever speaks for an organisation ends its own people's work alone.
  if (found === null || (viewer.organisation !== null && viewer.organisation !== code)) {
    throw notFound('organisationCode');
  }
  return found.id;
}

export const endEmploymentCommand: Command<EmploymentInput, object> = {
  name: 'endEmployment',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const reason = reasonOf(input.reason);
    const subject = textOf(input.subject, 'subject', 500);
    const organisationId = await employer(context, input.organisationCode);
    await tx.employmentEnd.createMany({
      data: { organisationId, subject, endedAt: now, endedBy: viewer.subject, reason },
      skipDuplicates: true,
    });
    return { result: {}, personIds: [], reason };
  },
};

export const restoreEmploymentCommand: Command<EmploymentInput, object> = {
  name: 'restoreEmployment',
  run: async (context, input) => {
    const reason = reasonOf(input.reason);
    const subject = textOf(input.subject, 'subject', 500);
    const organisationId = await employer(context, input.organisationCode);
    const { count } = await context.tx.employmentEnd.deleteMany({ where: { organisationId, subject } });
    if (count === 0) throw new UserFault('WRONG_STAGE', 'Their work for it was not ended here.', 'subject');
    return { result: {}, personIds: [], reason };
  },
};
