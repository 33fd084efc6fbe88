/** One line of a panel: points from left to right. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** One diagram, with its y axis from 0. */
export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface Plot {
  readonly title: string;
  /** What the shared x axis, from 0, counts. */
  readonly xTitle: string;
  readonly panels: readonly Panel[];
}

const WIDTH = 860;
const MARGIN = { left: 80, right: 150, top: 56, bottom: 48 } as const;
const PANEL_HEIGHT = 150;
const PANEL_GAP = 44;
const INNER_WIDTH = WIDTH - MARGIN.left - MARGIN.right;
/** About so many values stand at an axis. */
const TICK_COUNT = 5;
/** Okabe and Ito's, which colour-blind people can tell apart. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;

/** The panels below each other, as a document of its own. @throws RangeError without points */
export function renderPlot({ title, xTitle, panels }: Plot): string {
  const xs = panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x)));
  if (xs.length === 0) throw new RangeError("there is nothing to plot");
  const x = scale(Math.max(...xs), INNER_WIDTH);
  const height = MARGIN.top + panels.length * (PANEL_HEIGHT + PANEL_GAP) + MARGIN.bottom;
  const parts = panels.map((panel, index) => {
    const top = MARGIN.top + index * (PANEL_HEIGHT + PANEL_GAP);
    return `<g transform="translate(${MARGIN.left} ${top})">\n${renderPanel(panel, x)}\n</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(title, { x: MARGIN.left, y: 22, attributes: 'font-size="15" font-weight="bold"' }),
    ...parts,
    text(xTitle, {
      x: MARGIN.left + INNER_WIDTH / 2,
      y: height - 14,
      attributes: 'text-anchor="middle"',
    }),
    "</svg>\n",
  ].join("\n");
}

interface Scale {
  readonly ticks: readonly number[];
  /** Where a value is, in pixels from the origin. */
  readonly at: (value: number) => number;
}

/** From 0 to the first round value that is not below `max`. */
function scale(max: number, lengthPx: number): Scale {
  const rough = (max || 1) / TICK_COUNT;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.max(1, Math.ceil((max || 1) / step));
  const ticks = Array.from({ length: count + 1 }, (_, index) => index * step);
  return { ticks, at: (value) => (value / (count * step)) * lengthPx };
}

function renderPanel({ title, lines }: Panel, x: Scale): string {
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const y = scale(Math.max(0, ...values), PANEL_HEIGHT);
  const grid = y.ticks.map((value) => {
    const level = px(PANEL_HEIGHT - y.at(value));
    const label = text(format(value), { x: -8, y: level + 4, attributes: 'text-anchor="end"' });
    return `<path d="M0 ${level}H${INNER_WIDTH}" stroke="#ddd"/>${label}`;
  });
  const xLabels = x.ticks.map((value) =>
    text(format(value), {
      x: px(x.at(value)),
      y: PANEL_HEIGHT + 16,
      attributes: 'text-anchor="middle"',
    }),
  );
  const curves = lines.map(({ name, points }, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const path = points.map(([px0, py]) => `${px(x.at(px0))} ${px(PANEL_HEIGHT - y.at(py))}`);
    const legend = { x: INNER_WIDTH + 12, y: 12 + index * 16, attributes: `fill="${colour}"` };
    return `<path d="M${path.join("L")}" fill="none" stroke="${colour}" stroke-width="1.5"/>${text(name, legend)}`;
  });
  const heading = text(title, { x: 0, y: -10, attributes: 'font-weight="bold"' });
  return [heading, ...grid, ...xLabels, ...curves].join("\n");
}

interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly attributes: string;
}

const text = (content: string, { x, y, attributes }: TextPlace): string =>
  `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;

/** Tenths of a pixel are finer than anybody sees. */
const px = (value: number): number => Math.round(value * 10) / 10;

/** At most three significant digits, thousands and millions abbreviated. */
function format(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const escapeXml = (content: string): string =>
  content.replace(/[&<>]/g, (character) => ESCAPES[character] ?? character);
