/** The part of `AbortSignal` that domain and application need; every `AbortSignal` is one. */
export interface StopSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Time as the application sees it; virtual in the simulator. */
export interface Clock {
  now(): Date;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: StopSignal): Promise<void>;
}

/** Yields numbers in [0, 1). */
export type Random = () => number;
