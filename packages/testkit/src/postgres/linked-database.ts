import { join } from "node:path";
import { Link } from "../link.ts";

/** A link to a database, and the URL under which it is reached through it. */
export interface LinkedDatabase {
  readonly link: Link;
  readonly url: string;
  stop(): Promise<void>;
}

/** Opens a link to the database at `url`: what stands between both is in the hands of the caller. */
export async function linkDatabase(url: string): Promise<LinkedDatabase> {
  // Not at the top, as for `startTestPostgres`.
  const { default: pg } = await import("pg");
  const { host, port, user, password, database } = new pg.Client({ connectionString: url });
  // Source: PostgreSQL's documentation of `unix_socket_directories`.
  const target = host.startsWith("/") ? { path: join(host, `.s.PGSQL.${port}`) } : { host, port };
  const link = new Link("database", () => target);
  await link.start();
  const account = `${encodeURIComponent(user ?? "")}:${encodeURIComponent(password ?? "")}`;
  return {
    link,
    url: `postgresql://${account}@127.0.0.1:${link.port}/${database}`,
    stop: () => link.stop(),
  };
}
