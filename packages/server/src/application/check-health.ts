import type { Deps } from "./deps.ts";

/** A call that waits for longer than this for the database is not served in time. */
const ANSWER_LIMIT_MS = 3_000;

/** One turn: reads something as calls do, and tells whether that went well. */
export async function checkHealth(
  { database, clock }: Pick<Deps, "database" | "clock">,
  tell: (status: "serving" | "not_serving") => void,
): Promise<undefined> {
  const limit = new AbortController();
  const answered = database.readers.replicas.list().then(
    () => true,
    () => false, // whoever calls is told why
  );
  const late = clock.sleep(ANSWER_LIMIT_MS, limit.signal).then(() => false);
  tell((await Promise.race([answered, late])) ? "serving" : "not_serving");
  limit.abort();
}
