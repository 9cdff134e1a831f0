/** Reads the work list, records a week, sends a file of many rows, and follows what happens until it is stopped. `README.md` says how to run it. */
import { readFile, writeFile } from 'node:fs/promises';
import { sendBulkFile } from './bulk.ts';
import { follow } from './follow.ts';
import { openHub } from './hub.ts';
import { openSignIn } from './sign-in.ts';
import { type Purchase, recordWeek } from './week.ts';
import { readWorkList } from './work-list.ts';

const { HUB_URL = 'http://localhost:4000', CLIENT_ID = 'harbour', CLIENT_KEY = 'harbour.pem' } = process.env;
const { PUBLIC_URL = HUB_URL, WEEK = 'week.json', PLACE = '.last-change', BULK } = process.env;

const signIn = { hubUrl: HUB_URL, publicUrl: PUBLIC_URL, clientId: CLIENT_ID, keyFile: CLIENT_KEY };
const hub = openHub(HUB_URL, await openSignIn(signIn));

const families = await readWorkList(hub);
const due = families.flatMap(({ returnsDue }) => returnsDue);
console.log(`${families.length} people, ${due.length} returns to send`);

const week = JSON.parse(await readFile(WEEK, 'utf8')) as Purchase[];
for (const { purchase, state, problems } of await recordWeek(hub, families, week)) {
  console.log(`${purchase.spentOn} ${purchase.what}: ${state ?? 'not recorded'}`);
  for (const { code, message } of problems) console.log(`  ${code}: ${message}`);
}

if (BULK !== undefined) {
  const done = await sendBulkFile(hub, {
    path: BULK,
    mayApply: ({ bad }) => bad === 0,
    onProgress: ({ status, rows, good, bad, applied }) =>
      console.log(`${status}: ${rows} rows, ${good} good, ${bad} bad, ${applied} recorded`),
  });
  if (done.badRowsUrl !== null) console.log(`to be mended: ${done.badRowsUrl}`);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
console.log('following');
await follow(hub, {
  after: await readFile(PLACE, 'utf8').catch(() => null),
  async onChange({ id, topic, at }) {
    console.log(`${at} ${topic}`);
    // Behind what it stands for: a change that was not dealt with comes again.
    await writeFile(PLACE, id);
  },
  signal: stop.signal,
});
