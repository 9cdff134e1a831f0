/** Connections on which another protocol than HTTP is asked for. */
import type { EventEmitter } from 'node:events';
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export const wantsSocket = ({ headers }: IncomingMessage): boolean =>
  /^websocket$/i.test(headers.upgrade ?? '');

/**
 * Goes on as if no other protocol had been offered: some clients offer HTTP/2 with each request, and may be answered as if
 * they had not (RFC 9110 §7.8).
 */
export function withoutUpgrade(
  server: EventEmitter,
  req: IncomingMessage,
  connection: Duplex,
  head: Buffer,
): void {
  const { method, url, httpVersion, rawHeaders } = req;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let n = 0; n < rawHeaders.length; n += 2) {
    if (!/^upgrade$/i.test(rawHeaders[n]!)) lines.push(`${rawHeaders[n]}: ${rawHeaders[n + 1]}`);
  }
  connection.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', connection);
}

/** For an answer in HTTP, after which the connection ends. */
export function lastResponse(req: IncomingMessage, connection: Duplex): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(connection as Socket);
  connection.on('error', () => {});
  res.once('finish', () => connection.end());
  return res;
}
