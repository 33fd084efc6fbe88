import type { CertificateAuthority, JoinTokenCodec } from "@hodei/domain";

/** Tokens that are told apart by number only; there is nobody here to guess them. */
export function plainJoinTokens(series: number): JoinTokenCodec {
  let count = 0;
  return {
    create() {
      count += 1;
      const token = `join-${series}-${count}`;
      return { token, hash: toHash(token) };
    },
    hash: toHash,
  };
}

const toHash = (token: string): string => `hash of ${token}`;

/** Certificates without content: the simulated network says who a worker is. */
export const issueNothing: CertificateAuthority = {
  issueWorkerCertificate: async () => ({ chainPem: "", expiresAt: new Date(8.64e15) }),
};
