import { readFile } from "node:fs/promises";

/** Since the machine started. */
export interface NetworkTotals {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export async function readNetwork(): Promise<NetworkTotals> {
  return parseNetwork(await readFile("/proc/net/dev", "utf8"));
}

/** The loopback, and what only passes on traffic of other interfaces, which would count it twice. */
const NOT_COUNTED = /^(lo|veth.*|docker\d+|br-.*|virbr.*|cni.*|cali.*|flannel.*|ifb\d+|bond\d+)$/;

/** `name: received-bytes packets errs drop fifo frame compressed multicast sent-bytes …` after two lines of headings. */
export function parseNetwork(text: string): NetworkTotals {
  let receivedBytes = 0;
  let sentBytes = 0;
  for (const line of text.split("\n").slice(2)) {
    const [name = "", counts = ""] = line.split(":", 2);
    if (counts === "" || NOT_COUNTED.test(name.trim())) continue;
    const numbers = counts.trim().split(/\s+/).map(Number);
    receivedBytes += numbers[0] ?? 0;
    sentBytes += numbers[8] ?? 0;
  }
  return { receivedBytes, sentBytes };
}
