/** What a team is paid for a period, as a file for a payroll: one line for each thing somebody is paid for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Express } from 'express';
import { readAs } from '../access/holder.ts';
import { visiblePeople } from '../access/scope.ts';
import { accountForFile } from '../audit/file.ts';
import type { PayFrequency } from '../generated/prisma/enums.ts';
import { personPrefix } from '../person/view.ts';
import { csvHeaders, csvLine } from '../platform/cell.ts';
import { transaction } from '../platform/database.ts';
import { londonDay } from '../platform/day.ts';
import { Fault } from '../platform/fault.ts';
import { uuidOf } from '../platform/id.ts';
import { moneyOf } from '../platform/money.ts';
import { payFacts } from '../team/facts.ts';
import { type PayFacts, payOfTeam } from '../team/pay-rules.ts';
import { type ExportOptions, isDay } from './export.ts';

const heading = ['employee ref', 'name', 'pay element', 'hours', 'rate', 'amount'];

const frequencies = ['WEEKLY', 'FOUR_WEEKLY', 'MONTHLY'] satisfies PayFrequency[];

const facts = `select ${payFacts({ personId: '$1::uuid', from: '$2::date', frequency: '$3::text' })}::text as facts`;

/** Hours as payrolls have them, to four decimals: a minute is 0.0167. The amount is worked out from the minutes. */
const hoursOf = (minutes: number) => String(Number((minutes / 60).toFixed(4)));

/** The file, whole: a team is a handful of people. */
function payrollCsv(pay: PayFacts): string {
  const rows = payOfTeam(pay).flatMap(({ ref, name, lines }) =>
    lines.map(({ element, minutes, ratePence, pence }) => [
      ref,
      name,
      element,
      hoursOf(minutes),
      moneyOf(ratePence).amount,
      pence === null ? '' : moneyOf(pence).amount,
    ]),
  );
  return [heading, ...rows].map(csvLine).join('');
}

/** `/export/payroll.csv?person=<id>&from=<day>&frequency=WEEKLY`, for whoever reads the person's wages. */
export function addPayrollExport(app: Express, { pool, signIn, audit, now }: ExportOptions): void {
  app.get(
    '/export/payroll.csv',
    async (req: IncomingMessage & { originalUrl: string }, res: ServerResponse) => {
      const viewer = await signIn.viewerFrom(req.headers.authorization);
      const asked = new URL(req.originalUrl, 'http://hub').searchParams;
      const from = asked.get('from');
      const frequency = frequencies.find((often) => often === asked.get('frequency'));
      if (!isDay(from) || frequency === undefined) {
        const message = `Give "from" as YYYY-MM-DD, and "frequency" as one of ${frequencies.join(', ')}.`;
        throw new Fault('BAD_REQUEST', message);
      }
      const personId = uuidOf(personPrefix, asked.get('person'));
      const today = londonDay(now());
      const found = await transaction(pool, async (sql) => {
        await readAs(sql, viewer, today);
        const { text, values } = visiblePeople(viewer, today, personId === null ? [] : [personId], 'WAGES');
        if ((await sql.query(text, values)).rows.length === 0) return null;
        const { rows } = await sql.query<{ facts: string }>(facts, [personId, from, frequency]);
        return JSON.parse(rows[0]!.facts) as PayFacts;
      });
      const pay = await accountForFile({ audit, now, req, res, viewer, object: 'payroll' }, found, () => [
        personId!,
      ]);
      const csv = payrollCsv(pay);
      res.writeHead(200, csvHeaders(`payroll-${pay.from}-${pay.to}.csv`));
      res.end(csv);
    },
  );
}
