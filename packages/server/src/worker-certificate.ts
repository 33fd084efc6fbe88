import type { Clock, Component, Logger } from "@hodei/domain";
import { Reconciler, type Signals } from "./application/index.ts";
import type { ServerConfig } from "./config.ts";
import type {
  LocalCertificateAuthority,
  ServerCertificate,
} from "./infrastructure/tls/certificate-authority.ts";

/** How often to look whether the certificate is to be renewed. */
const LOOK_INTERVAL_MS = 3_600_000;

/** Names under which workers reach the worker listener, beside this machine's own. */
export function workerHostnames(config: ServerConfig): readonly string[] {
  const wildcard = config.workerHost === "0.0.0.0" || config.workerHost === "::";
  return wildcard ? config.workerHostnames : [config.workerHost, ...config.workerHostnames];
}

/** Renews the worker listener's certificate at two thirds of its life; open connections go on. */
export function certificateRenewal(
  deps: { readonly clock: Clock; readonly signals: Signals; readonly log: Logger },
  authority: LocalCertificateAuthority,
  options: {
    readonly hostnames: readonly string[];
    readonly first: ServerCertificate;
    readonly show: (certificate: ServerCertificate) => void;
  },
): Component {
  const { hostnames, show } = options;
  let current = options.first;
  let issuedAt = deps.clock.now();
  return new Reconciler(deps, {
    name: "renew-worker-certificate",
    topics: [],
    intervalMs: LOOK_INTERVAL_MS,
    enabled: () => true,
    run: async () => {
      const now = deps.clock.now();
      const lifeMs = current.expiresAt.getTime() - issuedAt.getTime();
      if (now.getTime() - issuedAt.getTime() < (lifeMs * 2) / 3) return undefined;
      current = await authority.issueServerCertificate(hostnames);
      issuedAt = now;
      show(current);
      deps.log.info("worker_certificate_renewed", { expiresAt: current.expiresAt });
      return undefined;
    },
  });
}
