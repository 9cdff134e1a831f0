/** A database of a measurement's own, in the cluster that is there; gone when the work is done. */
import pg from 'pg';
import { migrate } from '../../prisma/migrate.ts';

export async function withOwnDatabase<T>(
  url: string,
  name: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const own = new URL(url);
  own.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const drop = () => client.query(`drop database if exists ${name} with (force)`);
  try {
    await drop();
    await client.query(`create database ${name}`);
    await migrate(own.href);
    return await work(own.href);
  } finally {
    await drop();
    await client.end();
  }
}
