/** Asking a source for its news now. The queue hears of it from the outbox, like of everything else. */
import type pg from 'pg';
import { idOf } from '../platform/id.ts';
import { type Command, UserFault } from '../write/command.ts';

const announce = `
  insert into outbox (topic, payload) select 'sync.requested', jsonb_build_object('sourceId', id)
    from source_system where code = any($1::text[]) or cardinality($1::text[]) = 0`;

/** Asks these sources, or all; gives the codes of those that were asked. */
export async function askForSync(pool: pg.Pool, codes: string[]): Promise<string[]> {
  const { rows } = await pool.query<{ code: string }>(
    `with asked as (${announce} returning (payload ->> 'sourceId')::uuid as id)
     select s.code from asked join source_system s using (id) order by s.code`,
    [codes],
  );
  return rows.map(({ code }) => code);
}

export const requestSync: Command<{ idempotencyKey: string; sourceCode: string }, { sourceId: string }> = {
  name: 'requestSync',
  run: async ({ tx }, { sourceCode }) => {
    const source = await tx.sourceSystem.findUnique({ where: { code: sourceCode }, select: { id: true } });
    if (source === null) {
      throw new UserFault(
        'SOURCE_NOT_KNOWN',
        'There is no source of that code. Query syncRuns shows them.',
        'sourceCode',
      );
    }
    await tx.outbox.create({ data: { topic: 'sync.requested', payload: { sourceId: source.id } } });
    return { result: { sourceId: idOf('src', source.id) }, personIds: [] };
  },
};
