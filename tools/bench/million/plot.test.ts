import assert from "node:assert/strict";
import { test } from "node:test";
import { renderPlot } from "./plot.ts";

const plotOf = (points: readonly (readonly [number, number])[]) =>
  renderPlot({
    title: "Sizes < limits & such",
    xTitle: "jobs",
    panels: [{ title: "MB", lines: [{ name: "job", points }] }],
  });

test("lines go from the lower left corner, in proportion, under axes that end at a round value", () => {
  const svg = plotOf([
    [0, 0],
    [500, 10],
    [1_000, 20],
  ]);
  const [, path] = /<path d="(M[^"]+)" fill="none"/.exec(svg) ?? [];
  assert.equal(path, "M0 150L315 75L630 0");
  assert.match(svg, />1000<\/text>/);
  assert.match(svg, />20<\/text>/);
});

test("what has a meaning in XML is text", () => {
  assert.match(plotOf([[1, 1]]), />Sizes &lt; limits &amp; such<\/text>/);
});

test("nothing but zeros lies on the axis", () => {
  const svg = plotOf([
    [0, 0],
    [10, 0],
  ]);
  assert.match(svg, /<path d="M0 150L630 150" fill="none"/);
});

test("without points there is no plot", () => {
  assert.throws(() => plotOf([]), RangeError);
});
