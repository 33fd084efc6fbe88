import { type Worker, type WorkerMetrics, WorkerState } from "@hodei/proto/hodei/v1/worker";
import { durationMs } from "@hodei/sdk";
import { formatDuration } from "../values/duration.ts";
import { formatSize } from "../values/size.ts";
import { enumWord } from "./enum-word.ts";
import { type Cell, facts, type Style, table } from "./text.ts";
import { age, instant } from "./time.ts";

type Paint = (style: Style, text: string) => string;

/** A list of workers as a table. */
export function workerTable(workers: readonly Worker[], now: Date, paint: Paint): string {
  const rows = workers.map((worker): Cell[] => [
    worker.id,
    stateCell(worker.state),
    `${worker.runningAttempts}`,
    worker.pool,
    worker.provider,
    age(worker.createdAt, now),
    worker.hostname,
  ]);
  return table(["ID", "STATE", "RUNNING", "POOL", "PROVIDER", "AGE", "HOST"], rows, paint);
}

/** All about one worker. */
export function workerFacts(worker: Worker, paint: Paint): string {
  const labels = Object.entries(worker.labels).map(([name, value]) => `${name}=${value}`);
  const taints = worker.taints.map(({ key, value }) => (value === "" ? key : `${key}=${value}`));
  const { capacity, gpuModel } = worker;
  return facts(
    [
      ["id", worker.id],
      ["state", stateCell(worker.state)],
      ["running attempts", `${worker.runningAttempts}`],
      ["pool", worker.pool],
      ["provider", worker.provider],
      ["host", worker.hostname || undefined],
      ["architecture", worker.arch || undefined],
      ["version", worker.version || undefined],
      ["taints", taints.length === 0 ? undefined : taints.join(", ")],
      ["labels", labels.length === 0 ? undefined : labels.join(", ")],
      ["cores", capacity && `${capacity.cpuMillis / 1000}`],
      ["memory", capacity && formatSize(Number(capacity.memoryBytes))],
      ["free disk", capacity && formatSize(Number(capacity.diskBytes))],
      ["GPUs", gpuModel === "" ? undefined : `${capacity?.gpuCount ?? 0} ${gpuModel}`],
      ["attempts at once", capacity && `${capacity.attemptCount}`],
      ["created", instant(worker.createdAt)],
      ["connected", instant(worker.connectedAt)],
      ["terminated", instant(worker.terminatedAt)],
      ...metricFacts(worker.metrics),
    ],
    paint,
  );
}

function metricFacts(metrics: WorkerMetrics | undefined): [string, string | undefined][] {
  if (metrics === undefined) return [];
  const { memoryAvailableBytes, networkReceivedBytes, networkSentBytes } = metrics;
  const { droppedLogBytes, eventLoopDelay } = metrics;
  const size = (bytes: bigint): string => formatSize(Number(bytes));
  return [
    ["measured", instant(metrics.reportedAt)],
    ["cpu in use", `${Math.round(metrics.cpuUtilization * 100)} %`],
    ["load", metrics.load.map((average) => average.toFixed(2)).join(" ")],
    ["free memory", size(memoryAvailableBytes)],
    ...metrics.disks.map(({ mount, freeBytes, totalBytes }): [string, string] => [
      "disk",
      `${mount}: ${size(freeBytes)} of ${size(totalBytes)} free`,
    ]),
    ["network", `${size(networkReceivedBytes)} received, ${size(networkSentBytes)} sent`],
    ["dropped log", droppedLogBytes === 0n ? undefined : size(droppedLogBytes)],
    ["event loop delay", eventLoopDelay && formatDuration(durationMs(eventLoopDelay))],
  ];
}

function stateCell(state: WorkerState): Cell {
  return { text: enumWord(WorkerState, state), style: STATE_STYLES.get(state) ?? "yellow" };
}

const STATE_STYLES: ReadonlyMap<WorkerState, Style> = new Map<WorkerState, Style>([
  [WorkerState.READY, "green"],
  [WorkerState.BUSY, "blue"],
  [WorkerState.TERMINATED, "dim"],
  [WorkerState.LOST, "red"],
]);
