/**
 * How a command becomes a mutation: once for each idempotency key, in one transaction, audited in it. What the caller
 * can mend comes back as `userErrors`; then nothing was written.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
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
import { type Statements, statementsIn } from './statements.ts';

/** A command's own transaction, and who gave the command. */
export interface CommandContext<Tx extends Statements = Prisma.TransactionClient> {
  tx: Tx;
  viewer: Viewer;
  /** In Europe/London. */
  today: string;
  now: Date;
  files: Files;
  /** What happened, for whoever listens. `announce` adds to it, and it is written with the audit. */
  announced: { topic: string; personIds: string[] }[];
}

export interface CommandTools {
  prisma: PrismaClient;
  pool: pg.Pool;
  files: Files;
  /** Of a person's sign-in, where not the usual. */
  stepUpMinutes?: number;
}

interface Asked {
  viewer: Viewer;
  requestId: string;
  correlationId: string | null;
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
  /** Where it is more than a change. */
  action?: 'BREAK_GLASS';
}

export interface Command<Input, Result, Tx extends Statements = Prisma.TransactionClient> {
  name: CommandName;
  /** Decides and writes. `result` is the payload, ids only; the rest is for the audit. */
  run: (context: CommandContext<Tx>, input: Input) => Promise<Done<Result>>;
}

type Keyed = { idempotencyKey: string };

type Transact<Tx> = <T>(tools: CommandTools, work: (tx: Tx) => Promise<T>) => Promise<T>;

/** The resolver of a mutation with one `input`. */
export const mutation = <Input extends Keyed, Result extends object>(command: Command<Input, Result>) =>
  resolverOf(command, ({ prisma }, work) => prisma.$transaction(work));

/** The same for a command that is given many times a second, and made of statements alone. */
export const swiftMutation = <Input extends Keyed, Result extends object>(
  command: Command<Input, Result, Statements>,
) => resolverOf(command, ({ pool }, work) => statementsIn(pool, work), true);

function resolverOf<Input extends Keyed, Result extends object, Tx extends Statements>(
  command: Command<Input, Result, Tx>,
  transact: Transact<Tx>,
  // It asks for somebody's row, which nobody sees whose work has ended.
  isSwift = false,
) {
  return async (_source: unknown, { input }: { input: Input }, asked: Asked) => {
    if (!mayCommand(asked.viewer.role, command.name)) {
      await record(asked, { action: 'DENY', object: command.name, outcome: 'REFUSED' });
      throw new Fault('FORBIDDEN', 'Your role may not do this.');
    }
    if (!isSwift && !(await isAtWork(asked))) {
      await record(asked, { action: 'DENY', object: command.name, outcome: 'REFUSED' });
      throw new Fault('FORBIDDEN', 'Your work for this organisation has ended.');
    }
    if (needsStepUp(command.name, asked.viewer, asked.now(), asked.tools.stepUpMinutes)) {
      await record(asked, { action: 'DENY', object: command.name, outcome: 'REFUSED' });
      throw stepUpRequired();
    }
    try {
      const result = await transact(asked.tools, (tx) => runOnce(tx, command, input, asked));
      return { ...result, userErrors: [] };
    } catch (error) {
      const refused = error instanceof UserFault ? new Refused([error]) : error;
      if (!(refused instanceof Refused)) throw error;
      const { faults, shown } = refused;
      await record(asked, { action: 'CHANGE', object: command.name, outcome: 'FAILED' });
      return { ...shown, userErrors: faults.map(({ code, message, field }) => ({ code, message, field })) };
    }
  };
}

async function isAtWork({ viewer, tools }: Asked): Promise<boolean> {
  if (viewer.organisation === null) return true;
  const { text, values } = employment(viewer);
  return (await tools.pool.query(text, values)).rowCount === 1;
}

const takeKey = `
insert into command_receipt (client_id, idempotency_key, command, input_hash, result)
values ($1, $2::uuid, $3, decode($4, 'hex'), '{}')
on conflict (client_id, idempotency_key) do nothing`;

const answerBefore = `
select encode(input_hash, 'hex') as hash, result from command_receipt
 where client_id = $1 and idempotency_key = $2::uuid`;

async function runOnce<Input extends Keyed, Result extends object, Tx extends Statements>(
  tx: Tx,
  command: Command<Input, Result, Tx>,
  input: Input,
  asked: Asked,
): Promise<Result> {
  const { viewer, now } = asked;
  const hash = createHash('sha256')
    .update(`${command.name} ${JSON.stringify(input)}`)
    .digest('hex');
  const key = [viewer.subject, input.idempotencyKey];
  // Of two at once the second waits here until the first has committed, and then finds its answer.
  if ((await tx.$executeRawUnsafe(takeKey, ...key, command.name, hash)) === 0) {
    const [before] = await tx.$queryRawUnsafe<{ hash: string; result: Result }[]>(answerBefore, ...key);
    if (before!.hash === hash) return before!.result;
    throw new UserFault(
      'IDEMPOTENCY_KEY_REUSED',
      'This key was used for another request. Make a new one for each thing you do.',
      'idempotencyKey',
    );
  }
  const at = now();
  const announced: CommandContext['announced'] = [];
  const context = { tx, viewer, now: at, today: londonDay(at), files: asked.tools.files, announced };
  const { result, ...touched } = await command.run(context, input);
  const audit = eventsStatement([
    eventOf(asked, { action: 'CHANGE', object: command.name, outcome: 'DONE', ...touched }),
  ]);
  const written = [...audit.values, ...key, JSON.stringify(result)];
  if (announced.length === 0) await tx.$executeRawUnsafe(`with ${keepAnswer} ${audit.text}`, ...written);
  else {
    const events = announced.map(({ topic, personIds }) => ({ topic, payload: { personIds } }));
    const text = `with ${keepAnswer}, ${tellAll} ${audit.text}`;
    await tx.$executeRawUnsafe(text, ...written, JSON.stringify(events));
  }
  return result;
}

// The end of every command is one statement: `$1` is the audit's.
const keepAnswer = `
kept as (
  update command_receipt set result = $4::jsonb where client_id = $2 and idempotency_key = $3::uuid)`;

const tellAll = `
told as (
  insert into outbox (topic, payload)
  select topic, payload from json_to_recordset($5::json) as e(topic text, payload jsonb))`;

type Told = Pick<AuditEvent, 'action' | 'object' | 'outcome' | 'reason'> & { personIds?: string[] };

const eventOf = ({ viewer, requestId, correlationId, now }: Asked, told: Told): AuditEvent => ({
  at: now(),
  requestId,
  correlationId,
  viewer,
  personIds: [],
  ...told,
});

/** Accounts for what was not done. */
async function record(asked: Asked, told: Told): Promise<void> {
  const { text, values } = eventsStatement([eventOf(asked, told)]);
  await asked.tools.pool.query(text, values);
}
