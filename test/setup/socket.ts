import { createClient, TerminatedCloseEvent } from 'graphql-ws';
import type { JWTPayload } from 'jose';
import { afterEach } from 'vitest';
import WebSocket from 'ws';
import { type Answer, coordinator, type TestHub } from './hub.ts';
import type { twoHubs } from './stream.ts';
import { until } from './until.ts';

/** What a subscription over WebSocket is told: a change, or the errors that end it. */
export type Told = Answer;

export interface Subscription {
  /** The next that it is told, or null when it is over. Rejects with the close event where the connection is gone. */
  next(): Promise<Told | null>;
  /** Wants no more. */
  leave(): Promise<void>;
}

export interface TestSocket {
  subscribe(query: string, variables?: Record<string, unknown>): Subscription;
  /** How the connection ended. */
  closed: Promise<{ code: number; reason: string }>;
  leave(): void;
}

interface Opening {
  claims?: JWTPayload;
  token?: string;
  headers?: Record<string, string>;
}

export const addressOf = ({ hub: { port } }: { hub: { port: number } }) => `ws://127.0.0.1:${port}/graphql`;

/** Opens a connection as a machine does, by graphql-ws's own client. */
export async function openSocket(
  kit: { hub: { port: number }; issuer: TestHub['issuer'] },
  { claims = coordinator, token, headers = {} }: Opening = {},
): Promise<TestSocket> {
  const authorization = `Bearer ${token ?? (await kit.issuer.token(claims))}`;
  let end!: (event: { code: number; reason: string }) => void;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    end = resolve;
  });
  const client = createClient({
    url: addressOf(kit),
    webSocketImpl: class extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol, { headers });
      }
    },
    lazy: false,
    connectionParams: { authorization },
    retryAttempts: 0,
    onNonLazyError: () => {},
    on: { closed: (event) => end(event as { code: number; reason: string }) },
  });
  return {
    closed,
    subscribe(query, variables = {}) {
      const told = client.iterate<Record<string, unknown>>({ query, variables });
      return {
        async next() {
          try {
            const { value, done } = await told.next();
            return done ? null : (value as Told);
          } catch (error) {
            if (Array.isArray(error)) return { errors: error };
            if (error instanceof TerminatedCloseEvent) return null;
            throw error;
          }
        },
        leave: async () => void (await told.return?.()),
      };
    },
    leave: () => client.terminate(),
  };
}

/** A bare connection, for what no client does; with all messages that came. */
export async function openBare(address: string, protocol: string | string[] = 'graphql-transport-ws') {
  const socket = new WebSocket(address, protocol);
  const messages: { type: string; id?: string; payload?: unknown }[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('error', () => {});
  return { socket, messages, closed, send: (message: object) => socket.send(JSON.stringify(message)) };
}

/** Streams that are open at a hub. */
export const streamsAt = async ({ hub }: TestHub): Promise<number> =>
  Number(/^tandem_live_streams (\d+)$/m.exec(await (await fetch(`${hub.url}/metrics`)).text())![1]);

/** For the tests of a file: connections that are left, and their streams over, when a test is. */
export function socketsAt(hubs: Pick<ReturnType<typeof twoHubs>, 'here' | 'there'>) {
  const opened: TestSocket[] = [];
  afterEach(async () => {
    for (const socket of opened.splice(0)) socket.leave();
    for (const kit of [hubs.here, hubs.there]) await until(async () => (await streamsAt(kit)) === 0);
  });
  return async (kit: Parameters<typeof openSocket>[0], opening: Opening = {}) => {
    const socket = await openSocket(kit, opening);
    opened.push(socket);
    return socket;
  };
}

/** Subscribes, and waits until the hub tells what happens from then on. */
export async function following(
  kit: TestHub,
  socket: TestSocket,
  query: string,
  variables = {},
): Promise<Subscription> {
  const before = await streamsAt(kit);
  const subscription = socket.subscribe(query, variables);
  let first: Promise<Told | null> | null = subscription.next();
  await until(async () => (await streamsAt(kit)) > before);
  return {
    next() {
      const told = first ?? subscription.next();
      first = null;
      return told;
    },
    leave: subscription.leave,
  };
}

export const changeOf = async (subscription: Subscription) => (await subscription.next())!.data.changes;
export const codeOf = async (subscription: Subscription) =>
  (await subscription.next())!.errors![0]!.extensions.code;
