/** What the demo's sign-in keeps of those who are signing in: in memory, for as long as the hub runs. */
import { LRUCache } from 'lru-cache';
import type { AdapterFactory, AdapterPayload } from 'oidc-provider';

/** More than a demo ever has at once; the oldest make room. */
const max = 5_000;

export function demoStore(): AdapterFactory {
  const kept = new LRUCache<string, AdapterPayload>({ max });
  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`;
    const where = (fits: (payload: AdapterPayload) => boolean) =>
      [...kept.keys()].filter((key) => key.startsWith(`${model}:`) && fits(kept.peek(key)!));
    return {
      async upsert(id, payload, expiresIn) {
        kept.set(keyOf(id), payload, { ttl: (expiresIn ?? 0) * 1000 });
      },
      async find(id) {
        return kept.get(keyOf(id));
      },
      async findByUid(uid) {
        return where((payload) => payload.uid === uid).map((key) => kept.get(key))[0];
      },
      async findByUserCode(code) {
        return where((payload) => payload.userCode === code).map((key) => kept.get(key))[0];
      },
      async consume(id) {
        const payload = kept.get(keyOf(id));
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        kept.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const key of where((payload) => payload.grantId === grantId)) kept.delete(key);
      },
    };
  };
}
