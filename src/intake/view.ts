/** How sync runs and waiting rows are read. Neither holds personal data; both are the business of those who run the hub. */
import { maySeeSync } from '../access/policy.ts';
import {
  type At,
  column,
  globalId,
  instant,
  latestFirst,
  one,
  organisation,
  plainView,
  type Views,
} from '../read/view.ts';

const source = one(
  'SourceSystem',
  ({ parent }) => `select * from source_system where id = ${parent}.source_id`,
);

const ifMaySee = (at: At) => maySeeSync(at.role, at);

export const intakeViews: Views = {
  Query: {
    fields: {
      syncRuns: {
        is: 'connection',
        type: 'SyncRun',
        keys: latestFirst('started_at', 'timestamptz'),
        rows: (at) => `select * from sync_run
          where ${ifMaySee(at)} and (started_at, id) < (${at.after[0]}, ${at.after[1]})
          order by started_at desc, id desc limit ${at.limit}`,
      },
      waitingRows: {
        is: 'connection',
        type: 'WaitingRow',
        keys: [
          { column: 'received_at', type: 'timestamptz', first: 'infinity' },
          { column: 'row_key', type: 'text', first: '\u{10FFFF}' },
        ],
        rows: (at) => `select * from (
            select source_id, kind, external_id, state, place, code, field, found, advice, received_at, encode(sha256(convert_to(source_id::text || kind || external_id, 'UTF8')), 'hex') as row_key
              from source_row where state = 'WAITING') w
          where ${ifMaySee(at)} and (received_at, row_key) < (${at.after[0]}, ${at.after[1]})
          order by received_at desc, row_key desc limit ${at.limit}`,
      },
    },
  },
  SyncRun: {
    ...plainView({
      id: globalId('run'),
      source,
      status: column('status'),
      startedAt: instant('started_at'),
      finishedAt: instant('finished_at'),
      feed: column('feed'),
      expected: column('expected'),
      received: column('received'),
      created: column('created'),
      changed: column('changed'),
      unchanged: column('unchanged'),
      waiting: column('waiting'),
      errorCode: column('error_code'),
      error: column('error'),
    }),
    node: {
      prefix: 'run',
      rows: (at, uuid) => `select * from sync_run where id = ${uuid} and ${ifMaySee(at)}`,
    },
  },
  SourceSystem: {
    ...plainView({
      id: globalId('src'),
      code: column('code'),
      name: column('name'),
      side: column('side'),
      organisation: organisation(),
    }),
    node: {
      prefix: 'src',
      rows: (at, uuid) => `select * from source_system where id = ${uuid} and ${ifMaySee(at)}`,
    },
  },
  WaitingRow: plainView({
    source,
    place: column('place'),
    code: column('code'),
    field: column('field'),
    found: column('found'),
    advice: column('advice'),
    receivedAt: instant('received_at'),
  }),
};
