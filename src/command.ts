/** How a command becomes a mutation: once for each idempotency key, in one transaction, audited. */
import { createHash } from 'node:crypto';
import type { GraphQLResolveInfo } from 'graphql';
import { type AuditEvent, writeEvents } from './audit/store.ts';
import type { Viewer } from './access/viewer.ts';
