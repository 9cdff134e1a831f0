/** A cursor is good for one viewer in one list, as it was given. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoDatabase } from './setup/database.ts';
import { noon } from './setup/demo.ts';
import { coordinator, startTestHub, type TestHub } from './setup/hub.ts';

const cursorSecret = Buffer.alloc(32, 7);
let kit: TestHub;
let sibling: TestHub;
let stranger: TestHub;
beforeAll(async () => {
  const database = await makeDemoDatabase();
  const same = { now: noon, database: { url: database.url, drop: async () => {} } };
  kit = await startTestHub({ now: noon, database, cursorSecret });
  sibling = await startTestHub({ ...same, cursorSecret, issuer: kit.issuer });
  stranger = await startTestHub({ ...same, issuer: kit.issuer });
});
afterAll(async () => {
  await stranger.close();
  await sibling.close();
  await kit.close();
});

const list = `query ($after: String) { caseload(first: 3, after: $after) {
  nodes { id } edges { cursor } pageInfo { endCursor } } }`;
const runs =
  'query ($after: String) { syncRuns(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } }';

const pageOf = async (hub: TestHub, after: string | null, claims: object = coordinator, query = list) =>
  hub.ask(query, { after }, { ...claims });

describe('a cursor', () => {
  test('goes on behind its row, whichever process gave it', async () => {
    const { caseload } = (await pageOf(kit, null)).data;
    expect(caseload.edges[2].cursor).toBe(caseload.pageInfo.endCursor);
    const after = caseload.edges[0].cursor;
    for (const hub of [kit, sibling]) {
      const { data } = await pageOf(hub, after);
      expect(data.caseload.nodes.slice(0, 2)).toEqual(caseload.nodes.slice(1));
    }
  });

  test('of another viewer, another list, another secret, or changed by a bit, is none', async () => {
    const after: string = (await pageOf(kit, null)).data.caseload.pageInfo.endCursor;
    const colleague = { ...coordinator, sub: 'colleague' };
    const ofRuns: string = (await pageOf(kit, null, coordinator, runs)).data.syncRuns.pageInfo.endCursor;
    const bytes = Buffer.from(after, 'base64');
    const refused = async (given: string, claims: object = coordinator, hub = kit, query = list) => {
      const { errors, data } = await pageOf(hub, given, claims, query);
      expect(errors![0]!.extensions.code).toBe('CURSOR_INVALID');
      expect(data ?? null).toBeNull();
    };
    await refused(after, colleague);
    await refused(after, coordinator, stranger);
    await refused(ofRuns);
    await refused(after, coordinator, kit, runs);
    for (let bit = 0; bit < bytes.length * 8; bit += 13) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      await refused(changed.toString('base64'));
    }
    await refused(bytes.subarray(0, 16).toString('base64'));
    await refused(Buffer.from('["A","00000000-0000-0000-0000-000000000000"]').toString('base64'));
    await refused('');
  });
});
