/**
 * Carries jobs between processes: on Redis where there is one, else on the hub's own PostgreSQL, in the schema
 * `bullmq`. A queue may be lost at any time; what is due is known from PostgreSQL. So a job carries ids only, may run
 * twice, and decides nothing.
 */
import {
  createPostgresBackend,
  DelayedError,
  type PgPool,
  Queue,
  type Job as QueuedJob,
  runMigrations,
  UnrecoverableError,
  Worker,
  withBackend,
} from 'bullmq';
import pg from 'pg';
import type { z } from 'zod';
import type { Log } from '../src/platform/log.ts';

export interface Job<Input = unknown, Output = unknown> {
  name: string;
  input: z.ZodType<Input>;
  output: z.ZodType<Output>;
}

export const defineJob = <Input, Output>(job: Job<Input, Output>): Job<Input, Output> => job;

export interface Attempt {
  /** When this job was due first. */
  askedAt: Date;
  /** If it fails now, it is not tried again. */
  last: boolean;
}

export interface Handler {
  job: Job;
  handle(input: unknown, attempt: Attempt): Promise<unknown>;
}

export function handleJob<Input, Output>(
  job: Job<Input, Output>,
  handle: (input: Input, attempt: Attempt) => Promise<Output>,
): Handler {
  return { job, handle: (input, attempt) => handle(job.input.parse(input), attempt) };
}

/** Puts the job off without counting the attempt. */
export class ComeBackLater extends Error {
  readonly afterMs: number;
  constructor(afterMs: number) {
    super('come back later');
    this.afterMs = afterMs;
  }
}

/** The only errors whose message the queue may keep: it names a class of fault, never a value. */
export class JobFault extends Error {}

export interface Retry {
  attempts: number;
  /** Before the second try; twice as long before each further one, and apart by chance. */
  backoffMs: number;
}

export interface JobQueue {
  add<Input>(job: Job<Input>, input: Input, retry?: Retry): Promise<void>;
  /** Runs the job every so often, from `startAt` or now on; does nothing where that is arranged already. */
  repeat<Input>(
    key: string,
    when: { everySeconds: number; startAt: Date | null },
    job: Job<Input>,
    input: Input,
  ): Promise<void>;
  work(handlers: Handler[], log: Log): Promise<{ close(): Promise<void> }>;
  /** The latest jobs that were given up, with the class of fault. */
  parked(): Promise<{ name: string; data: unknown; reason: string; failedAt: Date }[]>;
  close(): Promise<void>;
}

const name = 'tandem';

/** Five tries over half a minute. */
const usual: Retry = { attempts: 5, backoffMs: 2_000 };

// Finished jobs tell nothing that the runs do not; failed ones are kept for whoever looks for the reason.
const optionsFor = ({ attempts, backoffMs }: Retry) => ({
  attempts,
  backoff: { type: 'exponential', delay: backoffMs, jitter: 0.5 },
  removeOnComplete: { count: 100 },
  removeOnFail: { count: 1_000 },
});

// A dead worker's jobs go back to the others, however often that happens: taking a run up again costs nothing.
const workerOptions = {
  concurrency: 4,
  maxStalledCount: 1_000,
  stalledInterval: 15_000,
  maximumRateLimitDelay: 5_000,
};

/** The longest pause between two looks for a Redis that is away. */
const redisAgainMsMax = 2_000;

export async function openJobQueue({
  databaseUrl,
  redisUrl,
}: {
  databaseUrl: string;
  redisUrl: string | undefined;
}): Promise<JobQueue> {
  const backend = redisUrl === undefined ? await onPostgres(databaseUrl) : onRedis(redisUrl);
  const { queue } = backend;
  // Whoever adds a job hears of a failure by the rejection.
  queue.on('error', () => {});
  return {
    async add(job, input, retry = usual) {
      await queue.add(job.name, job.input.parse(input), optionsFor(retry));
    },
    async repeat(key, { everySeconds, startAt }, job, input) {
      const every = everySeconds * 1_000;
      if ((await queue.getJobScheduler(key))?.every === every) return;
      await queue.upsertJobScheduler(key, startAt === null ? { every } : { every, startDate: startAt }, {
        name: job.name,
        data: job.input.parse(input),
        opts: optionsFor(usual),
      });
    },
    async work(handlers, log) {
      const byName = new Map(handlers.map((handler) => [handler.job.name, handler]));
      const worker = backend.work((job, token) => runJob(byName.get(job.name), job, token, log));
      worker.on('error', (err: Error) => log.warn({ err, event: 'queue' }, 'the queue does not answer'));
      await worker.waitUntilReady();
      return { close: () => worker.close() };
    },
    async parked() {
      const jobs = await queue.getFailed(0, 99);
      return jobs.map(({ name, data, failedReason, finishedOn }) => {
        return { name, data, reason: failedReason ?? '', failedAt: new Date(finishedOn ?? 0) };
      });
    },
    async close() {
      await queue.close();
      await backend.close();
    },
  };
}

type Process = (job: QueuedJob, token?: string) => Promise<unknown>;

async function onPostgres(connectionString: string) {
  // BullMQ keeps one connection to listen on for each of its parts; its statements name no schema.
  const pool = new pg.Pool({
    connectionString,
    max: 8,
    keepAlive: true,
    options: '-c search_path=bullmq',
  });
  pool.on('error', () => {});
  const client = await pool.connect();
  try {
    await runMigrations(client);
  } finally {
    client.release();
  }
  const bullmq = withBackend(createPostgresBackend);
  // BullMQ describes the pool more narrowly than pg does.
  const connection = pool as unknown as PgPool;
  return {
    queue: new bullmq.Queue(name, { connection }),
    work: (process: Process) => new bullmq.Worker(name, process, { connection, ...workerOptions }),
    close: () => pool.end(),
  };
}

function onRedis(url: string) {
  // BullMQ's own pauses grow to 20 seconds: so long would be waited for a Redis that has been back for as long.
  const retryStrategy = (times: number) => Math.min(times * 200, redisAgainMsMax);
  const connection = { url, maxRetriesPerRequest: null, retryStrategy };
  return {
    queue: new Queue(name, { connection }),
    work: (process: Process) => new Worker(name, process, { connection, ...workerOptions }),
    close: async () => {},
  };
}

async function runJob(handler: Handler | undefined, job: QueuedJob, token: string | undefined, log: Log) {
  const about = { job: job.name, jobId: job.id, attempt: job.attemptsMade + 1 };
  if (!handler) throw new UnrecoverableError('JOB_UNKNOWN');
  const input = handler.job.input.safeParse(job.data);
  if (!input.success) throw new UnrecoverableError('JOB_DATA_INVALID');
  try {
    const output = await handler.handle(input.data, {
      askedAt: new Date(job.timestamp + (job.opts.delay ?? 0)),
      last: job.attemptsMade + 1 >= (job.opts.attempts ?? 1),
    });
    return handler.job.output.parse(output);
  } catch (error) {
    if (error instanceof ComeBackLater) {
      await job.moveToDelayed(Date.now() + error.afterMs, token);
      throw new DelayedError();
    }
    if (error instanceof JobFault) throw error;
    // What PostgreSQL says of an error may quote a row, and the queue keeps messages.
    log.error({ ...about, err: error }, 'job failed');
    throw new Error('UNEXPECTED');
  }
}
