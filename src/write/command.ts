/**
 * How a command becomes a mutation: once for each idempotency key, in one transaction, audited in it. What the caller
 * can mend comes back as `userErrors`; then nothing was written.
 */
import { createHash } from 'node:crypto';
import { mayCommand } from '../access/policy.ts';
import { employment } from '../access/scope.ts';
import { needsStepUp, stepUpRequired } from '../access/step-up.ts';
import type { CommandName } from '../access/table.ts';
import type { Viewer } from '../access/viewer.ts';
import { type AuditEvent, eventsStatement } from '../audit/store.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { londonDay } from '../platform/day.ts';
import { Fault } from '../platform/fault.ts';
import type { Files } from '../platform/file.ts';

/** A command's own transaction, and who gave the command. */
export interface CommandContext {
  tx: Prisma.TransactionClient;
  viewer: Viewer;
  /** In Europe/London. */
  today: string;
  now: Date;
  files: Files;
}

export interface CommandTools {
  prisma: PrismaClient;
  files: Files;
  /** Of a person's sign-in, where not the usual. */
  stepUpMinutes?: number;
}

interface Asked {
  viewer: Viewer;
  requestId: string;
  now: () => Date;
  tools: CommandTools;
}

/** What the caller can mend: it comes back in the payload, on its field. */
export class UserFault extends Fault {
  readonly field: string | null;
  constructor(code: string, message: string, field: string | null = null) {
    super(code, message);
    this.field = field;
  }
}

/** Several things to mend at once, and what the payload shows beside them, such as the present state. */
export class Refused<Result extends object = object> extends Error {
  readonly faults: UserFault[];
  readonly shown: Partial<Result>;
  constructor(faults: UserFault[], shown: Partial<Result> = {}) {
    super(faults.map(({ code }) => code).join());
    this.faults = faults;
    this.shown = shown;
  }
}

interface Done<Result> {
  result: Result;
  /** The people whose records it touched. */
  personIds: string[];
  reason?: string;
}

export interface Command<Input, Result> {
  name: CommandName;
  /** Decides and writes. `result` is the payload, ids only; the rest is for the audit. */
  run: (context: CommandContext, input: Input) => Promise<Done<Result>>;
}

type Keyed = { idempotencyKey: string };

/** The resolver of a mutation with one `input`. */
export function mutation<Input extends Keyed, Result extends object>(command: Command<Input, Result>) {
  return async (_source: unknown, { input }: { input: Input }, asked: Asked) => {
    if (!mayCommand(asked.viewer.role, command.name)) {
      await record(asked.tools.prisma, command.name, 'REFUSED', asked);
      throw new Fault('FORBIDDEN', 'Your role may not do this.');
    }
    if (!(await isEmployed(asked.tools.prisma, asked.viewer))) {
      await record(asked.tools.prisma, command.name, 'REFUSED', asked);
      throw new Fault('FORBIDDEN', 'Your work for this organisation has ended.');
    }
    if (needsStepUp(command.name, asked.viewer, asked.now(), asked.tools.stepUpMinutes)) {
      await record(asked.tools.prisma, command.name, 'REFUSED', asked);
      throw stepUpRequired();
    }
    try {
      return { ...(await runOnce(command, input, asked)), userErrors: [] };
    } catch (error) {
      const refused = error instanceof UserFault ? new Refused([error]) : error;
      if (!(refused instanceof Refused)) throw error;
      const { faults, shown } = refused;
      await record(asked.tools.prisma, command.name, 'FAILED', asked);
      return { ...shown, userErrors: faults.map(({ code, message, field }) => ({ code, message, field })) };
    }
  };
}

async function isEmployed(prisma: PrismaClient, viewer: Viewer): Promise<boolean> {
  if (viewer.organisation === null) return true;
  const { text, values } = employment(viewer);
  return (await prisma.$queryRawUnsafe<unknown[]>(text, ...values)).length === 1;
}

async function runOnce<Input extends Keyed, Result extends object>(
  command: Command<Input, Result>,
  input: Input,
  asked: Asked,
): Promise<Result> {
  const { viewer, tools, now } = asked;
  const hash = createHash('sha256')
    .update(`${command.name} ${JSON.stringify(input)}`)
    .digest();
  const receipt = { clientId: viewer.subject, idempotencyKey: input.idempotencyKey };
  return tools.prisma.$transaction(async (tx) => {
    // Of two at once the second waits here until the first has committed, and then finds its answer.
    const { count } = await tx.commandReceipt.createMany({
      data: { ...receipt, command: command.name, inputHash: hash, result: {} },
      skipDuplicates: true,
    });
    const id = { clientId_idempotencyKey: receipt };
    if (count === 0) {
      const before = await tx.commandReceipt.findUniqueOrThrow({ where: id });
      if (hash.equals(before.inputHash)) return before.result as Result;
      throw new UserFault(
        'IDEMPOTENCY_KEY_REUSED',
        'This key was used for another request. Make a new one for each thing you do.',
        'idempotencyKey',
      );
    }
    const at = now();
    const context = { tx, viewer, now: at, today: londonDay(at), files: tools.files };
    const { result, ...touched } = await command.run(context, input);
    await tx.commandReceipt.update({ where: id, data: { result: result as Prisma.InputJsonObject } });
    await record(tx, command.name, 'DONE', asked, touched);
    return result;
  });
}

async function record(
  tx: Pick<Prisma.TransactionClient, '$executeRawUnsafe'>,
  object: string,
  outcome: AuditEvent['outcome'],
  { viewer, requestId, now }: Asked,
  touched: Pick<AuditEvent, 'personIds' | 'reason'> = { personIds: [] },
) {
  const { text, values } = eventsStatement([
    { at: now(), requestId, viewer, action: 'CHANGE', object, outcome, ...touched },
  ]);
  await tx.$executeRawUnsafe(text, ...values);
}
