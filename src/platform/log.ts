import { pino } from 'pino';
import { Fault } from './fault.ts';

export type Log = pino.Logger;

/**
 * What may stand in the log beside the message: words and numbers that cannot tell of a person. Anything else that a
 * caller passes is left out, so a new key is a decision taken here.
 */
const known = new Set(
  `action address attempt attempts code count counts durationMs emergencyId event feed host job jobId kind method
   migration operation organisation outcome port queue reason requestId retryable route run role signal source status url version worker`.split(
    /\s+/,
  ),
);

/** JSON lines, or one short line each on a terminal. A message is a constant: what varies goes into the fields. */
export function openLog(
  level: string,
  stream: NodeJS.WritableStream & { isTTY?: boolean } = process.stdout,
): Log {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: allowed },
    // The parts are cut down by `allowed`; pino's own serializer would add the message of an error.
    serializers: { err: (error) => error },
    hooks: {
      // Left alone, pino takes the error's message for a log without one, and fills in values for %s.
      logMethod([first, message], method) {
        if (typeof first === 'string') method.call(this, first);
        else if (first instanceof Error) method.call(this, { err: first }, text(message));
        else method.call(this, first, text(message));
      },
    },
  };
  const log = pino(
    options,
    stream.isTTY ? { write: (line: string) => void stream.write(shortLine(line)) } : stream,
  );
  // The fields of a child do not pass through `formatters`. Children inherit this one.
  const child = log.child;
  log.child = function (this: Log, fields: pino.Bindings) {
    return child.call(this, allowed(fields));
  } as typeof log.child;
  return log;
}

const text = (message: unknown) => (typeof message === 'string' ? message : 'Failed');

function allowed(fields: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(fields).flatMap(([key, value]): [string, unknown][] => {
    if (key === 'err') return [[key, describeError(value)]];
    return known.has(key) && isPlain(value) ? [[key, typeof value === 'bigint' ? Number(value) : value]] : [];
  });
  return Object.fromEntries(kept);
}

/** A word, a number, or a table of numbers such as `counts`. */
function isPlain(value: unknown): boolean {
  if (value === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof value)) return true;
  return typeof value === 'object' && Object.values(value).every((part) => typeof part === 'number');
}

/**
 * Where and what class an error is. Its message only for a Fault: PostgreSQL, Prisma, JSON.parse and even a TypeError
 * quote the value that displeased them.
 */
function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code, table, constraint, syscall } = error as Error & Record<string, unknown>;
  const frames = error.stack?.split('\n').filter((line) => /^ {4}at /.test(line));
  return {
    name: error.name,
    ...Object.fromEntries(
      Object.entries({ code, table, constraint, syscall }).filter(([, part]) => typeof part === 'string'),
    ),
    ...(error instanceof Fault && { message: error.message }),
    frames: frames?.map((line) => line.trim()).slice(0, 12),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}

function shortLine(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line);
  const details = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  if (err)
    details.push([err.name, err.code, err.message, ...(err.frames ?? [])].filter(Boolean).join('\n    '));
  return `${time.slice(11, 19)} ${level === 'info' ? '' : `${level} `}${[msg, ...details].join('  ')}\n`;
}
