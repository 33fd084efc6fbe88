import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "@hodei/testkit";
import { findHierarchies } from "../src/control-groups/hierarchies.ts";

/**
 * A group of the freezer of version 1. What is frozen does not even end by SIGKILL: as good as a process that waits for a
 * broken disk.
 */
export class Freezer {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** `undefined` where there is none, or it is not ours to use. */
  static open(): Freezer | undefined {
    const hierarchy = findHierarchies().find(({ controllers }) => controllers.includes("freezer"));
    if (hierarchy === undefined) return undefined;
    const path = join(hierarchy.ownPath, `hodei-test-${process.pid}`);
    try {
      mkdirSync(path);
      return new Freezer(path);
    } catch {
      return undefined;
    }
  }

  async freeze(pid: number): Promise<void> {
    writeFileSync(join(this.#path, "cgroup.procs"), `${pid}`);
    writeFileSync(join(this.#path, "freezer.state"), "FROZEN");
    await waitFor(() => readFileSync(join(this.#path, "freezer.state"), "utf8") === "FROZEN\n");
  }

  thaw(): void {
    writeFileSync(join(this.#path, "freezer.state"), "THAWED");
  }

  /** Nothing may be in it any more. */
  close(): void {
    this.thaw();
    rmdirSync(this.#path);
  }
}
