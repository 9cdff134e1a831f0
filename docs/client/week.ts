/** Records what was spent in a week, each purchase once, however often this runs. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { AttachReceiptDocument, RecordSpendDocument, RequestUploadDocument } from './generated.ts';
import { type Hub, HubError } from './hub.ts';
import type { Family } from './work-list.ts';

/** A purchase as our own books have it. */
export interface Purchase {
  /**
   * A UUID for each thing done, made when the purchase was written down and kept with it: a program that is started again
   * sends the same keys, and the hub gives the answers it gave before.
   */
  keys: { spend: string; attach: string };
  nhsNumber: string;
  spentOn: string;
  /** Pounds and pence, such as "12.00". */
  amount: string;
  payee: string;
  what: string;
  /** A file. */
  receipt?: string;
}

export interface Outcome {
  purchase: Purchase;
  /** How the hub looks at it; undefined where it could not be recorded. */
  state: string | undefined;
  /** What somebody has to mend, in words and by code. */
  problems: { code: string; message: string }[];
}

type UserErrors = { code: string; message: string }[];

export async function recordWeek(hub: Hub, families: Family[], week: Purchase[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const purchase of week) {
    const family = families.find(({ nhsNumber }) => nhsNumber === purchase.nhsNumber);
    outcomes.push(await recordOne(hub, family, purchase));
  }
  return outcomes;
}

async function recordOne(hub: Hub, family: Family | undefined, purchase: Purchase): Promise<Outcome> {
  if (family?.pot === undefined) {
    const message = 'We operate no account for this person.';
    return { purchase, state: undefined, problems: [{ code: 'NO_POT', message }] };
  }
  const { keys, spentOn, amount, payee, what, receipt } = purchase;
  const { recordSpend } = await hub.ask(RecordSpendDocument, {
    input: { idempotencyKey: keys.spend, ...family.pot, spentOn, amount: { amount }, payee, what },
  });
  const { spend, userErrors } = recordSpend;
  if (spend === null) return { purchase, state: undefined, problems: userErrors };
  const problems =
    receipt === undefined ? [] : await sendReceipt(hub, family.personId, spend.id, purchase, receipt);
  return { purchase, state: spend.state, problems };
}

/** Asks for an address, sends the file there, and says what it shows. */
async function sendReceipt(
  hub: Hub,
  personId: string,
  spendId: string,
  { keys, spentOn }: Purchase,
  file: string,
): Promise<UserErrors> {
  const { requestEvidenceUpload: place } = await hub.ask(RequestUploadDocument, {
    input: {
      // A new address for each try: the same content is the same evidence, however often it is sent.
      idempotencyKey: crypto.randomUUID(),
      personId,
      kind: 'RECEIPT',
      fileName: basename(file),
      dated: spentOn,
    },
  });
  if (place.uploadUrl === null) return place.userErrors;
  // The address is the authority: no token. It takes one file.
  const response = await fetch(`${hub.url}${place.uploadUrl}`, {
    method: 'PUT',
    body: new Uint8Array(await readFile(file)),
  });
  const answer = (await response.json()) as {
    evidenceId: string;
    errors?: { message: string; extensions: { code: string; retryable: boolean } }[];
  };
  const [error] = answer.errors ?? [];
  if (error !== undefined) {
    if (error.extensions.retryable) throw new HubError(error.message, error.extensions.code, true);
    return [{ code: error.extensions.code, message: error.message }];
  }
  const { attachEvidence } = await hub.ask(AttachReceiptDocument, {
    input: { idempotencyKey: keys.attach, spendId, evidenceIds: [answer.evidenceId] },
  });
  return attachEvidence.userErrors;
}
