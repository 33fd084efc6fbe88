import type { TestEvent } from "node:test/reporters";

/** One line of the file in which a test process leaves what happened. */
export type EventLine =
  | { readonly type: "started"; readonly name: string }
  | { readonly type: "finished" }
  | {
      readonly type: "passed" | "failed" | "skipped";
      readonly name: string;
      readonly isSuite: boolean;
      /** Why it was skipped; empty unless it was. */
      readonly reason: string;
    };

/**
 * Test reporter that writes an `EventLine` in JSON for every test that starts or ends, and for the end of them all.
 *
 * The process that runs the file cannot count what is left over when the file crashes or is killed, so
 * every line is written at once.
 */
// biome-ignore lint/style/noDefaultExport: node loads a reporter by its default export
export default async function* eventLines(events: AsyncIterable<TestEvent>): AsyncIterable<string> {
  for await (const event of events) {
    const line = toLine(event);
    if (line !== undefined) yield `${JSON.stringify(line)}\n`;
  }
}

function toLine(event: TestEvent): EventLine | undefined {
  switch (event.type) {
    case "test:dequeue":
      return { type: "started", name: event.data.name };
    case "test:pass":
    case "test:fail": {
      const { name, skip, todo, details } = event.data;
      const isSuite = details.type === "suite";
      const reason = skip ?? todo;
      if (reason !== undefined && reason !== false) {
        return {
          type: "skipped",
          name,
          isSuite,
          reason: reason === true ? "no reason given" : reason,
        };
      }
      return { type: event.type === "test:pass" ? "passed" : "failed", name, isSuite, reason: "" };
    }
    case "test:summary":
      return { type: "finished" };
    default:
      return undefined;
  }
}
