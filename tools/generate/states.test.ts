import assert from "node:assert/strict";
import { test } from "node:test";
import { renderStates } from "./states.ts";

test("each machine gets a diagram and a row per transition", () => {
  const text = renderStates([
    {
      subject: "lamp",
      table: "LAMP_TRANSITIONS",
      transitions: { off: { pressed: "on" }, on: { pressed: "off", burned: "broken" }, broken: {} },
    },
  ]);
  assert.equal(
    text.slice(text.indexOf("## ")),
    `## Lamp

Source: \`LAMP_TRANSITIONS\` in \`packages/domain/src/lamp.ts\`. Terminal: \`broken\`.

\`\`\`mermaid
stateDiagram-v2
  [*] --> off
  off --> on: pressed
  on --> off: pressed
  on --> broken: burned
  broken --> [*]
\`\`\`

| from | event | to |
| --- | --- | --- |
| \`off\` | \`pressed\` | \`on\` |
| \`on\` | \`pressed\` | \`off\` |
| \`on\` | \`burned\` | \`broken\` |
`,
  );
});
