import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One section of `README.md`. */
export interface Example {
  /** The section's heading, and the name of the folder with what is expected. */
  readonly name: string;
  /** The section's first `sh` block, as one shell script. */
  readonly commands: string;
  /** What the commands print on standard output; on standard error they print nothing. */
  readonly expectedStdout: string;
}

const COMMANDS = /^```sh\n(.*?)^```$/ms;

/** The examples of the `README.md` in `folder`, in its order. */
export async function readExamples(folder: string): Promise<readonly Example[]> {
  const text = await readFile(join(folder, "README.md"), "utf8");
  const [, ...sections] = text.split(/^## /m);
  return Promise.all(
    sections.map(async (section) => {
      const name = section.slice(0, section.indexOf("\n"));
      const commands = COMMANDS.exec(section)?.[1] ?? "";
      const expectedStdout = await readFile(join(folder, name, "expected.stdout"), "utf8");
      return { name, commands, expectedStdout };
    }),
  );
}
