/** Asks the hub one operation at a time, with the types of `operations.graphql`. */
import { setTimeout as pause } from 'node:timers/promises';
import type { TypedDocumentString } from './generated.ts';

export interface Hub {
  url: string;
  token: () => Promise<string>;
  /** @throws HubError */
  ask<Data, Variables>(document: TypedDocumentString<Data, Variables>, variables: Variables): Promise<Data>;
}

/** What is wrong with the whole request. What can be mended in the input comes as `userErrors`, and is no HubError. */
export class HubError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(message: string, code: string, retryable: boolean) {
    super(message);
    this.code = code;
    this.retryable = retryable;
  }
}

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions: { code: string; retryable?: boolean } }[];
}

const attempts = 5;

export function openHub(url: string, token: () => Promise<string>): Hub {
  async function askOnce<Data>(query: string, variables: unknown): Promise<Data> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await token()}`,
        accept: 'application/graphql-response+json',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as Answer<Data>;
    const [error] = errors ?? [];
    if (error !== undefined) {
      throw new HubError(error.message, error.extensions.code, error.extensions.retryable === true);
    }
    return data!;
  }

  return {
    url,
    token,
    // A mutation may be sent again as it is, too: its idempotency key makes it happen once, however often it arrives.
    async ask(document, variables) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await askOnce(document.toString(), variables);
        } catch (error) {
          const isLost = !(error instanceof HubError);
          if (attempt === attempts || !(isLost || error.retryable)) throw error;
          await pause(200 * 2 ** attempt * (0.5 + Math.random()));
        }
      }
    },
  };
}
