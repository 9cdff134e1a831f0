/** `npm start`: runs the hub, says what it does, and stops cleanly. `api` or `worker` as argument runs just that part. */
import { boot, type Parts } from './boot.ts';
import { type Environment, EnvironmentError, readEnvironment } from './platform/environment.ts';
import { Fault } from './platform/fault.ts';
import { preflight } from './preflight.ts';
import { watchSync } from './watch.ts';
import { sayHowToTry, tellDemoStory } from './welcome.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);

function giveUp(lines: string[]): never {
  process.stderr.write(`Tandem cannot start:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  process.exit(1);
}

function partsOf(argument: string | undefined): Parts {
  if (argument === undefined) return { api: true, worker: true };
  if (argument === 'api') return { api: true, worker: false };
  if (argument === 'worker') return { api: false, worker: true };
  return giveUp([`There is no part "${argument}": say api, worker, or nothing for both.`]);
}

function environmentOrGiveUp(): Environment {
  try {
    return readEnvironment(process.env);
  } catch (error) {
    if (error instanceof EnvironmentError) return giveUp(error.message.split('\n'));
    throw error;
  }
}

const startedAt = Date.now();
const seconds = () => ((Date.now() - startedAt) / 1000).toFixed(1);
const parts = partsOf(process.argv[2]);
const environment = environmentOrGiveUp();
const problems = await preflight(environment, parts);
if (problems.length > 0) giveUp(problems);

let running: Awaited<ReturnType<typeof boot>>;
try {
  running = await boot(environment, parts, say);
} catch (error) {
  if (error instanceof Fault) giveUp([error.message]);
  throw error;
}

/** One Ctrl-C may be heard twice: from the terminal, and from npm, which passes it on. */
const echoMs = 1_000;
let stoppingSince: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, async () => {
    if (stoppingSince !== undefined) {
      // The second time somebody is in a hurry.
      if (performance.now() - stoppingSince > echoMs) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    say('Stopping');
    await running.close();
    say('Stopped');
    process.exit(0);
  });
}

say(`Ready after ${seconds()} s${running.url === null ? '' : `: ${running.url}/graphql`}`);
const { demo, url, port, database } = running;
if (demo !== null && url !== null) {
  if (parts.worker) {
    say('Syncing from both systems');
    const sources = demo.sources.map(({ code }) => code);
    await watchSync(database.pool, { sources, since: new Date(startedAt), say, timeoutMs: 60_000 });
    say(`In sync after ${seconds()} s`);
  }
  const { oidcAudience: audience, dataDir } = environment;
  const signIn = { url, port, audience, dataDir, place: demo.place };
  if (parts.worker && (await tellDemoStory(signIn))) {
    say(`Agreed one plan and one budget for Iris Holloway, as both sides would, after ${seconds()} s`);
  }
  await sayHowToTry({ say, ...signIn });
}
