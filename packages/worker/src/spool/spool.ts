import { mkdirSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { AttemptRef, AttemptReport } from "@hodei/domain";
import type { Logger } from "pino";
import { AttemptSpool, parseSpoolFileName } from "./attempt-spool.ts";
import { SpoolBudget } from "./spool-budget.ts";
import { type FoundFile, SpoolFile, summarize } from "./spool-file.ts";

export interface SpoolOptions {
  readonly log: Logger;
  /** Made with mode 0700. */
  readonly folder: string;
  /** Of all attempts together; see `AttemptSpool` for what happens at each bound. */
  readonly maxBytes: number;
  readonly attemptMaxBytes: number;
}

/** An attempt of an earlier worker: what the server may not have yet. */
export interface FoundAttempt {
  readonly ref: AttemptRef;
  readonly spool: AttemptSpool;
  /** `undefined`: nobody saw it end. */
  readonly report: Omit<AttemptReport, "ref"> | undefined;
}

/** Where the logs and results of attempts wait for the server, on the disk of the worker. */
export class Spool {
  readonly budget: SpoolBudget;
  readonly #options: SpoolOptions;

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.budget = new SpoolBudget(options.maxBytes);
  }

  /** @throws Error of the file system */
  static open(options: SpoolOptions): Spool {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    return new Spool(options);
  }

  /** For a new attempt. */
  create(ref: AttemptRef): AttemptSpool {
    return new AttemptSpool(this.#attemptOptions, ref);
  }

  /**
   * The attempts that an earlier worker left here. To be called once, before any `create`. What cannot be understood is
   * removed and logged: nobody could make more of it.
   * @throws Error of the file system
   */
  async findLeft(): Promise<readonly FoundAttempt[]> {
    const byAttempt = new Map<string, { name: string; startOffset: number }[]>();
    for (const name of (await readdir(this.#options.folder)).sort()) {
      const parsed = parseSpoolFileName(name);
      if (parsed === undefined) await this.#discard(name);
      else {
        const group = byAttempt.get(parsed.key) ?? [];
        byAttempt.set(parsed.key, [...group, { name, startOffset: parsed.startOffset }]);
      }
    }
    const found: FoundAttempt[] = [];
    for (const group of byAttempt.values()) found.push(...(await this.#readAttempt(group)));
    return found;
  }

  get #attemptOptions() {
    const { folder, attemptMaxBytes: maxBytes } = this.#options;
    return { folder, budget: this.budget, maxBytes };
  }

  /** Files that adjoin; what comes after a hole belongs to nothing. */
  async #readAttempt(
    group: readonly { readonly name: string; readonly startOffset: number }[],
  ): Promise<FoundAttempt[]> {
    const files: SpoolFile[] = [];
    let last: FoundFile | undefined;
    for (const { name, startOffset } of group) {
      const path = join(this.#options.folder, name);
      const next = await readFile(path).then(
        (bytes) => summarize(bytes, startOffset),
        () => undefined, // A broken disk: as good as nothing.
      );
      const isAdjoining = last === undefined || last.summary.endOffset === startOffset;
      if (next === undefined || !isAdjoining) {
        await this.#discard(name);
        continue;
      }
      last = next;
      files.push(new SpoolFile(path, next.summary));
    }
    if (last === undefined) return [];
    const hasReport = last.report !== undefined;
    const ref: AttemptRef = JSON.parse(last.owner);
    const spool = new AttemptSpool(this.#attemptOptions, ref, { files, hasReport });
    return [{ ref, spool, report: last.report && JSON.parse(last.report) }];
  }

  async #discard(name: string): Promise<void> {
    this.#options.log.warn({ event: "spool.file_discarded", name });
    await rm(join(this.#options.folder, name), { force: true, recursive: true }).catch((err) => {
      this.#options.log.error({ event: "spool.file_stays", name, err });
    });
  }
}
