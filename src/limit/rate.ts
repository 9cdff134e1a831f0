/**
 * Points counted over all processes, in Redis or PostgreSQL, for a minute at a time. A process takes them from the
 * store in blocks and gives them out of its own hand, so that a request hardly ever waits for the store; what it has
 * in hand when the minute ends is lost. More is never given out than there is.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import {
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
  RateLimiterRes,
  type RateLimiterStoreAbstract,
} from 'rate-limiter-flexible';
import type { Pipeline } from '../platform/pipeline.ts';
import { blockShare, localShare } from './rules.ts';

export interface Bucket {
  /** Takes the points, or says in how many milliseconds there will be more. */
  take(key: string, points: number): Promise<Taken | { waitMs: number }>;
  /** Points left, as far as this process knows. */
  available(key: string): number;
}

interface Taken {
  waitMs: null;
  /** What was taken and not used; below zero, what was used and not taken. In another minute it is worth nothing. */
  giveBack(points: number): void;
}

/** Where points are counted for all processes. */
export type Store = (name: string, points: number) => RateLimiterStoreAbstract;

interface BucketOptions {
  name: string;
  perMinute: number;
  store: Store;
  /** The store does not answer: until it does, this process gives out a small part of the limit by itself. */
  onFailure: (error: unknown) => void;
}

interface Hand {
  /** In hand. */
  left: number;
  /** In the store, when it was last heard of. */
  beyond: number;
  until: number;
  /** The store has no more in this minute. */
  isLast: boolean;
  taking: Promise<void> | null;
}

const duration = 60;
/** Whoever comes after so many others within a minute starts with an empty hand. */
const maxHands = 20_000;

export function openBucket({ name, perMinute, store, onFailure }: BucketOptions): Bucket {
  const shared = store(name, perMinute);
  const localPoints = Math.max(1, Math.floor(perMinute * localShare));
  const local = new RateLimiterMemory({ keyPrefix: name, points: localPoints, duration });
  const block = Math.max(1, Math.floor(perMinute * blockShare));
  const hands = new LRUCache<string, Hand>({ max: maxHands });

  function handOf(key: string): Hand {
    const found = hands.get(key);
    if (found !== undefined && Date.now() < found.until) return found;
    const made: Hand = {
      left: 0,
      beyond: perMinute,
      until: Date.now() + duration * 1000,
      isLast: false,
      taking: null,
    };
    hands.set(key, made);
    return made;
  }

  /** Takes `wanted` from the store, or what it has left. */
  async function refill(key: string, hand: Hand, wanted: number): Promise<void> {
    const asked = hashOf(key);
    let limit = perMinute;
    let told: RateLimiterRes;
    try {
      told = await consumed(shared.consume(asked, wanted));
    } catch (error) {
      onFailure(error);
      limit = localPoints;
      told = await consumed(local.consume(asked, wanted));
    }
    const granted = Math.max(0, Math.min(wanted, limit - (told.consumedPoints - wanted)));
    hand.left += granted;
    hand.beyond = Math.max(0, limit - told.consumedPoints);
    hand.until = Date.now() + told.msBeforeNext;
    hand.isLast = granted < wanted;
  }

  function takeMore(key: string, hand: Hand, points: number): Promise<void> {
    hand.taking ??= refill(key, hand, Math.max(points, block)).finally(() => {
      hand.taking = null;
    });
    return hand.taking;
  }

  return {
    async take(key, points) {
      let hand = handOf(key);
      while (hand.left < points) {
        if (hand.isLast) return { waitMs: Math.max(0, hand.until - Date.now()) };
        await takeMore(key, hand, points - hand.left);
        hand = handOf(key);
      }
      hand.left -= points;
      // Fetched before it is missed, so that the next need not wait.
      if (hand.left < block / 2 && !hand.isLast) void takeMore(key, hand, block);
      const taken = hand;
      return {
        waitMs: null,
        giveBack(points) {
          taken.left += points;
        },
      };
    },
    available(key) {
      const { left, beyond } = handOf(key);
      return Math.max(0, left + beyond);
    },
  };
}

/** The library fails where the limit is passed; what it fails with says as much as what it gives otherwise. */
const consumed = (asked: Promise<RateLimiterRes>) =>
  asked.catch((error: unknown) => {
    if (error instanceof RateLimiterRes) return error;
    throw error;
  });

/** Who somebody is stands in no other store than the hub's own. */
const hashOf = (key: string) => createHash('sha256').update(key).digest('base64url');

/** Counts in Redis, which is asked once and not waited for. */
export const redisStore =
  (client: Redis): Store =>
  (keyPrefix, points) =>
    new RateLimiterRedis({
      storeClient: client,
      keyPrefix: `tandem:${keyPrefix}`,
      points,
      duration,
      rejectIfRedisNotReady: true,
    });

/** Counts in a table of PostgreSQL that a crash may empty, on a connection that no slow statement holds up. */
export const postgresStore =
  (recorder: Pipeline): Store =>
  (keyPrefix, points) =>
    new RateLimiterPostgres({
      storeClient: {
        async query({ name = '', text, values = [] }: { name?: string; text: string; values?: unknown[] }) {
          const found = await recorder.run({ name, text }, values);
          return { rows: found.map(([points, expire]) => ({ points, expire: Number(expire) })) };
        },
      },
      storeType: 'client',
      tableName: 'rate_limit',
      tableCreated: true,
      keyPrefix,
      points,
      duration,
    });
