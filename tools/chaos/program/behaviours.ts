/** What a job does with processes, beside writing. `"$@"` of each script is the program that writes. */
export type Behaviour =
  | "plain"
  | "numbers"
  | "double-fork"
  | "nohup"
  | "no-environment"
  | "daemon-holds-output"
  | "closes-output"
  | "ignores-sigterm"
  | "stopped-tree"
  | "fork-bomb"
  | "memory-hog";

interface Script {
  readonly text: string;
  /** It goes on until somebody ends it. */
  readonly isEndless: boolean;
  /** Without a control group of its own it would harm the machine, or could not be found again. */
  readonly needsControlGroups: boolean;
}

const SELF_ENDING = { isEndless: false, needsControlGroups: false };
const ENDLESS = { isEndless: true, needsControlGroups: false };

/** Runs the program. What bash itself says of killed children stays out of the log, whose every byte is known. */
const WRITE = `exec 3>&2 2> /dev/null; "$@" 2>&3 3>&-`;

/**
 * A sleeper's argument carries the mark of the run, so it is found in `/proc` whatever became of its environment.
 * Sleepers that are not to hold the output of the job open close it.
 */
export const BEHAVIOURS: Readonly<Record<Behaviour, Script>> = {
  plain: { ...SELF_ENDING, text: `exec "$@"` },
  numbers: { ...SELF_ENDING, text: `exec seq 1 "$CHAOS_NUMBERS"` },
  "double-fork": {
    ...SELF_ENDING,
    text: `( ( sleep "$CHAOS_NAP" > /dev/null 2>&1 & ) & ); ${WRITE}`,
  },
  nohup: {
    ...SELF_ENDING,
    text: `setsid nohup sleep "$CHAOS_NAP" > /dev/null 2>&1 & ${WRITE}`,
  },
  "no-environment": {
    isEndless: false,
    needsControlGroups: true,
    text: `( env -i "$(command -v setsid)" "$(command -v sleep)" "$CHAOS_NAP" > /dev/null 2>&1 & ); ${WRITE}`,
  },
  "daemon-holds-output": { ...SELF_ENDING, text: `( setsid sleep "$CHAOS_NAP" & ); ${WRITE}` },
  "closes-output": {
    ...SELF_ENDING,
    text: `${WRITE}; code=$?; exec >&- 2>&- 3>&-; sleep 1; exit "$code"`,
  },
  "ignores-sigterm": { ...ENDLESS, text: `trap '' TERM; ${WRITE}; while :; do sleep 0.3; done` },
  "stopped-tree": {
    ...ENDLESS,
    text: `sleep "$CHAOS_NAP" > /dev/null 2>&1 & kill -STOP $!; ${WRITE}; kill -STOP $$; sleep "$CHAOS_NAP"`,
  },
  "fork-bomb": {
    isEndless: true,
    needsControlGroups: true,
    text: `${WRITE}; bomb() { bomb | bomb & }; bomb; while :; do sleep 1; done`,
  },
  "memory-hog": {
    isEndless: false,
    needsControlGroups: true,
    text: `${WRITE}; head -c 1G /dev/zero | tail > /dev/null`,
  },
};
