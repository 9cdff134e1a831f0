import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { keepQueued } from './byproduct.ts';

/** A database of one's own, migrated and empty; `drop` it when done. */
export async function makeDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  return copyOf('template');
}

/** A copy of the demo place, synced from both of its systems. */
export async function makeDemoDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  return copyOf('demo');
}

/** The same without a single table. */
export async function makeEmptyDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  return copyOf(null);
}

async function copyOf(source: string | null): Promise<{ url: string; drop: () => Promise<void> }> {
  const { url: server, prefix } = inject('postgres');
  const name = prefix + randomBytes(6).toString('hex');
  await asOwner(server, `create database ${name} ${source ? `template ${prefix}${source}` : ''}`);
  const url = new URL(server);
  url.pathname = name;
  return {
    url: url.href,
    async drop() {
      await keepQueued(url.href);
      await dropDatabase(server, name);
    },
  };
}

/** PostgreSQL's own vacuum may be at work in it, which nobody but a superuser may end: it is done in a moment. */
async function dropDatabase(server: string, name: string): Promise<void> {
  for (let left = 50; ; left--) {
    try {
      await asOwner(server, `drop database ${name} with (force)`);
      return;
    } catch (error) {
      if (left === 0 || (error as { code?: string }).code !== '42501') throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Runs a statement as the owner of the tables, whose role the hub never takes: for what breaks something on purpose. */
export async function asOwner(url: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client.query(statement).finally(() => client.end());
}
