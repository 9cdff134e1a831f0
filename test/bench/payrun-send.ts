/** Sends what is due in payment runs, and confirms each, at the hub's door as a finance team's system would. */
import { randomUUID } from 'node:crypto';
import { icb } from './data.ts';
import type { Bench } from './money.ts';

interface Payload {
  run: { id: string; count: number } | null;
  userErrors: { code: string; message: string }[];
}

/** Runs that are confirmed beside each other. */
const runsAtOnce = 2;

/** The payload, or null when nothing is due any more. */
async function once({ ask }: Bench, name: string, input: object): Promise<Payload['run']> {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const data = await ask<Record<string, Payload>>(
    `mutation ($input: ${type}!) { ${name}(input: $input) { run { id count } userErrors { code message } } }`,
    { input: { idempotencyKey: randomUUID(), ...input } },
  );
  const { run, userErrors } = data[name]!;
  const [first] = userErrors;
  if (first === undefined) return run;
  if (first.code === 'NOTHING_DUE') return null;
  throw new Error(`${name}: ${first.code} ${first.message}`);
}

/** The runs' ids, as many runs as it takes. */
export async function sendRuns(bench: Bench, dueOn: string): Promise<string[]> {
  const runs: string[] = [];
  for (;;) {
    const run = await once(bench, 'createPaymentRun', { organisationCode: icb, dueOn });
    if (run === null) return runs;
    runs.push(run.id);
  }
}

/** Confirms all payments of the runs as paid on a day; gives how many are in the ledger then. */
export async function confirmRuns(bench: Bench, runs: string[], paidOn: string): Promise<number> {
  const waiting = runs.values();
  const confirm = async () => {
    for (const runId of waiting) {
      while ((await once(bench, 'confirmPayments', { runId, paidOn })) !== null);
    }
  };
  await Promise.all(Array.from({ length: runsAtOnce }, confirm));
  const { rows } = await bench.client.query<{ paid: number; told: number }>(
    `select (select count(*)::int from ledger_transfer where external_id like 'payment/%') as paid,
            (select sum(count)::int from payment_run) as told`,
  );
  const { paid, told } = rows[0]!;
  if (paid !== told) throw new Error(`${told} payments were told to the bank, ${paid} are in the ledger`);
  return paid;
}
