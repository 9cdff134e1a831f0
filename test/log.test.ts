import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Fault } from '../src/platform/fault.ts';
import { openLog } from '../src/platform/log.ts';

function lines(write: (log: ReturnType<typeof openLog>) => void): Record<string, unknown>[] {
  const stream = new PassThrough();
  write(openLog('info', stream));
  return String(stream.read() ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('passes the keys it knows and drops every other', () => {
  const [line] = lines((log) =>
    log.info(
      { feed: 'cld', counts: { applied: 3 }, name: 'Amina', count: 2n, source: { name: 'Amina' } },
      'Page applied',
    ),
  );
  expect(line).toEqual({
    level: 'info',
    time: expect.any(String),
    feed: 'cld',
    counts: { applied: 3 },
    count: 2,
    msg: 'Page applied',
  });
});

test('holds a child to the same keys', () => {
  const [line] = lines((log) => log.child({ requestId: 'r1', nhsNumber: '9434765919' }).warn('Slow'));
  expect(line).toMatchObject({ requestId: 'r1', msg: 'Slow' });
  expect(line).not.toHaveProperty('nhsNumber');
});

test('tells where an error happened and never what it said', () => {
  const error = Object.assign(new Error('duplicate key: Amina'), {
    code: '23505',
    table: 'person',
    detail: 'Key (nhs_number)=(9434765919) already exists.',
    where: 'unnamed portal with parameters: $1 = Amina',
  });
  error.cause = new TypeError('Cannot read Amina');
  const all = lines((log) => {
    log.error(error);
    log.error({ err: error });
    log.error({ err: error, code: 'INTERNAL' }, 'Request failed %s', 'Amina');
  });
  expect(all).toHaveLength(3);
  expect(all[0]).toMatchObject({
    msg: 'Failed',
    err: { name: 'Error', code: '23505', table: 'person', cause: { name: 'TypeError' } },
  });
  expect(all[2]).toMatchObject({ msg: 'Request failed %s', code: 'INTERNAL' });
  expect((all[0]!.err as { frames: string[] }).frames[0]).toContain('log.test.ts');
  expect(JSON.stringify(all)).not.toMatch(/Amina|9434765919/);
});

test('shows the message of a Fault, which holds no personal data', () => {
  const [line] = lines((log) => log.error(new Fault('SCHEMA_NEWER', 'Start the newer version')));
  expect(line).toMatchObject({
    err: { name: 'Fault', code: 'SCHEMA_NEWER', message: 'Start the newer version' },
  });
});
