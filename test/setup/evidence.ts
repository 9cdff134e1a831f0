import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { JWTPayload } from 'jose';
import { founding, makePlace } from '../../src/demo/place.ts';
import { today } from './demo.ts';
import { coordinator, type TestHub } from './hub.ts';

export const place = makePlace({ today });
export const iris = place.people[founding.irisHolloway]!;
export const daniel = place.people[founding.danielOkafor]!;
export const carolForIris = {
  sub: 'carol',
  tandem_role: 'REPRESENTATIVE',
  nhs_number: iris.nhs!.related[0]!.nhsNumber,
};

const requestUpload = `mutation ($input: RequestEvidenceUploadInput!) {
  requestEvidenceUpload(input: $input) { uploadId uploadUrl expiresAt userErrors { code field } } }`;

/** What every test of evidence does: find somebody, ask for an upload, send, look at what is kept. */
export function evidenceKit(kit: TestHub) {
  const address = (path: string) => `http://127.0.0.1:${kit.hub.port}${path}`;

  async function personId(nhsNumber: string, claims: JWTPayload = coordinator): Promise<string> {
    return (await kit.ask(`{ person(nhsNumber: "${nhsNumber}") { id } }`, {}, claims)).data.person.id;
  }

  async function request(
    person: string,
    fileName: string,
    more: object = {},
    claims: JWTPayload = coordinator,
  ) {
    const input = { idempotencyKey: randomUUID(), personId: person, kind: 'RECEIPT', fileName, ...more };
    const { data, errors } = await kit.ask(requestUpload, { input }, claims);
    if (errors !== undefined) throw new Error(errors[0]!.message);
    return data.requestEvidenceUpload;
  }

  /** Sends a body to an address: the HTTP status beside the answer's JSON. */
  async function send(url: string, body: Buffer | string, init: RequestInit = {}) {
    const response = await fetch(address(url), {
      method: 'PUT',
      body: new Uint8Array(Buffer.from(body)),
      ...init,
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
    const answer = (await response.json()) as any;
    return {
      status: response.status,
      code: answer.errors?.[0]?.extensions.code as string | undefined,
      answer,
    };
  }

  /** Requests and sends in one. */
  async function upload(person: string, fileName: string, body: Buffer | string, more: object = {}) {
    const { uploadUrl } = await request(person, fileName, more);
    return { uploadUrl, ...(await send(uploadUrl, body)) };
  }

  async function count(table: 'evidence' | 'evidence_upload' | 'outbox', where = 'true'): Promise<number> {
    const { rows } = await kit.database.pool.query(`select count(*)::int as n from ${table} where ${where}`);
    return rows[0].n;
  }

  async function audited(): Promise<Record<string, unknown>> {
    const { rows } = await kit.database.pool.query(
      `select outcome, reason, role, organisation, cardinality(person_ids) as people from audit_event
        where object = 'uploadEvidence' order by id desc limit 1`,
    );
    return rows[0];
  }

  return { address, personId, request, send, upload, count, audited };
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
