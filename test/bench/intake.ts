/**
 * The intake as a process of its own: pages of 1,000 rows through `applyPage`, beside a bare COPY into a temporary
 * table and a merge of the same rows into the same tables, in turns on one database that begins empty.
 *
 * A block is ten pages, as a source would send them: 2,000 people, their 2,000 budgets and 6,000 payments. The peer
 * writes what the hub writes of them, each page in a transaction of its own too: people with identifier, link and role,
 * budgets with funding line and portion, payments with accounts, transfers and balances, and every row as it was
 * received. It does not match people by NHS number, look whether a row is new, keep a cursor, count, audit or announce.
 */
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { applyPage } from '../../src/intake/store.ts';
import type { Submission } from '../../src/intake/submission.ts';
import { openDatabase, transaction } from '../../src/platform/database.ts';
import { validNhsNumber } from './nhs-number.ts';

const [url, roundsGiven] = process.argv.slice(2) as [string, string];
const rounds = Number(roundsGiven);

const pageRows = 1_000;
const blockPeople = 2_000;
const paymentsEach = 3;

export interface IntakeFigures {
  rowsPerS: number;
  unchangedRowsPerS: number;
  copyMergeRowsPerS: number;
  rssMb: number;
  rssMbFirst: number;
}
