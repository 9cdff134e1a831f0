/** How bulk files are read: by those of the organisation that sent them, for they tell of many people. */
import { maySeeBulk, ownOrganisation } from '../access/policy.ts';
import {
  type At,
  column,
  type Field,
  globalId,
  instant,
  latestFirst,
  money,
  organisation,
  plainView,
  type Views,
  value,
} from '../read/view.ts';
import { bulkFilePrefix } from './store.ts';

/** SQL: the file is of the viewer's own organisation. */
const maySee = (at: At, row: string) =>
  maySeeBulk(at.role) ? `${row}.organisation_id = ${ownOrganisation(at)}` : 'false';

const bulkFiles: Field = {
  is: 'connection',
  type: 'BulkFile',
  keys: latestFirst('recorded_at', 'timestamptz'),
  rows: (at) => `
    select f.* from bulk_file f
     where ${maySee(at, 'f')} and (f.recorded_at, f.id) < (${at.after[0]}, ${at.after[1]})
     order by f.recorded_at desc, f.id desc limit ${at.limit}`,
};

const problems: Field = {
  is: 'connection',
  type: 'BulkProblem',
  keys: [{ column: 'number', type: 'integer', first: '0' }],
  rows: ({ parent, after, limit }) => `
    select r.number, r.code, r.message from bulk_row r
     where r.file_id = ${parent}.id and r.code is not null and r.number > ${after[0]} order by r.number limit ${limit}`,
};

export const bulkViews: Views = {
  Query: { fields: { bulkFiles } },
  BulkFile: {
    person: null,
    node: {
      prefix: bulkFilePrefix,
      rows: (at, uuid) => `select f.* from bulk_file f where f.id = ${uuid} and ${maySee(at, 'f')}`,
    },
    fields: {
      id: globalId(bulkFilePrefix),
      organisation: organisation(),
      kind: column('kind'),
      format: column('format'),
      fileName: column('file_name'),
      status: column('status'),
      rows: column('rows'),
      good: column('good'),
      bad: column('bad'),
      applied: column('applied'),
      unchanged: column('unchanged'),
      amount: money('pence'),
      errorCode: column('error_code'),
      error: column('error'),
      sentAt: instant('recorded_at'),
      finishedAt: instant('finished_at'),
      problems,
      badRowsUrl: value(
        ({ parent }) =>
          `case when ${parent}.bad > 0 and ${parent}.status in ('CHECKED', 'DONE')
             then '/export/bulk-problems.csv?file=${bulkFilePrefix}_' || replace(${parent}.id::text, '-', '') end`,
      ),
    },
  },
  BulkProblem: plainView({ number: column('number'), code: column('code'), message: column('message') }),
};
