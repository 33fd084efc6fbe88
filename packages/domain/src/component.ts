/** A long-lived part. `stop` may come twice, or before `start`, and resolves when nothing is left running. */
export interface Component {
  start(): Promise<void>;
  stop(): Promise<void>;
}
