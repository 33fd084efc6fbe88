import { readFileSync } from "node:fs";

interface Count {
  readonly file: string;
  readonly lines: number;
  readonly words: number;
}

function count(file: string): Count {
  const text = readFileSync(file, "utf8");
  return {
    file,
    lines: text.split("\n").length - 1,
    words: text.split(/\s+/).filter((word) => word !== "").length,
  };
}

for (const { file, lines, words } of process.argv.slice(2).map(count)) {
  console.log(`${file}: ${lines} lines, ${words} words`);
}
