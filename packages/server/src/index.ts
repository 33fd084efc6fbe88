export type { ServerOptions } from "./config.ts";
export { readServerConfig, type ServerConfig } from "./config.ts";
export { createJsonLog } from "./infrastructure/system/json-log.ts";
export { type RunOptions, runServer } from "./main.ts";
export { type Server, type StartOptions, startServer } from "./start-server.ts";
