import type { CommandEntry } from "./command-module.ts";

/** Every command, in the order of the help. A command's file is loaded only when it is used. */
// biome-ignore format: a table reads better in columns
export const COMMANDS: readonly CommandEntry[] = [
  { name: "run",        summary: "Run a job, stream its output and exit with its exit code", load: () => import("./commands/run.ts") },
  { name: "submit",     summary: "Create jobs from a file, or one from flags, and print their ids", load: () => import("./commands/submit.ts") },
  { name: "plan",       summary: "Say whether and where jobs would start, without creating them", load: () => import("./commands/plan.ts") },
  { name: "jobs",       summary: "List, show, wait for, cancel, retry and explain jobs", load: () => import("./commands/jobs.ts") },
  { name: "logs",       summary: "Print the output of a job", load: () => import("./commands/logs.ts") },
  { name: "secrets",    summary: "Set, list and delete secrets of jobs", load: () => import("./commands/secrets.ts") },
  { name: "workers",    summary: "List, show and drain workers, or let one join", load: () => import("./commands/workers.ts") },
  { name: "events",     summary: "Print what happened", load: () => import("./commands/events.ts") },
  { name: "dev",        summary: "Run the local stack in the foreground", load: () => import("./commands/dev.ts") },
  { name: "down",       summary: "Stop the local stack", load: () => import("./commands/down.ts") },
  { name: "server",     summary: "Run a server", load: () => import("./commands/server.ts") },
  { name: "worker",     summary: "Run a worker", load: () => import("./commands/worker.ts") },
  { name: "doctor",     summary: "Check that everything Hodei needs is in order", load: () => import("./commands/doctor.ts") },
  { name: "completion", summary: "Print a completion script for bash, zsh or fish", load: () => import("./commands/completion.ts") },
  { name: "version",    summary: "Print the version", load: () => import("./commands/version.ts") },
];
